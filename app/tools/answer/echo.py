"""Takes the token that was sent out of what the upstream says: it is for that upstream, not for the agent."""

from typing import Any

import orjson

_MARK = "[the token that was sent]"
_SHORTEST = 16  # characters of a token's beginning that a cut answer may end with


class Echo:
    """What to look for; a call without a token has none."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret or ""

    def out_of_text(self, text: str) -> str:
        """Return the text without the token."""
        return text.replace(self._secret, _MARK) if self._secret else text

    def out_of(self, content: bytes, *, truncated: bool = False) -> bytes:
        """Return the content without the token, and without its beginning where the content was cut inside of it."""
        if not self._secret:
            return content
        token = self._secret.encode()
        content = content.replace(token, _MARK.encode())
        if truncated:
            for length in range(len(token) - 1, _SHORTEST - 1, -1):
                if content.endswith(token[:length]):
                    return content[:-length] + _MARK.encode()
        return content

    def out_of_json(self, data: bytes) -> tuple[Any, bytes]:
        """Return JSON, parsed and as it came, without the token, whichever of its characters are escaped.

        Raises orjson.JSONDecodeError.
        """
        data = self.out_of(data)
        body = orjson.loads(data)
        if self._secret and b"\\u" in data:
            try:
                plain = orjson.dumps(body)
            except orjson.JSONEncodeError:  # nested too deep to be written again: what is escaped stays
                return body, data
            if (without := self.out_of(plain)) != plain:
                return orjson.loads(without), without
        return body, data
