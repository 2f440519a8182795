"""Puts a document of several files into one tree, so that the conversion sees a single document.

The other files are members of `FILES` at the root, and the `$ref`s to them become pointers into it. Only what the
operations reach is followed: a broken link that no operation needs costs nothing and is never requested. This module
reads no files and fetches nothing: it names the addresses that it needs and is given what is there.
"""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

from app.errors import Invalid
from app.openapi.document.identities import with_own_references
from app.openapi.document.reading import File, Limits, read_root, read_tree, refused
from app.operation.operation import Json, Value
from app.operation.pointers import BORROWED, FILES, LONGEST_CHAIN, TWICE, join, step
from app.operation.text import cleaned

_ROOTS = {  # of named things in a document, as references to them are written; serializers of PHP escape slashes
    root: (f"#/{root}/".encode(), f"#\\/{root}\\/".encode()) for root in ("components", "definitions", "parameters")
}

# For each address what is there, or the end of a sentence that says why it is not available.
Load = Callable[[Sequence[str]], Sequence[File | str]]

_LONGEST_ADDRESS = 2_000
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
_NAMED = frozenset(  # keywords whose members have names of the author's choice
    {
        "additionalOperations",
        "content",
        "dependencies",
        "dependentSchemas",
        "encoding",
        "patternProperties",
        "paths",
        "properties",
        "responses",
    }
)
_NOT_FOLLOWED = frozenset(  # data, prose, and what no tool is made of
    {
        "$defs",
        "callbacks",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "example",
        "examples",
        "externalDocs",
        "headers",
        "links",
        "summary",
        "title",
    }
)


def read_bundled(root: File, address: str, load: Load, *, limits: Limits | None = None) -> Json:
    """Return the document in the file, with all files that its operations reach.

    `address` is where it was found, for its relative references; empty when unknown. A file that is not available or
    cannot be read leaves a text in its place that says why. Raises Invalid("invalid_document") for the document itself
    and for too many files.
    """
    limits = limits or Limits()
    bundle = _Bundle(root, _normal(address), limits)
    while wanted := bundle.wanted():
        for each, found in zip(wanted, load(wanted), strict=True):
            bundle.take(each, found)
    return bundle.document()


@dataclass(frozen=True, slots=True)
class _Reference:
    """The member `key` of `holder` is a reference; `base` is the address of the file that contains it.

    `named`: it replaces a whole object whose members have names.
    """

    holder: Json
    key: str
    base: str
    named: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reference points: a file, and a pointer in it; `node` is what is there, None for nothing."""

    address: str
    pointer: str
    node: Value


class _Bundle:
    def __init__(self, file: File, address: str, limits: Limits) -> None:
        root, nodes, twice = read_root(file, limits)
        self._root: Json = root
        self._address = address
        self._limits = limits
        self._nodes_left = limits.nodes - nodes
        self._trees: dict[str, Value] = {address: root}
        self._twice = {address: twice}
        self._stated: dict[str, str] = {}  # what files call themselves, by their addresses
        self._own: dict[str, str] = {}  # … and the other way
        self._identify(file, root, address)
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()  # of these names
        self._waiting: dict[str, list[_Reference]] = {}
        self._settled: list[tuple[_Reference, _Place]] = []
        self._borrowed: dict[tuple[str, str], None] = {}  # places of the document that parts take for their own
        self._met: set[int] = set()
        self._pending: list[tuple[Value, str, bool]] = [(root.get("paths"), address, True)]
        self._follow()

    def wanted(self) -> list[str]:
        """Return the addresses of the files that are needed next."""
        return list(self._waiting)

    def take(self, address: str, found: File | str) -> None:
        """Take what is at a wanted address."""
        self._trees[address] = found if isinstance(found, str) else self._read(found, address)
        for reference in self._waiting.pop(address):
            self._settle(reference)
        self._follow()

    def document(self) -> Json:
        """Return the root with everything in it. Nothing is changed before: references are read where they are."""
        for reference, place in self._settled:
            if reference.named and isinstance(place.node, dict):
                self._fill(reference, place)
            elif place.node is not None or place.address != self._address:
                reference.holder[reference.key] = self._pointer(place)
        self._root.pop(FILES, None)
        self._root.pop(TWICE, None)
        self._root.pop(BORROWED, None)
        if self._borrowed:
            borrowed = (f"{self._above(address)}{pointer}" for address, pointer in self._borrowed)
            self._root[BORROWED] = sorted(borrowed)
        if twice := [f"{self._above(address)}{each}" for address, found in self._twice.items() for each in found]:
            self._root[TWICE] = twice
        if self._names:
            self._root[FILES] = {name: self._trees[address] for address, name in self._names.items()}
        return self._root

    def _fill(self, reference: _Reference, place: _Place) -> None:
        """Replace a reference to all members by a reference to each of them."""
        self._nodes_left -= 2 * len(place.node)
        if self._nodes_left < 0:
            raise refused(f"has more than {self._limits.nodes:,} values (SOURCE_MAX_NODES)")
        del reference.holder[reference.key]
        for name in place.node:
            reference.holder.setdefault(name, {"$ref": self._pointer(place, name)})

    def _read(self, file: File, address: str) -> Value:
        limits = replace(self._limits, nodes=max(self._nodes_left, 0))
        try:
            tree, nodes, self._twice[address] = read_tree(file, limits)
        except Invalid as error:
            return f"it {error.violations[0].detail}"
        self._nodes_left -= nodes
        self._identify(file, tree, address)
        return tree if isinstance(tree, dict | list) else "it holds a single value"

    def _identify(self, file: File, tree: Value, address: str) -> None:
        """Take what a file says of its own address (OAS 3.2.0 section 4.1.2.2.1, `$self`) and of those of its schemas.

        A file from elsewhere has its neighbours where it was found, not where it says that it belongs.
        """
        stated = tree.get("$self") if isinstance(tree, dict) else None
        base = _joined(address, stated).partition("#")[0] if isinstance(stated, str) else ""
        if base and base != address:
            self._own.setdefault(base, address)
            self._stated[address] = base
        known = tree if isinstance(tree, dict) else {}
        astray = any(root not in known and any(way in file.data for way in ways) for root, ways in _ROOTS.items())
        if astray or b"$id" in file.data or b"$defs" in file.data:
            with_own_references(tree, base or address)

    def _follow(self) -> None:
        while self._pending:
            node, base, named = self._pending.pop()
            if not isinstance(node, dict | list) or id(node) in self._met:
                continue
            self._met.add(id(node))
            if isinstance(node, list):
                self._pending += [(each, base, False) for each in node]
            else:
                self._object(node, base, named=named)

    def _object(self, node: Json, base: str, *, named: bool) -> None:
        if isinstance(node.get("$ref"), str):
            self._settle(_Reference(node, "$ref", base, named))
        if named:
            self._pending += [(each, base, False) for each in node.values()]
            return
        self._pending += [
            (each, base, key in _NAMED)
            for key, each in node.items()
            if key not in _NOT_FOLLOWED and not key.startswith("x-")
        ]
        discriminator = node.get("discriminator")
        mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
        if isinstance(mapping, dict):
            for name in [name for name, target in mapping.items() if _is_address(target)]:
                self._settle(_Reference(mapping, name, base, named=False))

    def _settle(self, reference: _Reference) -> None:
        text = reference.holder[reference.key]
        place = self._located(reference.base, text, through=reference.named)
        if isinstance(place, _Place) and place.node is None and text.startswith("#/"):
            place = self._borrowed_by(reference, text) or place
        if isinstance(place, _Place):
            self._settled.append((reference, place))
            self._pending.append((place.node, place.address, reference.named))
            return
        if place not in self._waiting and len(self._trees) + len(self._waiting) > self._limits.files:
            raise refused(f"refers to more than {self._limits.files:,} other files (SOURCE_MAX_FILES)")
        self._waiting.setdefault(place, []).append(reference)

    def _borrowed_by(self, reference: _Reference, text: str) -> _Place | str | None:
        """Return where it points in the document itself: authors of parts write `#/components/…` and mean the whole."""
        place = self._located(self._address, text, through=reference.named)
        if isinstance(place, _Place) and place.node is None:
            return None
        if isinstance(place, _Place):
            self._borrowed[reference.base, place.pointer] = None
        return place

    def _located(self, base: str, text: str, *, through: bool) -> _Place | str:
        """Return where the text points, or the address of a file that is needed to find out.

        References in the middle of a pointer are followed; with `through`, one at its end too.
        """
        address, tokens = self._taken_apart(base, text)
        place = _Place(address, "", None)
        for _ in range(LONGEST_CHAIN):
            if address not in self._trees:
                return address
            place, left = _walked(address, self._trees[address], tokens)
            inner = place.node.get("$ref") if isinstance(place.node, dict) else None
            if not left and not (through and isinstance(inner, str)):
                return place
            if not isinstance(inner, str):
                break
            address, tokens = self._taken_apart(address, inner)
            tokens = [*tokens, *left]
        return _Place(address, "".join(f"/{token}" for token in tokens), None)

    def _taken_apart(self, base: str, text: str) -> tuple[str, list[str]]:
        """Return the address that a reference means, and the tokens of its pointer."""
        relative, _, fragment = text.partition("#")
        tokens = fragment.removeprefix("/").split("/") if fragment else []
        if not relative:
            return base, tokens
        stated = self._stated.get(base, base)
        address = _joined(stated, relative)
        if address in self._own:
            return self._own[address], tokens
        if base and _origin(base) != _origin(stated):
            address = _joined(base, relative)
        if not 0 < len(address) <= _LONGEST_ADDRESS:
            address = relative[:_LONGEST_ADDRESS]
            self._trees.setdefault(address, "it is not a valid address")
        return address, tokens

    def _pointer(self, place: _Place, *more: str) -> str:
        return "#" + join(self._above(place.address) + place.pointer, *more).replace("%", "%25")

    def _above(self, address: str) -> str:
        return "" if address == self._address else join("", FILES, self._name(address))

    def _name(self, address: str) -> str:
        if address not in self._names:
            name = _known_as(address, self._address)
            self._names[address] = address if name in self._taken else name
            self._taken.add(name)
        return self._names[address]


def _walked(address: str, node: Value, tokens: list[str]) -> tuple[_Place, list[str]]:
    """Follow the tokens as far as possible; return that place and the tokens that are left."""
    pointer = ""
    for number, token in enumerate(tokens):
        found = step(node, token)
        if found is None:
            return _Place(address, pointer, node), tokens[number:]
        node, pointer = found[0], join(pointer, found[1])
    return _Place(address, pointer, node), []


def _joined(base: str, address: str) -> str:
    """Return what an address means below another; empty where it means nothing."""
    try:
        return _normal(urljoin(base, address))
    except ValueError:
        return ""


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def _normal(address: str) -> str:
    return quote(address, safe=_URL_CHARACTERS)


def _known_as(address: str, root: str) -> str:
    """Return the address as seen from the document: relative where both have the same origin."""
    return cleaned(unquote(_relative(address, root)))


def _relative(address: str, root: str) -> str:
    try:
        here, there = urlsplit(root), urlsplit(address)
    except ValueError:
        return address
    if not here.path or not there.path or (here.scheme, here.netloc) != (there.scheme, there.netloc):
        return address
    path = posixpath.relpath(there.path, posixpath.dirname(here.path) or "/")
    return f"{path}?{there.query}" if there.query else path


def _is_address(target: Value) -> bool:
    """Whether a value in a discriminator's `mapping` is a reference rather than the name of a schema."""
    return isinstance(target, str) and ("/" in target or "#" in target or target.endswith((".json", ".yaml", ".yml")))
