"""Places in a document: RFC 6901 JSON Pointers, and what `$ref`s lead to."""

from collections.abc import Iterator
from urllib.parse import unquote

from app.openapi.operation import Value

_LONGEST_CHAIN = 30  # references to references


class Unresolvable(Exception):
    """A `$ref` that leads nowhere, or out of the document; the text says why."""


def join(pointer: str, *tokens: str | int) -> str:
    """Return the pointer to what is below, by the names of members and the numbers of elements."""
    return pointer + "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def remark(detail: str, pointer: str) -> str:
    """Return a note for the report: what was changed or left out, and where in the document."""
    return f"{detail} (at {pointer or '/'})"


class References:
    """Resolves the `$ref`s of one document. Nothing is ever fetched: what lies elsewhere is unresolvable."""

    def __init__(self, document: Value) -> None:
        self._document = document

    def find(self, ref: Value) -> tuple[Value, str]:
        """Return what a `$ref` names and the pointer to it, which is the same for every spelling of the `$ref`."""
        if not isinstance(ref, str):
            raise Unresolvable("a $ref that is no text")
        address, _, fragment = ref.partition("#")
        if address:
            raise Unresolvable(f"{_short(ref)!r} lies outside this document, and nothing is fetched")
        if fragment and not fragment.startswith("/"):
            raise Unresolvable(f"{_short(ref)!r} is no JSON Pointer")
        node, pointer = self._document, ""
        for token in fragment.split("/")[1:]:
            node, name = _step(node, token, ref)
            pointer = join(pointer, name)
        return node, pointer

    def follow(self, node: Value, pointer: str) -> tuple[Value, str]:
        """Return the first thing that is no Reference Object, starting with `node` itself."""
        for _ in range(_LONGEST_CHAIN):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node, pointer
            node, pointer = self.find(node["$ref"])
        raise Unresolvable("its references lead in a circle")


def _step(node: Value, token: str, ref: str) -> tuple[Value, str]:
    for name in _spellings(token):
        if isinstance(node, dict) and name in node:
            return node[name], name
        if isinstance(node, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(node):
            return node[int(name[:9])], str(int(name[:9]))
    raise Unresolvable(f"{_short(ref)!r} leads to nothing in this document")


def _spellings(token: str) -> Iterator[str]:
    yield unquote(token).replace("~1", "/").replace("~0", "~")
    yield token  # names with a percent sign or a tilde are often written as they are


def _short(ref: str) -> str:
    return ref if len(ref) <= 100 else f"{ref[:100]}…"
