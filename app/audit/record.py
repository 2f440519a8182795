"""One audit record, and how it is stored. It never carries arguments, tokens or secrets."""

import time
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import Field
from sqlalchemy import BigInteger, Integer, Table
from sqlmodel import Field as Column
from sqlmodel import SQLModel

from app.logs import redact
from app.operation.text import written_out

_BEGIN_OF_JWT = "eyJ"  # a caller may send its token in place of a name
LONGEST_TEXT = 1_000  # characters of one field: a caller chooses the tool name that it asks for


Kind = Literal["call", "refusal", "exchange", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What happened, who did it and how it ended."""

    kind: Annotated[Kind, Field(description="What sort of thing happened.")]
    action: Annotated[
        str,
        Field(
            description="What was done: `execute`, `authenticate`, `administer`, `exchange`, `register`, `update`, "
            "`refresh` or `delete`."
        ),
    ]
    outcome: Annotated[
        str,
        Field(
            description="How it ended: `ok`, `upstream_error` (the upstream answered 400 or above), "
            "`upstream_redirect` (it pointed elsewhere), `cancelled` (the caller left, or it was given up) or a code."
        ),
    ]
    door: Annotated[
        str | None,
        Field(description="Where it came in: `rest`, `mcp`, or `schedule` for a refresh that nobody asked for."),
    ] = None
    subject: Annotated[str | None, Field(description="The user: the `sub` of the agent's token.")] = None
    preferred_username: Annotated[
        str | None,
        Field(description="The user's name when it happened: the `preferred_username` of the agent's token."),
    ] = None
    client_id: Annotated[str | None, Field(description="The client: the `azp` of the agent's token.")] = None
    token_id: Annotated[str | None, Field(description="The `jti` of the agent's token.")] = None
    exchanged_token_id: Annotated[
        str | None, Field(description="The `jti` of the token that was exchanged for it.")
    ] = None
    source: Annotated[str | None, Field(description="The slug of the source.")] = None
    tool: Annotated[str | None, Field(description="The `tool_id`, or what was called as if it were one.")] = None
    audience: Annotated[str | None, Field(description="The audience of the exchanged token.")] = None
    passthrough: Annotated[bool, Field(description="Whether the upstream got the agent's own token.")] = False
    upstream_status: Annotated[int | None, Field(description="The HTTP status of the upstream.")] = None
    duration_ms: Annotated[float | None, Field(description="How long it took, in milliseconds.")] = None
    trace_id: Annotated[str | None, Field(description="The trace that it belongs to.")] = None
    detail: Annotated[str | None, Field(description="More about how it ended.")] = None
    at: Annotated[float, Field(description="When, in seconds since the epoch.")] = field(default_factory=time.time)
    id: Annotated[str, Field(description="The id of the record.")] = field(default_factory=lambda: str(uuid4()))


class AuditRow(SQLModel, table=True):
    """A stored record: its fields, and `sequence` in the order of writing.

    `id` is unique, so that a batch whose commit was not confirmed can be written again.
    """

    __tablename__ = "audit_records"

    sequence: int | None = Column(
        default=None,
        primary_key=True,
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    id: str = Column(unique=True)
    at: float
    kind: str
    action: str
    outcome: str
    door: str | None = None
    subject: str | None = None
    preferred_username: str | None = None
    client_id: str | None = None
    token_id: str | None = None
    exchanged_token_id: str | None = None
    source: str | None = None
    tool: str | None = None
    audience: str | None = None
    passthrough: bool = False
    upstream_status: int | None = None
    duration_ms: float | None = None
    trace_id: str | None = None
    detail: str | None = None


AUDIT_RECORDS: Table = SQLModel.metadata.tables["audit_records"]
Row = dict[str, Any]
FIELDS = tuple(field.name for field in fields(AuditRecord))


def to_row(record: AuditRecord) -> Row:
    """Return the record's fields as they are kept."""
    row: Row = {name: getattr(record, name) for name in FIELDS}
    for name, value in row.items():
        if isinstance(value, str):
            row[name] = as_kept(value)
    return row


def as_kept(text: str) -> str:
    """Return a text as records have it: at most 1,000 characters, one line, nothing invisible in it and no token."""
    if len(text) > LONGEST_TEXT or not (text.isascii() and text.isprintable()):
        text = written_out(text[:LONGEST_TEXT])[:LONGEST_TEXT]
    return redact(text) if _BEGIN_OF_JWT in text else text
