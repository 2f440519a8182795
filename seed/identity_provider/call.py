"""One request to one endpoint of the realm, as the handlers see it."""

from dataclasses import dataclass

from starlette.requests import Request

from seed.identity_provider.client_authentication import authenticate_client
from seed.identity_provider.dpop import bound_key
from seed.identity_provider.faults import AnyFault
from seed.identity_provider.form import Form
from seed.identity_provider.issuing import Issuer
from seed.identity_provider.provider import IdentityProvider
from seed.identity_provider.realm import Client


@dataclass(frozen=True, slots=True)
class Call:
    """The request, its form, and the issuer address that fits the address called."""

    provider: IdentityProvider
    request: Request
    body: bytes
    form: Form
    faults: tuple[AnyFault, ...]

    @property
    def base(self) -> str:
        """The address of the whole identity provider, without a slash at the end."""
        return self.provider.issuer_base or str(self.request.base_url).rstrip("/")

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.provider, f"{self.base}/realms/{self.provider.realm.name}")

    def bound_issuer(self, client: Client) -> Issuer:
        """The issuer of tokens that are bound to the key of the request's DPoP proof, if it has one."""
        address, provider = self.issuer.address, self.provider
        endpoint = f"{address}/protocol/openid-connect/token"
        return Issuer(provider, address, bound_key(self.request, client, provider.proofs, endpoint, provider.clock()))

    @property
    def peer(self) -> str:
        return self.request.client.host if self.request.client else ""

    def client(self) -> Client:
        """The client that calls. Raises OAuthError."""
        return authenticate_client(self.provider.realm, self.form, self.request.headers.get("authorization"))
