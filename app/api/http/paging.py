"""Pages of lists.

A cursor of tools names the last one that was shown, at both doors. Tools that come or go between two pages therefore
shift nothing: no other tool is shown twice or left out.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import Annotated

from fastapi import Query

from app import cursors
from app.tools.catalog import Tool

_CURSOR = "after"

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=cursors.LONGEST, description="`next_cursor` of the page before; left out: from the start."),
]


def page_of(
    tools: Sequence[Tool], cursor: str | None, limit: int, most_bytes: int | None = None
) -> tuple[Sequence[Tool], str | None]:
    """Return at most `limit` tools after the cursor's, and the cursor of the next page, None after the last.

    `tools` is in the catalog's order. With `most_bytes` a page of more than one tool has no more than these. Raises
    Invalid("cursor_invalid") for a cursor that is not ours.
    """
    start = 0
    if cursor is not None:
        start = bisect_right(tools, _place(cursors.read(cursor, _CURSOR)), key=lambda tool: _place(tool.tool_id))
    page = tools[start : start + limit]
    if most_bytes is not None:
        sizes = accumulate(tool.size for tool in page)
        page = page[: max(1, sum(1 for _ in takewhile(lambda size: size <= most_bytes, sizes)))]
    more = start + len(page) < len(tools)
    return page, cursors.written(_CURSOR, page[-1].tool_id) if more else None


def _place(tool_id: str) -> tuple[str, str]:
    slug, _, operation = tool_id.partition("/")
    return slug, operation
