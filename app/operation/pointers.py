"""Places in a document: RFC 6901 JSON Pointers, and what `$ref`s lead to.

A document of several files is one tree (bundling.py): what came from another file is below the member `FILES`,
under the name by which people know that file. A text in place of a file says why the file is not available.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from app.operation.operation import Value
from app.operation.text import written_out

FILES = "x-tools-provider-files"
TWICE = "x-tools-provider-twice"  # at the root of a document: pointers to the keys that it has twice
BORROWED = "x-tools-provider-borrowed"  # … : pointers into files that stand for places in the document itself
LONGEST_CHAIN = 30  # references to references


class Unresolvable(Exception):
    """A `$ref` that points to nothing or out of the document; the text says why."""


def join(pointer: str, *tokens: str | int) -> str:
    """Return the pointer to what is below, by the names of members and the numbers of elements."""
    for token in tokens:
        name = str(token)
        if "~" in name or "/" in name:
            name = name.replace("~", "~0").replace("/", "~1")
        pointer = f"{pointer}/{name}"
    return pointer


def remark(detail: str, pointer: str) -> str:
    """Return a note for the report: what was changed or left out, and where in the document."""
    return f"{detail} (at {shown(pointer) or '/'})"


def shown(pointer: str) -> str:
    """Return the pointer as people know the place: `models/pet.yaml#/Pet` for what came from another file.

    What hides in names is written out.
    """
    pointer = written_out(pointer)
    start, _, rest = pointer.removeprefix("/").partition("/")
    if start != FILES or not rest:
        return pointer
    file, slash, inner = rest.partition("/")
    return f"{_unescaped(file)}#{slash}{inner}" if slash else _unescaped(file)


def last_name(pointer: str) -> str:
    """Return the last name of the pointer; for a whole file the file's name without its ending."""
    above, _, token = pointer.rpartition("/")
    name = _unescaped(token)
    return PurePosixPath(name).stem if above == f"/{FILES}" else name


class References:
    """Resolves the `$ref`s of one document. Nothing is fetched here: what was not bundled is unresolvable."""

    def __init__(self, document: Value) -> None:
        self._document = document
        self._found: dict[str, tuple[Value, str]] = {}

    def find(self, ref: Value) -> tuple[Value, str]:
        """Return what a `$ref` points to, and the pointer in its one normal spelling."""
        if not isinstance(ref, str):
            raise Unresolvable("a $ref that is not text")
        if ref not in self._found:
            self._found[ref] = self._sought(ref)
        return self._found[ref]

    def _sought(self, ref: str) -> tuple[Value, str]:
        address, _, fragment = ref.partition("#")
        if address:
            raise Unresolvable(f"{_short(ref)!r} is outside this document, and nothing is fetched")
        if fragment and not fragment.startswith("/"):
            raise Unresolvable(f"{_short(ref)!r} is not a JSON Pointer")
        node, pointer = self._document, ""
        for token in fragment.split("/")[1:]:
            found = step(node, token)
            if found is None:
                raise Unresolvable(f"{_short(shown(fragment) or ref)!r} points to nothing in this document")
            node, pointer = found[0], join(pointer, found[1])
            if isinstance(node, str) and pointer.startswith(f"/{FILES}/") and pointer.count("/") == 2:
                raise Unresolvable(f"{_short(shown(fragment))!r} is not available: {node}")
        return node, pointer

    def follow(self, node: Value, pointer: str) -> tuple[Value, str]:
        """Return the first thing that is not a Reference Object, starting with `node` itself."""
        for _ in range(LONGEST_CHAIN):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node, pointer
            node, pointer = self.find(node["$ref"])
        raise Unresolvable("its references go round in a circle")

    def described(self, node: Value, pointer: str) -> tuple[Value, str]:
        """Return what `follow` returns, with the description of the outermost Reference Object that has one.

        OAS 3.1.1 section 4.8.23: it SHOULD override the other. Authors of OpenAPI 3.0 mean the same.
        """
        target, place = self.follow(node, pointer)
        while node is not target and not (isinstance(node.get("description"), str) and node["description"].strip()):
            node, _ = self.find(node["$ref"])
        if node is target or not isinstance(target, dict):
            return target, place
        return {**target, "description": node["description"]}, place


def step(node: Value, token: str) -> tuple[Value, str] | None:
    """Return what a token of a `$ref`'s pointer leads to, with its unescaped name; None for nothing."""
    for name in _spellings(token):
        if isinstance(node, dict) and name in node:
            return node[name], name
        if isinstance(node, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(node):
            return node[int(name[:9])], str(int(name[:9]))
    return None


def _spellings(token: str) -> Iterator[str]:
    yield _unescaped(unquote(token))
    yield token  # names with a percent sign or a tilde are often written as they are


def _unescaped(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _short(ref: str) -> str:
    return ref if len(ref) <= 100 else f"{ref[:100]}…"
