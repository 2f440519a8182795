"""A stand-in for Keycloak, for the demo and the tests: it serves the same realm file and gives the same answers.

`create_identity_provider(realm)` makes the application; `tests/keycloak` holds it against a real Keycloak, row by row.
It imports nothing of the product. It keeps everything in memory, knows passwords in clear, and has switches that
break it on purpose (`/__dev/…`), so it listens on loopback only unless told otherwise.
"""

from seed.identity_provider.app import create_identity_provider
from seed.identity_provider.provider import IdentityProvider

__all__ = ["IdentityProvider", "create_identity_provider"]
