"""Every setting, read from the environment and `.env`. Names and defaults are a contract with operators."""

import re
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict

from app.outbound import AddressRefused, origin_of

MCP_SCOPE = "mcp:tools"

_DAY = 86_400
_TEBIBYTE = 1_099_511_627_776
_FORM = 1_048_576  # bytes around a document that comes in a form

CommaList = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, le=_DAY, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, le=_DAY, allow_inf_nan=False)]

_EXAMPLES: Mapping[str, str] = {
    "keycloak_url": "https://login.example.com",
    "oidc_issuer": "https://login.example.com/realms/tools-provider",
    "public_url": "https://tools.example.com",
    "otel_exporter_otlp_endpoint": "http://otel-collector:4317",
}
# Unreserved characters only, which no proxy writes in another way, and no empty or dot segments (RFC 3986).
_PATH = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
_LINE_ENDS = "\r\n"  # left by `echo … | base64` in a Secret of Kubernetes, and by files made on Windows
_QUOTED = re.compile(r"""(["']).*\1""", re.DOTALL)
_OF_SEGMENTS = "!$&'()*+,;=:@"  # beside the unreserved, what stands as it is (RFC 3986 section 3.3), for Keycloak too
_ALIKE = 0.9  # of 1; KEYCLOAK_USER, which is not ours, is 0.88 like KEYCLOAK_URL


class Secret:
    """A secret as it stands now: one in a file is read whenever it is asked for, so that a new one needs no restart.

    While the file is gone or holds no line that can be read, what it last held is used; so it is for a pipe, which can
    be read once.
    """

    def __init__(self, value: SecretStr, file: Path | None) -> None:
        self._last = value.get_secret_value()
        self._file = file

    def __call__(self) -> str:
        """Return the secret."""
        if self._file is not None:
            with suppress(OSError, ValueError):
                self._last = _line(self._file) if self._file.is_file() else self._last
        return self._last


def _line(file: Path) -> str:
    """Return the line that the file holds. Raises OSError, and ValueError, whose text says why, for another content."""
    try:
        text = file.read_text(encoding="utf-8-sig").rstrip(_LINE_ENDS)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    if not text.strip() or not text.isprintable():
        raise ValueError("it does not hold one line of text")
    return text


class Settings(BaseSettings):
    """The configuration of one process. Each field is the environment variable of the same name in capitals.

    Raises pydantic.ValidationError naming every variable that cannot be used.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    # The identity provider, and the exchange of tokens
    keycloak_url: str = "http://localhost:8041"
    keycloak_realm: str = "tools-provider"
    oidc_issuer: str = ""
    token_exchange_client_id: str = "tools-provider-token-exchange"
    token_exchange_client_secret: SecretStr = SecretStr("")
    token_exchange_client_secret_file: Path | None = None
    token_exchange_cache_ttl_buffer: SecondsOrZero = 60
    token_exchange_cache_max_age: SecondsOrZero = 60
    token_exchange_timeout: Seconds = 10.0
    accepted_audiences: CommaList = ()
    clock_leeway: float = Field(default=30, ge=0, le=300)  # RFC 7519 section 4.1.4: a few minutes at most
    token_max_bytes: int = Field(default=65_536, ge=1_024, le=1_048_576)
    admin_roles: CommaList = ("admin", "manager")
    challenge_scopes: CommaList = ()
    token_passthrough: Literal["allow", "deny"] = "allow"

    circuit_breaker_failure_threshold: int = Field(default=5, ge=1)
    circuit_breaker_recovery_timeout: Seconds = 30.0

    # Where it listens, for whom, and how it ends
    host: str = "127.0.0.1"
    port: int = Field(default=8040, ge=0, le=65535)
    public_url: str = "http://localhost:8040"
    allowed_hosts: CommaList = ()
    allowed_origins: CommaList = ()
    mcp_page_size: int = Field(default=1_000, ge=1, le=10_000)
    keep_alive: Seconds = 75
    request_read_timeout: Seconds = 30
    max_connections: int = Field(default=1_000, ge=1, le=100_000)
    max_bytes_held: int = Field(default=67_108_864, ge=1_048_576, le=_TEBIBYTE)
    shutdown_drain: SecondsOrZero = 5
    shutdown_grace: SecondsOrZero = 10

    # What it keeps
    database_url: SecretStr = SecretStr("sqlite:///./data/tools-provider.db")
    database_url_file: Path | None = None

    # Upstreams and their documents
    allowed_upstreams: CommaList = ()
    audience_origins: CommaList = ()
    upstream_timeout: Seconds = 30.0
    upstream_request_bytes: int = Field(default=8_388_608, ge=1_024, le=67_108_864)
    upstream_max_bytes: int = Field(default=1_048_576, ge=1_024, le=67_108_864)
    unknown_arguments: Literal["refuse", "drop"] = "refuse"
    source_fetch_timeout: Seconds = 10.0
    source_ref_origins: CommaList = ()
    source_read_timeout: Seconds = 30.0
    source_read_memory: int = Field(default=2_147_483_648, ge=268_435_456, le=_TEBIBYTE)
    source_max_bytes: int = Field(default=20_971_520, gt=0)
    source_max_files: int = Field(default=5_000, ge=0)
    source_max_nodes: int = Field(default=1_000_000, gt=0)
    source_max_alias_nodes: int = Field(default=250_000, ge=0)
    source_max_depth: int = Field(default=200, gt=0, le=1_000)
    source_max_operations: int = Field(default=10_000, gt=0)
    source_max_tool_bytes: int = Field(default=32_768, ge=2_048)
    source_max_list_bytes: int = Field(default=10_485_760, ge=2_048)
    tool_name_length: int = Field(default=46, ge=24, le=64)

    # Records and telemetry
    audit_log: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otel_exporter_otlp_endpoint: str = ""
    otel_service_name: str = "tools-provider"

    @field_validator(
        "accepted_audiences",
        "admin_roles",
        "allowed_hosts",
        "allowed_origins",
        "allowed_upstreams",
        "audience_origins",
        "challenge_scopes",
        "source_ref_origins",
        mode="before",
    )
    @classmethod
    def _comma_list(cls, value: object) -> object:
        if isinstance(value, str):
            if value.startswith('["'):
                raise ValueError("separate the entries by commas, without brackets and quotes")
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("token_exchange_client_secret_file", "database_url_file", "audit_log", mode="before")
    @classmethod
    def _no_path(cls, value: object) -> object:
        return None if value == "" else value  # an empty path would be the working directory

    @field_validator("keycloak_realm", "token_exchange_client_id", "host", "otel_service_name")
    @classmethod
    def _not_empty(cls, value: str, info: ValidationInfo) -> str:
        if not value or value != value.strip():
            example = cls.model_fields[str(info.field_name)].default
            raise ValueError(f"this is empty, or has white space around it. Write for example {example}")
        return value

    @field_validator("keycloak_realm")
    @classmethod
    def _one_segment(cls, value: str) -> str:
        if not set(value).isdisjoint("/?#%\\"):
            raise ValueError("this is not the name of a realm, such as tools-provider, which is part of its address")
        return value

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return value[1:-1] if value.startswith("[") and value.endswith("]") else value

    @field_validator("keycloak_url", "public_url", "oidc_issuer", "otel_exporter_otlp_endpoint")
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        name = str(info.field_name)
        if not value and not cls.model_fields[name].default:
            return value
        origin, path = _taken_apart(value, _EXAMPLES[name])
        # An issuer is compared letter by letter with what tokens say.
        return value.rstrip("/") if name == "oidc_issuer" else origin + path

    @field_validator("keycloak_url")
    @classmethod
    def _not_of_a_realm(cls, value: str) -> str:
        server, found, _ = f"{value}/".partition("/realms/")
        if found:
            raise ValueError(f"leave out /realms/…, which is added with KEYCLOAK_REALM. Write {server}")
        return value

    @field_validator("public_url")
    @classmethod
    def _not_of_a_door(cls, value: str) -> str:
        if value.lower().endswith("/mcp"):
            raise ValueError(f"leave out /mcp, which is added. Write {value[:-4]}")
        return value

    @field_validator("challenge_scopes")
    @classmethod
    def _scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for scope in value:
            if not _SCOPE.fullmatch(scope):
                raise ValueError(f"{scope!r} is not a scope. Separate them by commas: menu:read,orders:write")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _as_it_is_meant(cls, value: object) -> object:  # the last of these comes first
        if not isinstance(value, str):
            return value
        value = value.rstrip(_LINE_ENDS)
        if _QUOTED.fullmatch(value):
            raise ValueError("leave out the quotes around the value: docker run --env-file makes them a part of it")
        return value

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, object]) -> dict[str, object]:
        for name in ("token_exchange_client_secret", "database_url"):
            path = values.get(f"{name}_file")
            if isinstance(path, str | Path) and str(path):
                try:
                    values[name] = _line(Path(path))
                except (OSError, ValueError) as error:
                    reason = error.strerror if isinstance(error, OSError) else error
                    raise ValueError(f"{name.upper()}_FILE: {path} cannot be read ({reason}).") from None
        return values

    @model_validator(mode="after")
    def _a_document_fits(self) -> Self:
        if (needed := 2 * (self.source_max_bytes + _FORM)) > self.max_bytes_held:
            raise ValueError(
                "MAX_BYTES_HELD: one caller gets half of it, which is less than SOURCE_MAX_BYTES and 1 MiB for a form. "
                f"Write at least {needed}."
            )
        return self

    @model_validator(mode="after")
    def _admin_roles_not_empty(self) -> Self:
        if not self.admin_roles:
            raise ValueError("ADMIN_ROLES is empty: nobody could register a source. Name at least one realm role.")
        return self

    @property
    def exchange_secret(self) -> Secret:
        """`TOKEN_EXCHANGE_CLIENT_SECRET`, or what its file holds."""
        return Secret(self.token_exchange_client_secret, self.token_exchange_client_secret_file)

    @property
    def current_database_url(self) -> Secret:
        """`DATABASE_URL`, or what its file holds."""
        return Secret(self.database_url, self.database_url_file)

    @property
    def realm_url(self) -> str:
        """Where the identity provider's endpoints are reached: `KEYCLOAK_URL/realms/KEYCLOAK_REALM`."""
        return f"{self.keycloak_url}/realms/{quote(self.keycloak_realm, safe=_OF_SEGMENTS)}"

    @property
    def issuer(self) -> str:
        """The `iss` that agent tokens must carry."""
        return self.oidc_issuer or self.realm_url

    @property
    def resource(self) -> str:
        """The OAuth resource identifier of the MCP door (RFC 9728)."""
        return f"{self.public_url}/mcp"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that every client should ask for."""
        return tuple(dict.fromkeys((MCP_SCOPE, *self.challenge_scopes)))

    @property
    def agent_audiences(self) -> frozenset[str]:
        """The audiences of which an agent token must carry one; never empty."""
        return frozenset(self.accepted_audiences or (self.token_exchange_client_id, self.resource))


def misspelt() -> dict[str, str]:
    """Return the variables of environment and `.env` that are nearly settings, each with the one that may be meant."""
    ours = [name.upper() for name in Settings.model_fields]
    sources = (EnvSettingsSource(Settings), DotEnvSettingsSource(Settings))
    named = {name.upper() for source in sources for name in source.env_vars}
    alike = {name: get_close_matches(name, ours, 1, _ALIKE) for name in sorted(named.difference(ours))}
    return {
        name: nearest
        for name, found in alike.items()
        for nearest in found
        if not name.startswith("OTEL_") or name.count("_") == nearest.count("_")  # that standard has many more
    }


def _taken_apart(value: str, example: str) -> tuple[str, str]:
    """Return origin and path of an address. Raises ValueError for anything else, and for an address with more to it."""
    try:
        origin = origin_of(value)
    except AddressRefused as refused:
        raise ValueError(f"this is not an address such as {example}. {refused.detail}") from None
    path = urlsplit(value).path.rstrip("/")
    if "?" in value or "#" in value or "/.well-known/" in path or not _PATH.fullmatch(path):
        raise ValueError(f"this is more than an address such as {example}, or has a path of unusual characters")
    return origin, path
