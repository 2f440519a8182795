"""Pages of the tools that a caller may see, at both doors: a cursor names the last tool that was shown.

Tools that come or go between two pages shift nothing: no other tool is shown twice or left out.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Sequence

from app.errors import Invalid
from app.tools.catalog import Tool


def page_of(tools: Sequence[Tool], cursor: str | None, limit: int) -> tuple[Sequence[Tool], str | None]:
    """Return at most `limit` tools after the cursor's, and the cursor of the next page, None after the last.

    `tools` is in the catalog's order. Raises Invalid("cursor_invalid") for a cursor that is not ours.
    """
    start = 0 if cursor is None else bisect_right(tools, _place(_read(cursor)), key=lambda tool: _place(tool.tool_id))
    page = tools[start : start + limit]
    more = start + limit < len(tools)
    return page, _write(page[-1].tool_id) if more else None


def _place(tool_id: str) -> tuple[str, str]:
    slug, _, operation = tool_id.partition("/")
    return slug, operation


def _write(tool_id: str) -> str:
    return base64.urlsafe_b64encode(f"after:{tool_id}".encode()).decode().rstrip("=")


def _read(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        kind, _, tool_id = text.partition(":")
        if kind == "after":
            return tool_id
    except (ValueError, binascii.Error):
        pass
    raise Invalid("cursor_invalid", "This cursor is not one of ours. Use `next_cursor` of the page before, unchanged.")
