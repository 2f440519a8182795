"""What is stored of a source."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from app.credentials.kinds import AuthType, auth_type_elsewhere, auth_type_of
from app.curation.overrides import ToolOverride
from app.curation.selection import Selection
from app.database import UtcDateTime
from app.operation.portable import Profile
from app.outbound import origin_of
from app.sources.source import Authority, RegisteredSource


class Source(SQLModel, table=True):
    """A registered document. `version` grows with each change; `stated_…` is what an admin said, if anything.

    `url` is empty where an uploaded document came without one. `uploaded`: the document is kept (SourceDocument).
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
    schema_profile: str = "portable"
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
    def profile(self) -> Profile:
        """The form of the schemas in lists."""
        return "standard" if self.schema_profile == "standard" else "portable"

    @property
    def stated_selection(self) -> Selection | None:
        """Which operations an admin chose."""
        return Selection.model_validate(self.selection) if self.selection else None

    @property
    def stated_overrides(self) -> list[ToolOverride]:
        """What admins said of single tools."""
        return [ToolOverride.model_validate(stated) for stated in self.overrides]

    @property
    def upstream_auth_type(self) -> AuthType:
        """What an admin stated, else what follows from `default_audience`."""
        return auth_type_of(self.stated_auth_type, self.default_audience)

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """Every origin that is called, its own first."""
        origin, scopes = origin_of(self.base_url), tuple(self.scopes)
        own = Authority(0, origin, self.upstream_auth_type, self.default_audience, scopes)
        return (own, *(_authority(number, each) for number, each in enumerate(self.other_servers, 1)))

    def registered(self) -> RegisteredSource:
        """Return the snapshot that calls are made with."""
        return RegisteredSource(
            id=self.id,
            slug=self.slug,
            name=self.name,
            base_url=self.base_url,
            authorities=self.authorities,
            allowed_roles=frozenset(self.allowed_roles),
            required_scopes=frozenset(self.required_scopes),
            enabled=self.enabled,
        )


def _authority(number: int, server: dict[str, Any]) -> Authority:
    audience = server["default_audience"]
    return Authority(number, server["origin"], auth_type_elsewhere(audience), audience, tuple(server["scopes"]))


class OperationRow(SQLModel, table=True):
    """A name, given once to a method and path and kept; `content` is null while the document lacks the operation.

    `position` is that in the document; below zero, the lower the longer the operation has been gone.
    """

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
