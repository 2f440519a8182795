"""Every setting, read from the environment and `.env`. Names and defaults are a contract with operators."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The configuration of one process. Each field is the environment variable of the same name in capitals.

    Raises pydantic.ValidationError naming every variable that cannot be used.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    keycloak_url: str = "http://localhost:8041"
    keycloak_realm: str = "tools-provider"
    oidc_issuer: str = ""
    token_exchange_client_id: str = "tools-provider-token-exchange"
    token_exchange_client_secret: SecretStr = SecretStr("")
    token_exchange_client_secret_file: Path | None = None
    token_exchange_cache_ttl_buffer: float = Field(default=60, ge=0)
    token_exchange_cache_max_age: float = Field(default=60, ge=0)
    token_exchange_timeout: float = Field(default=10.0, gt=0)
    accepted_audiences: CommaList = ()
    admin_roles: CommaList = ("admin", "manager")
    token_passthrough: Literal["allow", "deny"] = "allow"

    circuit_breaker_failure_threshold: int = Field(default=5, ge=1)
    circuit_breaker_recovery_timeout: float = Field(default=30.0, gt=0)

    host: str = "127.0.0.1"
    port: int = Field(default=8040, ge=0, le=65535)
    public_url: str = "http://localhost:8040"
    mcp_page_size: int = Field(default=1_000, ge=1, le=10_000)

    database_url: SecretStr = SecretStr("sqlite:///./data/tools-provider.db")
    database_url_file: Path | None = None

    allowed_upstreams: CommaList = ()
    audience_origins: CommaList = ()
    upstream_timeout: float = Field(default=30.0, gt=0)
    upstream_max_bytes: int = Field(default=1_048_576, ge=1_024, le=67_108_864)
    unknown_arguments: Literal["refuse", "drop"] = "refuse"
    source_fetch_timeout: float = Field(default=10.0, gt=0)
    source_ref_origins: CommaList = ()
    source_read_timeout: float = Field(default=30.0, gt=0)
    source_read_memory: int = Field(default=2_147_483_648, ge=268_435_456)
    source_max_bytes: int = Field(default=20_971_520, gt=0)
    source_max_files: int = Field(default=5_000, ge=0)
    source_max_nodes: int = Field(default=1_000_000, gt=0)
    source_max_alias_nodes: int = Field(default=250_000, ge=0)
    source_max_depth: int = Field(default=200, gt=0, le=1_000)
    source_max_operations: int = Field(default=10_000, gt=0)
    source_max_tool_bytes: int = Field(default=32_768, ge=2_048)
    source_max_list_bytes: int = Field(default=10_485_760, ge=2_048)

    audit_log: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otel_exporter_otlp_endpoint: str = ""
    otel_service_name: str = "tools-provider"

    @field_validator(
        "accepted_audiences",
        "admin_roles",
        "allowed_upstreams",
        "audience_origins",
        "source_ref_origins",
        mode="before",
    )
    @classmethod
    def _comma_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("token_exchange_client_secret_file", "database_url_file", "audit_log", mode="before")
    @classmethod
    def _no_path(cls, value: object) -> object:
        return None if value == "" else value  # an empty path would be the working directory

    @field_validator("keycloak_url", "public_url", "oidc_issuer")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("this is not an address such as https://host or http://host:port")
        return value.rstrip("/")

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, object]) -> dict[str, object]:
        for name in ("token_exchange_client_secret", "database_url"):
            path = values.get(f"{name}_file")
            if isinstance(path, str | Path) and str(path):
                try:
                    values[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
                except (OSError, UnicodeDecodeError) as error:
                    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
                    raise ValueError(f"{name.upper()}_FILE: {path} cannot be read ({reason}).") from None
        return values

    @model_validator(mode="after")
    def _admin_roles_not_empty(self) -> Self:
        if not self.admin_roles:
            raise ValueError("ADMIN_ROLES is empty: nobody could register a source. Name at least one realm role.")
        return self

    @property
    def realm_url(self) -> str:
        """Where the identity provider's endpoints are reached: `KEYCLOAK_URL/realms/KEYCLOAK_REALM`."""
        return f"{self.keycloak_url}/realms/{self.keycloak_realm}"

    @property
    def issuer(self) -> str:
        """The `iss` that agent tokens must carry."""
        return self.oidc_issuer or self.realm_url

    @property
    def resource(self) -> str:
        """The OAuth resource identifier of the MCP door (RFC 9728)."""
        return f"{self.public_url}/mcp"

    @property
    def agent_audiences(self) -> frozenset[str]:
        """The audiences of which an agent token must carry one; never empty."""
        return frozenset(self.accepted_audiences or (self.token_exchange_client_id, self.resource))
