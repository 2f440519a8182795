"""Cursors of lists that come in pages: opaque to callers, to us the place where the page before ended."""

import base64
from collections.abc import Callable

from app.errors import Invalid

LONGEST = 256  # characters; the longest of ours, of a tool with the longest names, has under 150


def written(kind: str, place: str | int) -> str:
    """Return a cursor for the place where a page ended; `kind` says what sort of place it is."""
    return base64.urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def read(cursor: str, kind: str, fits: Callable[[str], object] = bool) -> str:
    """Return the place that a cursor of that kind names.

    Raises Invalid("cursor_invalid") for a cursor that is not ours: another kind, or a place that `fits` rejects.
    """
    try:
        if len(cursor) > LONGEST:
            raise ValueError
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        text = ""
    found, _, place = text.partition(":")
    if found != kind or not fits(place):
        raise Invalid(
            "cursor_invalid", "This cursor is not one of ours. Use `next_cursor` of the page before, unchanged."
        )
    return place
