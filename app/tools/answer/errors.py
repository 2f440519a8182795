"""The sentences in an error's JSON: problem details (RFC 9457), JSON:API, OAuth, and the forms that frameworks make."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from app.operation.operation import Value
from app.operation.text import shortened

_SAID = (
    *("title", "message", "msg", "detail", "error_description", "error_message", "errorMessage", "description"),
    *("reason", "error", "faultstring", "Message", "userMessage"),
)
_FACTS = ("status", "code", "type", "instance")
_INSIDE = (
    *("error", "fault", "errors", "detail", "details", "violations", "invalid-params", "invalid_params"),
    *("invalidParams", "fieldErrors", "validationErrors", "issues", "causes"),
)
_PLACES = ("pointer", "field", "name", "param", "parameter", "property", "path", "loc", "source", "propertyPath")
_MOST_ITEMS = 10  # of one list
_DEEPEST = 3
_LONGEST_TEXT = 500  # characters
_LONGEST_SUMMARY = 2_000


def summary_of(body: Value, *, status: int) -> str | None:
    """Return what the body of an answer with that status says in words, a line each; None if it says nothing."""
    if not isinstance(body, Mapping | list):
        return None
    lines = list(dict.fromkeys(_lines(body, status, _DEEPEST)))
    return shortened("\n".join(lines), _LONGEST_SUMMARY) or None


def _lines(node: Value, status: int, depth: int) -> Iterator[str]:
    if isinstance(node, str):
        yield _short(node)
    elif depth and isinstance(node, list):
        yield from _listed(((_place(item), item) for item in node), len(node), status, depth - 1)
    elif depth and isinstance(node, Mapping):
        if headline := _headline(node, status):
            yield headline
        for inner in (node[name] for name in _INSIDE if isinstance(node.get(name), Mapping | list)):
            if _is_by_place(inner):
                yield from _listed(inner.items(), len(inner), status, depth - 1)
            else:
                yield from _lines(inner, status, depth - 1)


def _listed(items: Iterable[tuple[str | None, Value]], count: int, status: int, depth: int) -> Iterator[str]:
    for place, item in islice(items, _MOST_ITEMS):
        inner = item[:_MOST_ITEMS] if isinstance(item, list) else [item]
        if said := [line for each in inner for line in _lines(each, status, depth)]:
            at = f"{_short(place)}: " if place else ""
            yield f"- {at}{'; '.join(said)}"
    if count > _MOST_ITEMS:
        yield f"- and {count - _MOST_ITEMS} more"


def _headline(node: Mapping[str, Value], status: int) -> str:
    """Return the node's own sentences, and in parentheses what identifies the error."""
    texts = (node.get(name) for name in _SAID)
    said = dict.fromkeys(_short(text) for text in texts if isinstance(text, str) and text.strip())
    facts = [f"{name}: {_short(str(node[name]))}" for name in _FACTS if _is_telling(name, node.get(name), status)]
    sentences = ". ".join(text.rstrip(".") for text in said)
    if not sentences or not facts:
        return sentences
    return f"{sentences} ({', '.join(facts)})"


def _is_telling(name: str, value: Value, status: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int) or value in {"", "about:blank"}:
        return False
    return name != "status" or str(value) != str(status)


def _is_by_place(node: Value) -> bool:
    """Whether this holds complaints by the name of what is wrong, as `{"email": ["is taken"]}`."""
    return isinstance(node, Mapping) and all(
        isinstance(said, list) and said and all(isinstance(each, str) for each in said) for said in node.values()
    )


def _place(item: Value) -> str | None:
    if not isinstance(item, Mapping):
        return None
    for name in _PLACES:
        value = item.get(name)
        if isinstance(value, Mapping):  # JSON:API: {"source": {"pointer": …}}
            value = value.get("pointer") or value.get("parameter")
        if isinstance(value, list):  # FastAPI and pydantic: {"loc": ["body", "price"]}
            value = "/".join(str(part) for part in value[:_MOST_ITEMS] if isinstance(part, str | int))
        if isinstance(value, str) and value:
            return value
    return None


def _short(text: str) -> str:
    return " ".join(shortened(text[:_LONGEST_SUMMARY], _LONGEST_TEXT).split())
