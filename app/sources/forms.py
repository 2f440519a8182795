"""What admins send and see of sources."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from app.credentials.kinds import AuthType
from app.curation.overrides import Overrides, left_out_stays
from app.curation.selection import Selection
from app.differences.operations import Changes
from app.operation.operation import Operation, ReportItem
from app.operation.portable import Profile
from app.operation.text import SLUG
from app.outbound import AddressRefused, origin_of
from app.sources.tables import Source

Status = Literal["ready", "stale", "failed"]

_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$"
_SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]+$"  # RFC 6749 section 3.3


class UpstreamAuthSetting(BaseModel):
    """How calls to the upstream authenticate, when an admin states it."""

    model_config = ConfigDict(extra="forbid")

    type: AuthType = Field(
        description="`token_exchange`: an exchanged token; `passthrough`: the agent's own token; `none`: no token.",
    )
    dialect: Literal["keycloak"] | None = Field(
        default=None,
        description="The dialect of the exchange; null for the only one there is.",
    )


@dataclass(frozen=True, slots=True)
class RefreshError:
    """Why the source is stale: the last failure, since when, and how often in a row."""

    code: Annotated[str, Field(description="The code of the last failure.")]
    detail: Annotated[str, Field(description="What failed, and what to do about it.")]
    since: Annotated[datetime, Field(description="When the first of these refreshes failed.")]
    last_at: Annotated[datetime, Field(description="When the last one failed.")]
    attempts: Annotated[int, Field(description="How many failed in a row.")]


def _as_bytes(value: object) -> object:
    if isinstance(value, dict):
        return orjson.dumps(value)
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, bytes):
        return value
    raise ValueError("must be an OpenAPI document: a JSON object, or a text of JSON or YAML")


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

    origin: Address = Field(description="The origin, such as `https://files.example.com`.")
    default_audience: Audience = Field(
        default=None,
        description="The audience that its tokens are exchanged for; null: calls to it carry no token.",
    )
    scopes: Scopes = Field(default=[], description="Scopes to ask for in the exchange.")

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


Document = Annotated[
    bytes | None,
    BeforeValidator(_as_bytes),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}, {"type": "null"}]}),
]
OtherServers = Annotated[list[OtherServer], Field(max_length=20)]


class SourceUpdate(BaseModel):
    """What an admin may change. A field that is left out stays; only some may be null.

    A `url` without a `document` means that the document is fetched from there.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=left_out_stays)

    name: Line = Field(default="", description="What people call it.")
    description: Text | None = Field(default=None, description="What it is for.")
    url: Address = Field(
        default_factory=str,
        description="Where its OpenAPI document is, to be fetched from there; of a document that is sent, where it "
        "is from.",
    )
    # An object or a text in JSON, the bytes here.
    document: Document = Field(
        default=None,
        description="The OpenAPI document itself: a JSON object, or a text of JSON or YAML. At most 1 MiB; larger "
        "ones are uploaded as files.",
    )
    default_audience: Audience = Field(
        default=None,
        description="The client id of the upstream: calls carry a token exchanged for it. Null: no exchange.",
    )
    scopes: Scopes = Field(
        default=[],
        description="Scopes to ask for in the exchange, beyond the default ones of the exchange client.",
    )
    base_url: Annotated[Address | None, BeforeValidator(_null_if_empty)] = Field(
        default=None,
        description="Where calls go. Left out: the document's server, which must then have the origin of `url`.",
    )
    allowed_roles: Lines = Field(
        default=[],
        description="Realm roles of which a caller must hold one to see and call the tools. Empty: everyone.",
    )
    required_scopes: Scopes = Field(
        default=[],
        description="Scopes that an agent's token must all carry to call the tools.",
    )
    upstream_auth: UpstreamAuthSetting | None = Field(
        default=None,
        description="How calls to the upstream authenticate. Left out: by `default_audience`.",
    )
    other_servers: OtherServers = Field(default=[], description="Other origins that its operations may be called at.")
    enabled: bool = Field(default=True, description="Whether its tools are there; false hides them.")
    labels: Lines = Field(default=[], description="Words of your own.")
    refresh_every: Seconds | None = Field(
        default=None,
        description="Seconds between two refreshes. Null: only on demand.",
    )
    schema_profile: Profile = Field(
        default="portable",
        description="The form of schemas in lists. `portable`: what every model API takes and every host shows; "
        "`standard`: all that the document says. Arguments are checked against the latter in any case.",
    )
    selection: Selection | None = Field(default=None, description="Which operations become tools. Null: all.")
    overrides: Overrides = Field(default=[], description="What you state about individual tools. Replaced as a whole.")

    def stated(self) -> dict[str, Any]:
        """Return what was sent, for advice: of a document only that there was one."""
        values = self.model_dump(exclude_unset=True)
        return values if self.document is None else {**values, "document": "…"}

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

    model_config = ConfigDict(extra="forbid", json_schema_extra=None)

    name: Line = Field(description="What people call it.")
    slug: Slug | None = Field(
        default=None,
        description="What the names of its tools begin with; it never changes. Left out: `default_audience` when "
        "that is a free slug of at most 16 characters, else the words of `name` that tell it from others.",
    )
    source_type: Literal["openapi"] = Field(default="openapi", description="What kind of document it is.")

    @model_validator(mode="after")
    def _a_document(self) -> Self:
        if not self.url and self.document is None:
            raise ValueError("state `url`, where the OpenAPI document is, or send the document as `document`")
        return self


class OperationCounts(BaseModel):
    """How many operations of the document became tools, wholly or with something lost, and how many did not."""

    ready: int = Field(description="How many became tools with nothing lost.")
    degraded: int = Field(description="How many became tools with something lost.")
    skipped: int = Field(description="How many did not become tools.")


class UpstreamAuthRead(BaseModel):
    """What calls to the upstream carry to authenticate."""

    type: AuthType = Field(
        description="`token_exchange`: an exchanged token; `passthrough`: the agent's own token; `none`: no token.",
    )


class SourceWarning(BaseModel):
    """What an admin should know about a source that works as stated."""

    code: str = Field(description="What it is about, for programs.")
    detail: str = Field(description="What to know, and what to do about it.")


class SourceRead(BaseModel):
    """A source as admins see it."""

    id: str = Field(description="Its id, which never changes.")
    slug: str = Field(description="Its slug: what the names of its tools begin with. It never changes.")
    name: str = Field(description="What people call it.")
    description: str | None = Field(description="What it is for.")
    url: str | None = Field(
        description="Where its OpenAPI document is fetched from, or where an uploaded one is from; null where nobody "
        "said.",
    )
    uploaded: bool = Field(description="Whether the document was uploaded rather than fetched.")
    source_type: str = Field(description="What kind of document it has.")
    default_audience: str | None = Field(
        description="The client id of the upstream: calls carry a token exchanged for it. Null: no exchange.",
    )
    scopes: list[str] = Field(
        description="Scopes to ask for in the exchange, beyond the default ones of the exchange client.",
    )
    base_url: str = Field(description="Where calls go.")
    allowed_roles: list[str] = Field(
        description="Realm roles of which a caller must hold one to see and call the tools. Empty: everyone.",
    )
    required_scopes: list[str] = Field(description="Scopes that an agent's token must all carry to call the tools.")
    upstream_auth: UpstreamAuthRead = Field(description="How calls to the upstream authenticate.")
    other_servers: list[OtherServer] = Field(description="Other origins that its operations may be called at.")
    enabled: bool = Field(description="Whether its tools are there; false hides them.")
    labels: list[str] = Field(description="Words of your own.")
    refresh_every: int | None = Field(description="Seconds between two refreshes. Null: only on demand.")
    schema_profile: Profile = Field(
        description="The form of schemas in lists: `portable` for every model API and host, or `standard`.",
    )
    selection: dict[str, Any] = Field(description="Which operations become tools; empty: all.")
    overrides: list[dict[str, Any]] = Field(description="What admins stated about individual tools.")
    unmatched_overrides: list[dict[str, str]] = Field(
        description="Method and path of every override whose operation the document does not have now.",
    )
    status: Status = Field(
        description="`ready`; `stale` after a refresh that failed; `failed` when there are operations and "
        "none can be called.",
    )
    refresh_error: RefreshError | None = Field(description="Why it is `stale`; null when it is not.")
    warnings: list[SourceWarning] = Field(description="What an admin should know about it.")
    operations: OperationCounts = Field(description="What became of the operations of its document, in numbers.")
    version: int = Field(description="Grows with each change; also the `ETag`.")
    created_at: datetime = Field(description="When it was registered.")
    updated_at: datetime = Field(description="When it was last changed.")
    refreshed_at: datetime = Field(description="When its document was last found good.")

    @classmethod
    def of(cls, source: Source) -> Self:
        """Return the source as admins see it."""
        return cls.model_validate(
            {
                **source.model_dump(),
                "url": source.url or None,
                "upstream_auth": {"type": source.upstream_auth_type},
                "warnings": _warnings(source),
                "operations": {"ready": source.ready, "degraded": source.degraded, "skipped": source.skipped},
            }
        )


def _warnings(source: Source) -> list[SourceWarning]:
    if source.upstream_auth_type != "passthrough":
        return []
    detail = (
        f"Calls carry the agent's own token to {origin_of(source.base_url)}, which could use it wherever else it is "
        "accepted; with TOKEN_PASSTHROUGH=deny they are refused instead. Set `default_audience` to have the token "
        'exchanged for one of this API alone, or `upstream_auth` {"type": "none"} for an API that needs no token.'
    )
    return [SourceWarning(code="passthrough_source", detail=detail)]


@dataclass(frozen=True, slots=True)
class Offering:
    """A source with what agents see of its document, what became of each operation, and what was last changed."""

    source: SourceRead
    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]
    changes: Changes | None = None
