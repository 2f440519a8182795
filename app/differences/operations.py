"""What a document offers now and did not before: one pure comparison, operation by operation.

`breaking`: a call that worked may be refused now, or do something else; what cannot be judged is counted here too.
`widening`: calls go on, but the tool can do more or says something else than what was looked at when it was approved.
`safe`: neither. docs/reference/rest.md has the rule for each kind.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from app.differences.canonical import canonical, json_text
from app.differences.schemas import Difference, Impact, schema_differences
from app.operation.operation import BodyField, Operation, Parameter, Value
from app.operation.pointers import join
from app.outbound import origin_of

_WORST_FIRST: tuple[Impact, ...] = ("breaking", "widening", "safe")
_MOST_OPERATIONS = 300
_MOST_DIFFERENCES = 10  # of one operation
_LONGEST_VALUE = 200  # bytes of JSON


@dataclass(frozen=True, slots=True)
class ChangedOperation:
    """An operation that has changed. `impact` is the worst of its differences; `left_out` more are not shown."""

    name: str
    method: str
    path: str
    impact: Impact
    differences: tuple[Difference, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What one reading changed. `operations` are the worst, `left_out` says how many more there are."""

    at: datetime
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    classes: dict[Impact, int] = field(default_factory=dict)
    operations: tuple[ChangedOperation, ...] = ()
    left_out: int = 0

    def __bool__(self) -> bool:
        return bool(self.classes)

    def summary(self) -> str:
        """Return one line for the audit: the counts, and the names of the worst."""
        if not self:
            return "nothing changed"
        numbers = f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"
        classes = ", ".join(f"{self.classes[impact]} {impact}" for impact in _WORST_FIRST if impact in self.classes)
        names = ", ".join(f"{each.name} ({each.impact})" for each in self.operations[:10])
        return f"{numbers}; {classes}; {names}"


def changes_between(before: Iterable[Operation], after: Iterable[Operation], at: datetime) -> Changes:
    """Return what `compare` finds, counted, and cut to what an answer can hold."""
    found = compare(before, after)
    kinds: dict[str, list[str]] = {"operation_added": [], "operation_removed": [], "": []}
    for each in found:
        kinds.get(each.differences[0].kind, kinds[""]).append(each.name)
    added, removed, changed = (tuple(sorted(names)) for names in kinds.values())
    return Changes(
        at=at,
        added=added,
        removed=removed,
        changed=changed,
        classes=dict(Counter(each.impact for each in found)),
        operations=tuple(_bounded(each) for each in found[:_MOST_OPERATIONS]),
        left_out=max(0, len(found) - _MOST_OPERATIONS),
    )


def compare(before: Iterable[Operation], after: Iterable[Operation]) -> tuple[ChangedOperation, ...]:
    """Return every operation that has changed, the worst first. Method and path say which operation it is."""
    old = {(operation.method, operation.path): operation for operation in before}
    new = {(operation.method, operation.path): operation for operation in after}
    found = []
    for key in old.keys() | new.keys():
        differences = _differences(old.get(key), new.get(key))
        if differences:
            shown = new[key] if key in new else old[key]
            found.append(ChangedOperation(shown.name, *key, differences[0].impact, differences))
    return tuple(sorted(found, key=lambda each: (_rank(each.impact), each.path, each.method)))


def _differences(old: Operation | None, new: Operation | None) -> tuple[Difference, ...]:
    if old is None:
        return (Difference("widening", "operation_added"),)
    if new is None:
        return (Difference("breaking", "operation_removed"),)
    if json_text(old) == json_text(new):
        return ()
    found = [each for name in _FIELDS for each in _JUDGES.get(name, _unjudged)(name, old, new)]
    distinct = {json_text(each): each for each in found}
    return tuple(sorted(distinct.values(), key=lambda each: _rank(each.impact)))


def _rank(impact: Impact) -> int:
    return _WORST_FIRST.index(impact)


def _unjudged(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    yield from _if_other("breaking", name, getattr(old, name), getattr(new, name))


def _read(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    """Models read it, so a document can influence them by it."""
    yield from _if_other("widening", name, getattr(old, name), getattr(new, name))


def _harmless(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    yield from _if_other("safe", name, getattr(old, name), getattr(new, name))


def _tags(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    yield from _if_other("widening", name, sorted(old.tags), sorted(new.tags))


def _accept(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    impact: Impact = "safe" if old.accept[:1] == new.accept[:1] else "breaking"
    yield from _if_other(impact, name, old.accept, new.accept)


def _server(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    before, after = (_split(operation.server) for operation in (old, new))
    yield from _if_other("widening", "origin", before[0], after[0])
    yield from _if_other("breaking", name, before[1], after[1])


def _split(server: str | None) -> tuple[str, str]:
    return ("", "") if server is None else (origin_of(server), urlsplit(server).path)


def _input(_: str, old: Operation, new: Operation) -> Iterator[Difference]:
    yield from schema_differences(old.input_schema, new.input_schema)


def _output(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    """No call is refused because of it, but a client may have relied on the promise."""
    if old.output_schema is None:
        yield from _if_other("widening", name, None, new.output_schema)
    elif canonical(old.output_schema) != canonical(new.output_schema):
        yield Difference("breaking", name, None, old.output_schema, new.output_schema)


def _parameters(_: str, old: Operation, new: Operation) -> Iterator[Difference]:
    yield from _slots(_places(old.parameters), _places(new.parameters), old, new)


def _body(name: str, old: Operation, new: Operation) -> Iterator[Difference]:
    if old.body is None or new.body is None:
        impact: Impact = "widening" if old.body is None and not (new.body and new.body.required) else "breaking"
        yield from _if_other(impact, name, old.body, new.body)
        return
    before, after = ((body.media_type, body.argument, body.binary) for body in (old.body, new.body))
    yield from _if_other("breaking", name, before, after)
    if old.body.required != new.body.required:
        yield _needed(new.body.required, join("", name))
    yield from _slots(_places(old.body.fields), _places(new.body.fields), old, new)


def _places(slots: Iterable[Parameter | BodyField]) -> dict[str, dict[str, Any]]:
    return {slot.argument: {each.name: getattr(slot, each.name) for each in fields(slot)} for slot in slots}


def _slots(
    before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]], old: Operation, new: Operation
) -> Iterator[Difference]:
    """Where arguments go. One that came or went is reported with its schema."""
    known = (_names(old), _names(new))
    for name in sorted(before.keys() | after.keys()):
        pointer = join("", "properties", name)
        one, other = before.get(name), after.get(name)
        if one is not None and other is not None:
            if one.pop("required", None) != (needed := other.pop("required", None)):
                yield _needed(bool(needed), pointer)
            yield from _if_other("breaking", "slot", one, other, pointer)
        elif (name in known[0]) == (name in known[1]):
            yield Difference("breaking", "slot", pointer, one, other)


def _names(operation: Operation) -> Iterable[str]:
    properties = operation.input_schema.get("properties")
    return properties if isinstance(properties, dict) else ()


def _needed(required: bool, pointer: str) -> Difference:
    return Difference("breaking", "required", pointer) if required else Difference("widening", "optional", pointer)


def _if_other(
    impact: Impact, kind: str, before: Value, after: Value, pointer: str | None = None
) -> Iterator[Difference]:
    if json_text(before) != json_text(after):
        yield Difference(impact, kind, pointer, before, after)


_FIELDS = tuple(each.name for each in fields(Operation) if each.compare)
_JUDGES: Mapping[str, Callable[[str, Operation, Operation], Iterator[Difference]]] = {
    "operation_id": _harmless,
    "title": _read,
    "description": _read,
    "tags": _tags,
    "deprecated": _harmless,
    "input_schema": _input,
    "output_schema": _output,
    "parameters": _parameters,
    "body": _body,
    "accept": _accept,
    "server": _server,
    "notes": _harmless,
    "hidden": _harmless,
    "stated_hints": _read,
}


def _bounded(operation: ChangedOperation) -> ChangedOperation:
    shown = operation.differences[:_MOST_DIFFERENCES]
    return ChangedOperation(
        operation.name,
        operation.method,
        operation.path,
        operation.impact,
        tuple(
            Difference(each.impact, each.kind, each.pointer, _short(each.before), _short(each.after)) for each in shown
        ),
        len(operation.differences) - len(shown),
    )


def _short(value: Value) -> Value:
    text = orjson.dumps(value)
    return orjson.loads(text) if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE].decode(errors='ignore')}…"
