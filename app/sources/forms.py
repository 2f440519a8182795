"""What admins send and see of sources."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from app.curation.overrides import Overrides
from app.curation.selection import Selection
from app.differences.operations import Changes
from app.operation.operation import Operation, ReportItem
from app.operation.text import SLUG
from app.outbound import AddressRefused, origin_of
from app.sources.source import AuthType
from app.sources.tables import Source

Status = Literal["ready", "stale", "failed"]

_LATER = frozenset({"phantom", "embedded", "brokered", "client_credentials", "api_key", "basic"})
_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$"
_SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]+$"  # RFC 6749 section 3.3


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
Lines = Annotated[list[Line], Field(max_length=100)]
Scope = Annotated[str, StringConstraints(max_length=200, pattern=_SCOPE)]
Scopes = Annotated[list[Scope], Field(max_length=100)]
Seconds = Annotated[int, Field(ge=60, le=31_536_000)]


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


OtherServers = Annotated[list[OtherServer], Field(max_length=20)]


class SourceUpdate(BaseModel):
    """What an admin may change. A field that is left out stays; only some may be null.

    `document` is a short text here, if it was sent: what it holds comes beside (api/http/entry.py). Whoever states a
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


@dataclass(frozen=True, slots=True)
class Offering:
    """A source with what agents see of its document, what became of each operation, and what was last changed."""

    source: SourceRead
    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]
    changes: Changes | None = None
