"""One audit record. It never carries arguments, tokens or secrets."""

import time
from dataclasses import dataclass, field
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import Field

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
            description="How it ended: `ok`, `upstream_error` (the upstream answered 400 or above), `cancelled` (the "
            "caller left, or it was given up) or a code."
        ),
    ]
    door: Annotated[
        str | None,
        Field(description="Where it came in: `rest`, `mcp`, or `schedule` for a refresh that nobody asked for."),
    ] = None
    subject: Annotated[str | None, Field(description="The user: the `sub` of the agent's token.")] = None
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
