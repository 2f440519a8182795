"""Authorization codes (RFC 6749 section 4.1.2): handed out after a login, used once."""

import secrets
from dataclasses import dataclass

CODE_SECONDS = 60


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
    """The codes that nobody has used yet."""

    def __init__(self) -> None:
        self._codes: dict[str, AuthorizationCode] = {}

    def add(self, code: AuthorizationCode, now: float) -> str:
        self._codes = {value: known for value, known in self._codes.items() if known.expires_at > now}
        value = secrets.token_urlsafe(32)
        self._codes[value] = code
        return value

    def take(self, value: str, now: float) -> AuthorizationCode | None:
        code = self._codes.pop(value, None)
        return code if code is not None and code.expires_at > now else None
