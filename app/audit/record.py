"""One audit record. It never carries arguments, tokens or secrets."""

import time
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

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
