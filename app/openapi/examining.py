"""The document's own examples of requests, tried on what was made of it.

An example may be its author's mistake, so that nothing is changed because of it: it is told.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from app.openapi.operations.drafts import Draft
from app.openapi.schema.definitions import Shown
from app.openapi.schema.doubts import Allowance, surely_takes
from app.openapi.schema.refusals import Judge
from app.openapi.schema.schemas import Schemas
from app.operation.operation import Examples, Json, Value
from app.operation.pointers import join, remark

_LARGEST = 2_000  # values in an example
_DEEPEST = 60  # levels of one
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class _Case:
    """An example, or a member of one, that a schema should accept; `name` is that of the member."""

    schema: Json
    value: Value
    pointer: str
    name: str | None = None


class Examining:
    """The examples of one document's drafts, tried."""

    def __init__(self, drafts: Sequence[Draft], schemas: Schemas, allowance: Allowance) -> None:
        self._drafts = drafts
        self._schemas = schemas
        self._allowance = allowance
        self.left_out = 0  # examples for which no steps were left
        self._reasons: dict[str, str | None] = {}  # why an example is refused, by where it is
        self._first: dict[str, Draft] = {}  # operation with it, where that is known

    def tried(self) -> tuple[Examples, Mapping[str, Sequence[str]]]:
        """Return how many examples there are, and which are refused and why, by where the first operation is."""
        cases = [each for each in self._cases() if not surely_takes(each.schema, each.value)]
        if cases:
            self._judge(cases)
        refused = {pointer: reason for pointer, reason in self._reasons.items() if reason is not None}
        self._find(refused.keys() - self._first.keys())
        told: dict[str, list[str]] = defaultdict(list)
        for pointer, reason in refused.items():
            if pointer in self._first:
                told[self._first[pointer].pointer].append(remark(reason, pointer))
        return Examples(len(self._reasons), len(self._reasons) - len(refused)), told

    def _find(self, pointers: AbstractSet[str]) -> None:
        """Find the first operation with each of these places."""
        within: dict[str | None, list[str]] = defaultdict(list)
        for pointer in pointers:
            for prefix in _prefixes(pointer):
                within[prefix].append(pointer)
        met: set[str] = set()
        for draft in self._drafts if pointers else ():
            pending = list(draft.arguments.values())
            while pending:
                definition = pending.pop()
                for pointer in within.get(definition.pointer, ()):
                    self._first.setdefault(pointer, draft)
                new = [name for name in definition.references if name not in met]
                met.update(new)
                pending += map(self._schemas.definition, new)

    def _cases(self) -> Iterator[_Case]:
        for draft in self._drafts:
            for definition in draft.arguments.values():
                for shown in definition.examples:
                    yield from self._case(draft, definition.schema, shown)
            for argument, shown in draft.examples:
                yield from self._case(draft, draft.arguments[argument].schema, shown)
            for shown in draft.of_body:
                yield from self._of_body(draft, shown)
        for schema, examples in self._schemas.shown():
            for shown in examples:
                yield from self._case(None, schema, shown)

    def _case(self, draft: Draft | None, schema: Json, shown: Shown) -> Iterator[_Case]:
        if shown.pointer not in self._reasons and _is_fit(shown.value):
            self._reasons[shown.pointer] = None
            if draft is not None:
                self._first[shown.pointer] = draft
            yield _Case(schema, shown.value, shown.pointer)

    def _of_body(self, draft: Draft, shown: Shown) -> Iterator[_Case]:
        body = draft.operation.body
        if body is None or shown.pointer in self._reasons or not _is_fit(shown.value):
            return
        if body.argument is not None:
            if not body.binary and not body.fields:
                yield from self._case(draft, draft.arguments[body.argument].schema, shown)
            return
        if any(each.binary for each in body.fields) or (shown.value is None and not body.required):
            return
        arguments = {each.name: each.argument for each in body.fields}
        required = _required(draft.operation.input_schema, arguments, shown.value)
        self._first[shown.pointer] = draft
        self._reasons[shown.pointer] = reason = _wrong(shown.value, arguments, required)
        if reason is None:
            for name, value in shown.value.items():
                if value is not None or name in required:
                    yield _Case(draft.arguments[arguments[name]].schema, value, shown.pointer, name)

    def _judge(self, cases: Sequence[_Case]) -> None:
        names: dict[int, str] = {}
        for case in cases:
            names.setdefault(id(case.schema), f"e{len(names)}")
        judge = Judge({names[id(case.schema)]: case.schema for case in cases}, self._schemas, self._allowance)
        waiting: dict[str, deque[_Case]] = defaultdict(deque)
        for case in cases:
            waiting[names[id(case.schema)]].append(case)
        while waiting:
            batch = {name: left.popleft() for name, left in waiting.items()}
            waiting = {name: left for name, left in waiting.items() if left}
            found = judge.refusals({name: case.value for name, case in batch.items()})
            for name, case in batch.items():
                if name not in found:  # too much to try
                    self._reasons.pop(case.pointer, None)
                elif found[name] and self._reasons.get(case.pointer, "") is None:
                    self._reasons[case.pointer] = found[name][0].said(*([case.name] if case.name is not None else []))


def _prefixes(pointer: str) -> Iterator[str]:
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]


def _required(schema: Json, arguments: Mapping[str, str], value: Value) -> list[str]:
    """Return the members of a body that are required where it is given."""
    needed = set(schema.get("required", ()))
    dependent = schema.get("dependentRequired", {})
    for name in value if isinstance(value, dict) else ():
        needed.update(dependent.get(arguments.get(name), ()))
    return [name for name, argument in arguments.items() if argument in needed]


def _wrong(value: Value, known: Mapping[str, str], required: Sequence[str]) -> str | None:
    """Return what is wrong with a body whose members are arguments, whatever these are."""
    if not isinstance(value, dict):
        return "it is no object"
    unknown = [name for name in value if name not in known]
    if unknown:
        return f"{join('', unknown[0])[:_LONGEST_NAME]}: is unknown"
    lacking = [name for name in required if name not in value]
    return f"{join('', lacking[0])}: is required" if lacking else None


def _is_fit(value: Value) -> bool:
    """Whether an example can be tried: what a request can carry, and not too large or deep."""
    if isinstance(value, str) and len(value) < _LARGEST and value.isascii():
        return True
    pending, met = [(value, 0)], 0
    while pending:
        each, level = pending.pop()
        met += 1
        if met > _LARGEST or level > _DEEPEST:
            return False
        if isinstance(each, dict | list):
            pending += [(item, level + 1) for item in (each.values() if isinstance(each, dict) else each)]
            pending += [(name, level) for name in each] if isinstance(each, dict) else []
        elif not _is_fit_alone(each):
            return False
    return True


def _is_fit_alone(value: Value) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    return not isinstance(value, float) or math.isfinite(value)
