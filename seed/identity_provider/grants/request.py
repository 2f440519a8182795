"""What a grant is asked with."""

from dataclasses import dataclass

from seed.identity_provider.faults import AnyFault
from seed.identity_provider.form import Form
from seed.identity_provider.issuing import Issuer
from seed.identity_provider.provider import IdentityProvider
from seed.identity_provider.realm import Client


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to the token endpoint by a client that has proved who it is. `peer` is its address."""

    provider: IdentityProvider
    issuer: Issuer
    client: Client
    form: Form
    peer: str
    faults: tuple[AnyFault, ...] = ()
