"""One operation as its override makes it. Pure; whatever does not fit is returned, never ignored."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from app.curation.overrides import ArgumentOverride, ToolUpdate
from app.operation.checking import UnusableSchema
from app.operation.effort import Checker
from app.operation.integers import with_integers
from app.operation.operation import Json, Operation, Parameter, Value
from app.operation.pointers import join
from app.operation.text import ONCE_GIVEN, sentences

_DEFINITIONS = "#/$defs/"
_LONGEST_DETAIL = 300  # characters
_MOST_EFFORT = 10_000  # visits for all values of an override (see effort.py); counting them takes some 10 ms
_ALL_AUTOMATA = 1_000_000  # bytes for all patterns of an operation; some 5 ms to make
_TOO_LABORIOUS = "takes too long to check against the schema of the document: state a simpler value"
_NOT_IN_PATH = "is for arguments that are a part of the path"
_DOES_NOT_FIT = "does not fit the schema of the document"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A part of an override that does not fit its operation. `pointer` leads into the override.

    `grave`: without it callers could do more than the admin meant, or the operation could not be called.
    """

    pointer: str
    detail: str
    grave: bool


def shaped(operation: Operation, override: ToolUpdate) -> tuple[Operation, tuple[Misfit, ...]]:
    """Return the operation under the override, and the parts of the override that had to be left out."""
    overrides = override.arguments or {}
    arguments = _Arguments(operation.input_schema, overrides)
    preset = {**operation.preset, **arguments.preset}
    slashes = {name for name, each in overrides.items() if each.allow_slashes}
    stated = override.annotations.stated() if override.annotations is not None else {}
    result = replace(
        operation,
        name=override.name or operation.name,
        title=override.title or operation.title,
        description=override.description or operation.description,
        input_schema=arguments.schema(),
        stated_hints={**operation.stated_hints, **stated},
        preset=preset and dict(with_integers(preset, operation.input_schema)),
        parameters=tuple(
            replace(each, allow_slashes=True) if each.argument in slashes and _takes_slashes(each) else each
            for each in operation.parameters
        ),
    )
    elsewhere = slashes & operation.input_schema.get("properties", {}).keys() - {
        each.argument for each in operation.parameters if _takes_slashes(each)
    }
    misplaced = (Misfit(join("/arguments", name, "allow_slashes"), _NOT_IN_PATH, False) for name in sorted(elsewhere))
    return result, (*arguments.misfits, *misplaced)


def _takes_slashes(parameter: Parameter) -> bool:
    """Whether its text stands in the path as it is: no JSON, and no name before it."""
    return parameter.location == "path" and parameter.content_type is None and parameter.style != "matrix"


class _Arguments:
    """The arguments of one operation, as the overrides leave them."""

    def __init__(self, schema: Json, overrides: Mapping[str, ArgumentOverride]) -> None:
        self.preset: Json = {}
        self.misfits: list[Misfit] = []
        self._before = schema
        self._properties: Json = dict(schema.get("properties", {}))
        self._dependent: dict[str, list[str]] = schema.get("dependentRequired", {})
        self._values = _Values(schema, sum(each.preset is not None for each in overrides.values()))
        for name, override in overrides.items():
            if name in self._properties:
                self._take(name, override)
            else:
                self._misfit(name, None, "is not an argument of this operation", grave=override.pins)
        # A value that is always sent also requires the arguments that may not be left out beside it.
        together = {other for name in self.preset for other in self._dependent.get(name, ())}
        self._required = {*schema.get("required", ()), *together} - self.preset.keys()
        gone = [name for name in overrides if name in self._properties and not overrides[name].shown]
        for name in gone:
            del self._properties[name]
        for name in gone:
            if overrides[name].preset is None:
                self._check_left_out(name)

    def _take(self, name: str, override: ArgumentOverride) -> None:
        if (kind := override.preset) is not None:
            value = getattr(override, kind)
            reason = self._values.reason_against(name, value)
            if reason is None:
                self.preset[name] = value
            else:
                self._misfit(name, kind, reason, grave=not override.shown)
        shown = {} if override.description is None else {"description": self._described(name, override.description)}
        default = {"default": self.preset[name]} if name in self.preset else {}
        self._properties[name] = {**self._properties[name], **shown, **default}

    def _described(self, name: str, description: str) -> str:
        """An admin's words replace the document's, not what an optional body needs, which nothing else may say."""
        needed = self._properties[name].get("description", "").startswith(ONCE_GIVEN)
        return sentences(ONCE_GIVEN, description) if needed else description

    def _check_left_out(self, name: str) -> None:
        beside = [other for other in self._properties if name in self._dependent.get(other, ())]
        if name in self._required or beside:
            where = f" beside {beside[0]!r}" if name not in self._required else ""
            self._misfit(name, "hide", f"is required{where}: state a `default` too, or a `pin` instead", grave=True)

    def _misfit(self, name: str, field: str | None, detail: str, *, grave: bool) -> None:
        pointer = join("/arguments", name) if field is None else join("/arguments", name, field)
        self.misfits.append(Misfit(pointer, detail, grave))

    def schema(self) -> Json:
        """Return the input schema that callers see."""
        given = self._properties.keys()
        schema = {key: value for key, value in self._before.items() if key not in {"required", "dependentRequired"}}
        schema["properties"] = self._properties
        if required := [name for name in given if name in self._required]:
            schema["required"] = required
        dependent = {
            name: [other for other in others if other in given and other not in self.preset]
            for name, others in self._dependent.items()
            if name in given and name not in self.preset
        }
        if kept := {name: others for name, others in dependent.items() if others}:
            schema["dependentRequired"] = kept
        return pruned(schema)


def pruned(schema: Json) -> Json:
    """Return the schema without the definitions that nothing in it refers to."""
    definitions = schema.get("$defs")
    if not definitions:
        return schema
    rest = {key: value for key, value in schema.items() if key != "$defs"}
    reached: set[str] = set()
    pending = list(_references(rest))
    while pending:
        name = pending.pop()
        if name in definitions and name not in reached:
            reached.add(name)
            pending += _references(definitions[name])
    kept = {name: definition for name, definition in definitions.items() if name in reached}
    return {**rest, "$defs": kept} if kept else rest


def _references(schema: Value) -> Iterator[str]:
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            ref = node.get("$ref")
            if isinstance(ref, str) and ref.startswith(_DEFINITIONS):
                yield ref.removeprefix(_DEFINITIONS).partition("/")[0]
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


class _Values:
    """Judges `number` values that an override states for arguments: all of them together take little.

    Where the schema cannot be used, nothing is against them, as when an agent gives them.
    """

    def __init__(self, schema: Json, number: int) -> None:
        own = {"type": "object", "properties": schema.get("properties", {}), "$defs": schema.get("$defs", {})}
        self._most = _MOST_EFFORT // max(1, number)
        self._checker: Checker | None = None
        if number:
            with suppress(UnusableSchema):
                self._checker = Checker(own, _ALL_AUTOMATA)

    def reason_against(self, name: str, value: Value) -> str | None:
        """Return why the argument does not take the value, None where it does."""
        if self._checker is None:
            return None
        given = {name: value}
        judge = self._checker.to_judge(given, self._most)
        if judge is None:
            return _TOO_LABORIOUS
        if judge.is_valid(given):
            return None
        teller = self._checker.to_tell(given, self._most)
        error = None if teller is None else next(teller[0].iter_errors(given), None)
        return _DOES_NOT_FIT if error is None else error.message[:_LONGEST_DETAIL]
