"""Which kinds of upstream credentials there are, and which one a source has."""

from collections.abc import Mapping
from typing import Literal

from app.credentials.credential import Credential
from app.credentials.exchanged import Exchanged
from app.credentials.none import NoCredential
from app.credentials.passthrough import Passthrough

AuthType = Literal["token_exchange", "passthrough", "none"]

KINDS: Mapping[AuthType, type[Credential]] = {
    "token_exchange": Exchanged,
    "passthrough": Passthrough,
    "none": NoCredential,
}


def auth_type_of(stated: str | None, audience: str | None) -> AuthType:
    """Return what an admin stated, else what follows from the audience."""
    for known in KINDS:
        if stated == known:
            return known
    return "token_exchange" if audience else "passthrough"


def auth_type_elsewhere(audience: str | None) -> AuthType:
    """Return what calls to another origin of the same source carry: never the agent's own token."""
    return "token_exchange" if audience else "none"
