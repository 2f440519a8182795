"""References that a schema has of its own: below an `$id`, their base (JSON Schema core 8.2.1), or into its `$defs`.

Documents mix two readings. Below an `$id`, a `#/…` leads into that schema, as the standard says, or into the document,
as authors of OpenAPI expect: the first is tried first. Schemas that a program made are pasted with their `$defs`: what
leads nowhere in the document leads into the innermost schema around it that has it, else to what has that name where
another version has it. Any other reference leads to the schema of that identity, if the file has one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from app.operation.operation import Json, Value
from app.operation.pointers import join, step

_DATA = frozenset({"const", "default", "enum", "example", "examples"})
_NAMED = frozenset(  # keywords whose members have names of the author's choice
    {
        *("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"),
        *("callbacks", "content", "encoding", "headers", "links", "mediaTypes", "parameters", "pathItems", "paths"),
        *("requestBodies", "responses", "schemas", "securitySchemes", "webhooks"),
    }
)
_HOMES = (  # of the same things, in OpenAPI 3, Swagger 2.0 and JSON Schema
    ("/components/schemas/", "/definitions/", "/$defs/"),
    ("/components/parameters/", "/parameters/"),
)


@dataclass(frozen=True, slots=True)
class _Place:
    """A node, and the schema with an identity that it is in: its address, and the pointer to it."""

    node: Value
    pointer: str
    base: str
    root: str
    named: bool = False


def with_own_references(tree: Value, address: str) -> None:
    """Make such references those into the tree of one file, which was found at the address."""
    identities: dict[str, str] = {}
    references: list[_Place] = []
    for place in _objects(tree, address):
        node = place.node
        if not place.named and isinstance(node.get("$id"), str) and place.root == place.pointer:
            identities.setdefault(place.base, place.pointer)
        if isinstance(node.get("$ref"), str):
            references.append(place)
    for place in references:
        if (target := _target(tree, place, identities)) is not None:
            place.node["$ref"] = f"#{target.replace('%', '%25')}"


def _objects(tree: Value, address: str) -> Iterator[_Place]:
    pending, met = [_Place(tree, "", address, "")], set()
    while pending:
        place = pending.pop()
        if id(place.node) in met:
            continue
        met.add(id(place.node))
        if isinstance(place.node, list):
            pending += (
                _Place(each, join(place.pointer, number), place.base, place.root)
                for number, each in enumerate(place.node)
                if isinstance(each, dict | list)
            )
        elif isinstance(place.node, dict):
            place = place if place.named else _identified(place)
            yield place
            pending += _below(place)


def _below(place: _Place) -> Iterator[_Place]:
    for key, each in place.node.items():
        is_data = not place.named and (key in _DATA or key.startswith("x-"))
        if isinstance(each, dict | list) and not is_data:
            named = not place.named and key in _NAMED
            yield _Place(each, join(place.pointer, key), place.base, place.root, named)


def _identified(place: _Place) -> _Place:
    stated = place.node.get("$id")
    if not isinstance(stated, str) or not stated.partition("#")[0]:
        return place
    try:
        base = urljoin(place.base, stated).partition("#")[0]
    except ValueError:
        return place
    return _Place(place.node, place.pointer, base, place.pointer)


def _target(tree: Value, place: _Place, identities: Json) -> str | None:
    """Return the pointer that a reference means by an identity, or from a schema around it; None for any other."""
    address, _, fragment = place.node["$ref"].partition("#")
    if fragment and not fragment.startswith("/"):
        return None
    if address:
        try:
            root = identities.get(urljoin(place.base, address))
        except ValueError:
            return None
        return None if root is None else f"{root}{fragment}"
    if place.root and _is_there(tree, f"{place.root}{fragment}"):
        return f"{place.root}{fragment}"
    if not fragment or _is_there(tree, fragment):
        return None
    candidates = (*_around(place.pointer, fragment), *_elsewhere(fragment))
    return next((each for each in candidates if _is_there(tree, each)), None)


def _around(pointer: str, fragment: str) -> Iterator[str]:
    """Yield where the fragment leads from each schema around the pointer, the innermost first."""
    while pointer:
        yield f"{pointer}{fragment}"
        pointer = pointer.rpartition("/")[0]


def _elsewhere(fragment: str) -> Iterator[str]:
    """Yield where another version of OpenAPI has what the fragment means."""
    for homes in _HOMES:
        for home in homes:
            if fragment.startswith(home):
                yield from (f"{other}{fragment.removeprefix(home)}" for other in homes)


def _is_there(node: Value, pointer: str) -> bool:
    for token in pointer.split("/")[1:]:
        if (found := step(node, token)) is None:
            return False
        node = found[0]
    return True
