"""Authorization codes (RFC 6749 section 4.1.2): handed out after a login, used once."""

import re
import secrets
from dataclasses import dataclass

CODE_SECONDS = 60
CODES_KEPT = 1_000  # the oldest go first
PKCE_VALUE = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 section 4.1


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What a login was about; `code_challenge` is S256 (RFC 7636) or empty. `expires_at`: seconds since the epoch."""

    client_id: str
    redirect_uri: str
    user_id: str
    session_id: str
    scope: str | None
    nonce: str | None
    code_challenge: str
    expires_at: float


class AuthorizationCodes:
    """The codes of the last minute, used or not, of each the last 1,000."""

    def __init__(self) -> None:
        self._codes: dict[str, AuthorizationCode] = {}
        self._used: dict[str, AuthorizationCode] = {}

    def add(self, code: AuthorizationCode, now: float) -> str:
        for codes in (self._codes, self._used):
            for value in [value for value, known in codes.items() if known.expires_at <= now]:
                del codes[value]
            while len(codes) >= CODES_KEPT:
                del codes[next(iter(codes))]
        value = secrets.token_urlsafe(32)
        self._codes[value] = code
        return value

    def take(self, value: str, now: float) -> AuthorizationCode | None:
        """The code, which is used up by this; None when it is unknown, too old or used."""
        code = self._codes.pop(value, None)
        if code is None or code.expires_at <= now:
            return None
        self._used[value] = code
        return code

    def used(self, value: str) -> AuthorizationCode | None:
        return self._used.get(value)
