"""User sessions, revoked tokens, and the refresh tokens that continue a session."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

SESSIONS_KEPT = 10_000  # the oldest go first: this issuer lives in memory
REVOKED_KEPT = 10_000


@dataclass(slots=True)
class Session:
    """A login of a user. `clients` are those that hold a refresh token of it; times are seconds since the epoch."""

    id: str
    user_id: str
    started: float
    last_used: float
    clients: set[str] = field(default_factory=set)


class Sessions:
    """The sessions of one realm and what has been revoked in it."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._revoked: dict[str, None] = {}

    def start(self, user_id: str, client_id: str, now: float) -> Session:
        session = Session(secrets.token_urlsafe(18), user_id, started=now, last_used=now, clients={client_id})
        self._sessions[session.id] = session
        if len(self._sessions) > SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        return session

    def alive(self, session_id: str, now: float, *, idle: float, life: float) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None or now > session.last_used + idle or now > session.started + life:
            return None
        return session

    def end(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    def end_client(self, session_id: str, client_id: str) -> None:
        """Take a client out of a session; the session ends with its last client."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.clients.discard(client_id)
            if not session.clients:
                self.end(session_id)

    def end_all_of(self, user_id: str) -> int:
        """End every session of a user; how many there were."""
        ended = [session.id for session in self._sessions.values() if session.user_id == user_id]
        for session_id in ended:
            self.end(session_id)
        return len(ended)

    def revoke(self, token_id: str) -> None:
        self._revoked[token_id] = None
        if len(self._revoked) > REVOKED_KEPT:
            del self._revoked[next(iter(self._revoked))]

    def revoked(self, token_id: str) -> bool:
        return token_id in self._revoked
