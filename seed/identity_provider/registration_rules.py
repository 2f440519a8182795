"""Who may register a client without asking: the anonymous client registration policies of a realm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

POLICIES = "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy"


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """Hosts that redirect addresses may have, and scopes that may be named beside the realm's own."""

    trusted_hosts: frozenset[str]
    extra_scopes: frozenset[str]


def registration_rules(export: Mapping[str, Any]) -> RegistrationRules:
    """The rules in a realm export. Without any, no host is trusted, as in a new Keycloak realm."""
    hosts: set[str] = set()
    scopes: set[str] = set()
    for policy in export.get("components", {}).get(POLICIES, ()):
        if policy["subType"] == "anonymous":
            hosts |= set(policy["config"].get("trusted-hosts", ()))
            scopes |= set(policy["config"].get("allowed-client-scopes", ()))
    return RegistrationRules(frozenset(hosts), frozenset(scopes))
