"""What a document says of its tools in `x-mcp-*` extensions.

No standard defines them. These are the names that generators of MCP servers read; `docs/guide/curation.md` lists them.
A document is not trusted: it may simplify a tool, hide it or call it more dangerous, but never the reverse.
"""

from collections.abc import Iterator

from app.openapi.operations.parts import ToolWishes
from app.operation.operation import Json, Value

_OBJECTS = ("x-mcp", "x-speakeasy-mcp")
_NAMES = ("name", "tool-name")
_HIDING = frozenset({"hidden", "exclude", "ignore", "disabled", "skip"})
_SHOWING = "enabled"
_INTERNAL = "x-internal"  # what several publishers of documents leave out
_HINTS = {  # what MCP calls it, what we call it, and the only value that a document may give it
    "readOnlyHint": ("read_only", False),
    "destructiveHint": ("destructive", True),
    "idempotentHint": ("idempotent", False),
}


def tool_wishes(node: Json) -> ToolWishes:
    """Return what the Operation Object says; values of the wrong type are ignored."""
    said = list(_said(node))
    hints = next((value for key, value in said if key == "annotations" and isinstance(value, dict)), {})
    return ToolWishes(
        name=_text(said, *_NAMES),
        title=_text(said, "title"),
        description=_text(said, "description"),
        hidden=hides(node),
        hints={ours: value for theirs, (ours, value) in _HINTS.items() if hints.get(theirs) is value},
    )


def hides(node: Json, below: Json | None = None) -> bool:
    """Whether an Operation Object wants no tool, or a Path Item Object for one that is `below` it and may object."""
    internal = node.get(_INTERNAL) is True and (below or {}).get(_INTERNAL) is not False
    return internal or any(_hides(key, value) for key, value in _said(node))


def _said(node: Json) -> Iterator[tuple[str, Value]]:
    """Yield `x-mcp-name: …` and the `name` in `x-mcp: {…}` alike, the flat ones first."""
    for key, value in node.items():
        if key.startswith("x-mcp-"):
            yield key.removeprefix("x-mcp-"), value
    for key in _OBJECTS:
        value = node.get(key)
        if isinstance(value, dict):
            yield from value.items()
        elif value is False:
            yield _SHOWING, False


def _text(said: list[tuple[str, Value]], *keys: str) -> str | None:
    texts = (value for wanted in keys for key, value in said if key == wanted)
    return next((text for text in texts if isinstance(text, str) and text.strip()), None)


def _hides(key: str, value: Value) -> bool:
    return value is True if key in _HIDING else key == _SHOWING and value is False
