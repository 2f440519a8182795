"""How audit records are stored: the fields of `AuditRecord`, and `sequence` in the order of writing."""

from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, Integer, Table
from sqlmodel import Field, SQLModel

from app.audit.record import AuditRecord
from app.logs import redact

_BEGIN_OF_JWT = "eyJ"  # a caller may send its token in place of a name
_LONGEST = 1_000  # characters of one field: a caller chooses the tool name that it asks for


class AuditRow(SQLModel, table=True):
    """One stored record. `id` is unique, so that a batch whose commit was not confirmed can be written again."""

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
