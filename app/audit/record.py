"""One audit record, and how it is stored. It never carries arguments, tokens or secrets."""

import time
from dataclasses import dataclass, field, fields
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import BigInteger, Integer, Table
from sqlmodel import Field, SQLModel

from app.logs import redact

_BEGIN_OF_JWT = "eyJ"  # a caller may send its token in place of a name
_LONGEST = 1_000  # characters of one field: a caller chooses the tool name that it asks for


Kind = Literal["call", "refusal", "exchange", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What happened, to whom it is owed and how it ended.

    `action` is `execute`, `authenticate`, `administer`, `exchange`, `register`, `update`, `refresh` or `delete`.
    `outcome` is `ok`, `upstream_error` (it answered 400 or above), `cancelled` (the caller left, or it was given up) or
    the error code. `at` is in seconds since the epoch, `duration_ms` in milliseconds, `token_id` and
    `exchanged_token_id` are the `jti` of the agent's and of the exchanged token, `door` is `rest` or `mcp`, or
    `schedule` for a refresh that nobody asked for.
    """

    kind: Kind
    action: str
    outcome: str
    door: str | None = None
    subject: str | None = None
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
    at: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: str(uuid4()))


class AuditRow(SQLModel, table=True):
    """A stored record: its fields, and `sequence` in the order of writing.

    `id` is unique, so that a batch whose commit was not confirmed can be written again.
    """

    __tablename__ = "audit_records"

    sequence: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    id: str = Field(unique=True)
    at: float
    kind: str
    action: str
    outcome: str
    door: str | None = None
    subject: str | None = None
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
    """Return the record's fields with text that every database and JSON can hold, and without tokens."""
    row: Row = {name: getattr(record, name) for name in FIELDS}
    for name, value in row.items():
        if isinstance(value, str) and (len(value) > _LONGEST or not value.isascii() or "\x00" in value):
            row[name] = value[:_LONGEST].encode("utf-8", "replace").decode().replace("\x00", "")
        if isinstance(value, str) and _BEGIN_OF_JWT in value:
            row[name] = redact(row[name])
    return row
