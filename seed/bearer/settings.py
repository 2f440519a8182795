"""The settings of an upstream that verifies tokens."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings


class BearerSettings(BaseSettings):
    """Where an upstream listens and whose tokens it accepts; each field is the environment variable in capitals.

    Raises pydantic.ValidationError when the audience is to be verified and none is named: a check that silently
    does nothing is worse than none.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    issuer: str = "http://localhost:8041/realms/tools-provider"
    jwks_uri: str = ""
    verify_audience: bool = True
    expected_audience: str = ""

    @model_validator(mode="after")
    def _an_audience_to_verify(self) -> Self:
        if self.verify_audience and not self.expected_audience:
            raise ValueError("EXPECTED_AUDIENCE is empty although VERIFY_AUDIENCE is on: name this API's client id.")
        return self

    @property
    def keys_address(self) -> str:
        """The address of the issuer's keys: `JWKS_URI`, else where Keycloak has them."""
        return self.jwks_uri or f"{self.issuer}/protocol/openid-connect/certs"

    @property
    def audience(self) -> str | None:
        """The audience that a token must be for; None when that is not verified."""
        return self.expected_audience if self.verify_audience else None
