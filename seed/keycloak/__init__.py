"""The realm `tools-provider` and a real Keycloak to serve it.

`realm.json` is the one description of clients, users and scopes: Keycloak imports it and the embedded identity provider
reads it. Keycloak replaces whole lists on import, so the file spells out what Keycloak would otherwise add itself: a
realm that names one client scope gets none of the built-in ones, and one that names one registration policy gets only
the named ones (all seven for anonymous registration are there; only Trusted Hosts differs from Keycloak's default).
"""

import json
from pathlib import Path
from typing import Any

REALM_FILE = Path(__file__).with_name("realm.json")


def read_realm(file: Path = REALM_FILE) -> dict[str, Any]:
    """The realm as Keycloak's RealmRepresentation. Raises OSError or ValueError when the file is not one."""
    realm = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(realm, dict) or not isinstance(realm.get("realm"), str):
        raise ValueError(  # noqa: TRY004 - what is wrong is the file, not an argument
            f"{file} is not a realm export: it needs at least a member `realm` with the realm's name"
        )
    return realm
