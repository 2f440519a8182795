"""Who may register a client without asking: the anonymous client registration policies of a realm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MOST_CLIENTS = 200  # Keycloak's default
POLICIES = "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy"


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """Hosts of a client's addresses (after `*.` with all below), scopes beside the realm's own, clients at most."""

    trusted_hosts: frozenset[str]
    extra_scopes: frozenset[str]
    most_clients: int

    def trusts(self, address: str) -> bool:
        """Whether the address has a host that is trusted."""
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        labels = host.split(".")
        domains = {f"*.{'.'.join(labels[start:])}" for start in range(len(labels))}
        return not self.trusted_hosts.isdisjoint({host} | domains)


def registration_rules(export: Mapping[str, Any]) -> RegistrationRules:
    """The rules in a realm export. Without any, no host is trusted, as in a new Keycloak realm."""
    hosts: set[str] = set()
    scopes: set[str] = set()
    most = MOST_CLIENTS
    for policy in export.get("components", {}).get(POLICIES, ()):
        if policy["subType"] == "anonymous":
            hosts |= set(policy["config"].get("trusted-hosts", ()))
            scopes |= set(policy["config"].get("allowed-client-scopes", ()))
            most = min([most, *map(int, policy["config"].get("max-clients", ()))])
    return RegistrationRules(frozenset(hosts), frozenset(scopes), most)
