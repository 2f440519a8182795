"""What is stored of a source, what the path of a call needs of it, and what admins send and see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, field_validator, model_validator
from pydantic import Field as Limits
from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from app.credentials.kinds import AuthType, auth_type_elsewhere, auth_type_of
from app.database import UtcDateTime
from app.outbound import AddressRefused, origin_of
from app.sources.overrides import Overrides
from app.sources.selection import Selection
from app.sources.slugs import SLUG, slugged

Status = Literal["ready", "stale", "failed"]

_LATER = frozenset({"phantom", "embedded", "brokered", "client_credentials", "api_key", "basic"})
_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$"
_SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]+$"  # RFC 6749 section 3.3


@dataclass(frozen=True, slots=True)
class Authority:
    """Which token calls to one origin carry. Number 0 is the source's own, the others those of its other servers."""

    number: int
    origin: str
    auth_type: AuthType
    audience: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisteredSource:
    """What a call needs to know of its source; a snapshot that never changes."""

    id: str
    slug: str
    name: str
    base_url: str
    default_audience: str | None
    scopes: tuple[str, ...]
    upstream_auth_type: AuthType
    allowed_roles: frozenset[str]
    required_scopes: frozenset[str]
    enabled: bool
    other_servers: tuple[Authority, ...] = ()

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """Every origin that is called, its own first."""
        origin = origin_of(self.base_url)
        own = Authority(0, origin, self.upstream_auth_type, self.default_audience, self.scopes)
        return (own, *self.other_servers)


class Source(SQLModel, table=True):
    """A registered document. `version` grows with each change; `stated_…` is what an admin said, if anything.

    `url` is empty where nobody said where the document is from. `uploaded`: it was sent, and is kept (SourceDocument).
    """

    __tablename__ = "sources"

    id: str = Field(default_factory=lambda: str(uuid4()), primary_key=True)
    slug: str = Field(unique=True)
    name: str
    description: str | None = None
    url: str = ""
    uploaded: bool = False
    source_type: str = "openapi"
    default_audience: str | None = None
    scopes: list[str] = Field(default_factory=list, sa_type=JSON)
    stated_base_url: str | None = None
    base_url: str
    allowed_roles: list[str] = Field(default_factory=list, sa_type=JSON)
    required_scopes: list[str] = Field(default_factory=list, sa_type=JSON)
    stated_auth_type: str | None = None
    other_servers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    enabled: bool = True
    labels: list[str] = Field(default_factory=list, sa_type=JSON)
    refresh_every: int | None = None
    selection: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    overrides: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    unmatched_overrides: list[dict[str, str]] = Field(default_factory=list, sa_type=JSON)
    status: str = "ready"
    ready: int = 0
    degraded: int = 0
    skipped: int = 0
    version: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    refreshed_at: datetime = Field(sa_type=UtcDateTime)
    refresh_error: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    fingerprint: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))

    @property
    def upstream_auth_type(self) -> AuthType:
        """What an admin stated, else what follows from `default_audience`."""
        return auth_type_of(self.stated_auth_type, self.default_audience)

    def registered(self) -> RegisteredSource:
        """Return the snapshot that calls are made with."""
        return RegisteredSource(
            id=self.id,
            slug=self.slug,
            name=self.name,
            base_url=self.base_url,
            default_audience=self.default_audience,
            scopes=tuple(self.scopes),
            upstream_auth_type=self.upstream_auth_type,
            allowed_roles=frozenset(self.allowed_roles),
            required_scopes=frozenset(self.required_scopes),
            enabled=self.enabled,
            other_servers=tuple(_authority(number, each) for number, each in enumerate(self.other_servers, 1)),
        )


def _authority(number: int, server: dict[str, Any]) -> Authority:
    audience = server["default_audience"]
    return Authority(number, server["origin"], auth_type_elsewhere(audience), audience, tuple(server["scopes"]))


class OperationRow(SQLModel, table=True):
    """A name, given once to a method and path and kept; `content` is null while the document lacks the operation."""

    __tablename__ = "operations"

    source_id: str = Field(foreign_key="sources.id", ondelete="CASCADE", primary_key=True)
    name: str = Field(primary_key=True)
    method: str
    path: str
    position: int
    content: bytes | None = None


class SourceReport(SQLModel, table=True):
    """What the last good reading said of each operation, and what the last one with changes changed, as JSON."""

    __tablename__ = "source_reports"

    source_id: str = Field(foreign_key="sources.id", ondelete="CASCADE", primary_key=True)
    items: bytes
    changes: bytes | None = None


class SourceDocument(SQLModel, table=True):
    """A document that an admin sent, to convert it again when its source changes."""

    __tablename__ = "source_documents"

    source_id: str = Field(foreign_key="sources.id", ondelete="CASCADE", primary_key=True)
    content: bytes


class AudienceOrigin(SQLModel, table=True):
    """An origin that may have an audience's tokens: the first that registered it, and those that role `admin` added."""

    __tablename__ = "audience_origins"

    audience: str = Field(primary_key=True)
    origin: str = Field(primary_key=True)


class UpstreamAuthSetting(BaseModel):
    """How calls to the upstream authenticate, when an admin states it."""

    model_config = ConfigDict(extra="forbid")

    type: AuthType
    dialect: Literal["keycloak"] | None = None

    @field_validator("type", mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        if isinstance(value, str) and value in _LATER:
            raise ValueError(f"{value} comes with a later release; this one knows token_exchange, passthrough and none")
        return value


@dataclass(frozen=True, slots=True)
class RefreshError:
    """Why the source is stale: the last failure, since when, and how often in a row."""

    code: str
    detail: str
    since: datetime
    last_at: datetime
    attempts: int


def _null_if_empty(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)]
Text = Annotated[str, StringConstraints(max_length=4_000, pattern=_TEXT)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Slug = Annotated[str, StringConstraints(pattern=SLUG)]
Audience = Annotated[Line | None, BeforeValidator(_null_if_empty)]
Lines = Annotated[list[Line], Limits(max_length=100)]
Scope = Annotated[str, StringConstraints(max_length=200, pattern=_SCOPE)]
Scopes = Annotated[list[Scope], Limits(max_length=100)]
Seconds = Annotated[int, Limits(ge=60, le=31_536_000)]


class OtherServer(BaseModel):
    """An origin beside the source's own that its operations may name as their server, and whose tokens it gets."""

    model_config = ConfigDict(extra="forbid")

    origin: Address
    default_audience: Audience = None
    scopes: Scopes = []

    @field_validator("origin")
    @classmethod
    def _only_an_origin(cls, value: str) -> str:
        try:
            origin = origin_of(value)
        except AddressRefused as refused:
            raise ValueError(refused.detail) from None
        if value.rstrip("/").count("/") > 2 or "?" in value or "#" in value:
            raise ValueError(f"is not only an origin: send {origin}")
        return origin


OtherServers = Annotated[list[OtherServer], Limits(max_length=20)]


class SourceUpdate(BaseModel):
    """What an admin may change. A field that is left out stays; only some may be null.

    `document` is a short text here, if it was sent: what it holds comes beside (api/rest/entry.py). Whoever states a
    `url` without one has the document fetched from there.
    """

    model_config = ConfigDict(extra="forbid")

    name: Line = ""
    description: Text | None = None
    url: Address = ""
    document: dict[str, Any] | str | None = None
    default_audience: Audience = None
    scopes: Scopes = []
    base_url: Annotated[Address | None, BeforeValidator(_null_if_empty)] = None
    allowed_roles: Lines = []
    required_scopes: Scopes = []
    upstream_auth: UpstreamAuthSetting | None = None
    other_servers: OtherServers = []
    enabled: bool = True
    labels: Lines = []
    refresh_every: Seconds | None = None
    selection: Selection | None = None
    overrides: Overrides = []

    def columns(self) -> dict[str, Any]:
        """Return what was sent, under the names of `Source`'s fields."""
        values = self.model_dump(exclude_unset=True)
        if values.pop("document", None) is not None:
            values["uploaded"] = True
        elif "url" in values:
            values["uploaded"] = False
        if "base_url" in values:
            values["stated_base_url"] = values.pop("base_url")
        if "other_servers" in values:
            values["other_servers"] = [server.model_dump() for server in self.other_servers]
        if "upstream_auth" in values:
            stated = values.pop("upstream_auth")
            values["stated_auth_type"] = stated and stated["type"]
        if "selection" in values:
            values["selection"] = values["selection"] or {}
        if "overrides" in values:
            values["overrides"] = [override.stated() for override in self.overrides]
        return values


class SourceCreate(SourceUpdate):
    """What an admin sends to register a source."""

    name: Line
    slug: Slug | None = None
    source_type: Literal["openapi"] = "openapi"

    @model_validator(mode="after")
    def _a_document(self) -> Self:
        if not self.url and self.document is None:
            raise ValueError("state `url`, where the OpenAPI document is, or send the document as `document`")
        return self

    def slugged_name(self) -> str:
        """Return the name as a slug; empty if nothing of it fits."""
        return slugged(self.name)


class OperationCounts(BaseModel):
    """How many operations of the document became tools, wholly or with something lost, and how many did not."""

    ready: int
    degraded: int
    skipped: int


class UpstreamAuthRead(BaseModel):
    """How calls to the upstream authenticate."""

    type: AuthType


class SourceRead(BaseModel):
    """A source as admins see it."""

    id: str
    slug: str
    name: str
    description: str | None
    url: str | None
    uploaded: bool
    source_type: str
    default_audience: str | None
    scopes: list[str]
    base_url: str
    allowed_roles: list[str]
    required_scopes: list[str]
    upstream_auth: UpstreamAuthRead
    other_servers: list[OtherServer]
    enabled: bool
    labels: list[str]
    refresh_every: int | None
    selection: dict[str, Any]
    overrides: list[dict[str, Any]]
    unmatched_overrides: list[dict[str, str]]
    status: Status
    refresh_error: RefreshError | None
    operations: OperationCounts
    version: int
    created_at: datetime
    updated_at: datetime
    refreshed_at: datetime

    @classmethod
    def of(cls, source: Source) -> Self:
        """Return the source as admins see it."""
        return cls.model_validate(
            {
                **source.model_dump(),
                "url": source.url or None,
                "upstream_auth": {"type": source.upstream_auth_type},
                "operations": {"ready": source.ready, "degraded": source.degraded, "skipped": source.skipped},
            }
        )
