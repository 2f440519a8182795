"""Which media types an operation may answer with: what to ask for in `Accept`."""

from app.openapi.media_types import by_preference, is_media_type
from app.openapi.operation import Value
from app.openapi.pointers import References, Unresolvable

_MOST = 5


def answer_types(responses: Value, references: References) -> tuple[str, ...]:
    """Return the media types of the successful responses, the preferred ones first."""
    if not isinstance(responses, dict):
        return ()
    found: dict[str, None] = {}
    for status, raw in responses.items():
        if str(status)[:1] == "2" or (status == "default" and not found):
            found.update(dict.fromkeys(_types(raw, references)))
    return tuple(by_preference(found))[:_MOST]


def _types(raw: Value, references: References) -> list[str]:
    try:
        node, _ = references.follow(raw, "")
    except Unresolvable:
        return []
    content = node.get("content") if isinstance(node, dict) else None
    return [name for name in content if is_media_type(name)] if isinstance(content, dict) else []
