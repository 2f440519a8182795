"""Values that a schema should accept, made from what it says itself: one for each of its branches.

What is made is only as good as the schema is plain: a text for a `pattern`, or a value for a `not`, may be wrong.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from app.operation.keywords import definition_of
from app.operation.operation import Json, Value

_MOST_VALUES = 300  # of a sample, after which it has only what is required
_FAR_TOO_MANY = 2_000
_DEEPEST = 40
_DEEPEST_OPTIONAL = 6  # levels of members that are not required
_LONGEST = 5_000  # characters, items or members that must be there
_LISTED = 4  # values of an `enum` that are samples
_OF_TYPE = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "unevaluatedProperties"),
    "array": ("items", "prefixItems", "minItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}

_ANY = ("string", "number", "object", "array", "boolean", "null")
_VARIED = 8  # samples
_TEXTS = ("text", "", "12", "a longer text of some words", "x")

Path = tuple[str, ...]
Group = tuple[int, ...]  # the ids of the schemas that one value is an instance of


class Beyond(Exception):
    """No sample of a reasonable size."""


@dataclass(slots=True)
class Sample:
    """A value; what each value in it is an instance of; and what was chosen to make it.

    `chosen`: the number of the branch, by the id of a schema with `anyOf`. `unsure`: texts with a pattern. `endless`:
    schemas that require what requires them again. `branches`: how many samples differ.
    """

    value: Value = None
    groups: dict[Path, Group] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)
    unsure: set[Path] = field(default_factory=set)
    endless: list[Json] = field(default_factory=list)
    branches: int = 1


@dataclass(frozen=True, slots=True)
class Samples:
    """Makes samples of schemas that refer to these definitions."""

    definition: Callable[[str], Json]

    def of(self, schema: Json, variant: int, *, full: bool = True) -> Sample:
        """Return the sample of that number, with what is optional or without. Raises Beyond."""
        sample = Sample()
        sample.value = _Making(self, sample, variant, full).value([schema], (), ())
        return sample

    def group(self, seeds: Sequence[Value]) -> Group:
        """Return what a value for all of these schemas is an instance of, however they are referred to."""
        referred = [
            self.definition(definition_of(each)) if isinstance(each, dict) and each.keys() == {"$ref"} else each
            for each in seeds
        ]
        return tuple(sorted({id(each) for each in referred}))


@dataclass(slots=True)
class _Making:
    samples: Samples
    sample: Sample
    variant: int
    full: bool
    made: int = 0

    def value(self, seeds: Sequence[Value], path: Path, above: tuple[Group, ...]) -> Value:
        """Return a value for all of these schemas; `above` are those of the values that need this one."""
        self.made += 1
        if len(path) > _DEEPEST or self.made > _FAR_TOO_MANY:
            raise Beyond
        nodes = self._applied(seeds)
        self.sample.groups[path] = group = self.samples.group(seeds)
        if listed := _listed(nodes):
            return self._one_of(listed[:_LISTED])
        turning = any("not" in node or "if" in node for node in nodes)
        if turning:  # which values are refused is not known: they are as different as possible
            self.sample.branches = max(self.sample.branches, _VARIED)
            self.full = self.full and self.variant % 2 == 0
        kind = self._one_of(_types(nodes, any_other=turning))
        if kind == "object":
            return self._object(nodes, path, (*above, group))
        if kind == "array":
            return self._array(nodes, path, (*above, group))
        if kind == "string":
            return self._text(nodes, path)
        if kind in {"integer", "number"}:
            return self._number(nodes, whole=kind == "integer")
        return True if kind == "boolean" else None

    def _one_of(self, options: Sequence[Value]) -> Value:
        self.sample.branches = max(self.sample.branches, len(options))
        return options[self.variant % len(options)]

    def _applied(self, seeds: Sequence[Value]) -> list[Json]:
        """Return the schemas that apply to the same value, with one branch of each choice."""
        found: list[Json] = []
        pending, met, choices = list(seeds), set[int](), 0
        for node in pending:
            if not isinstance(node, dict) or id(node) in met:
                continue
            met.add(id(node))
            found.append(node)
            if "$ref" in node:
                pending.append(self.samples.definition(definition_of(node)))
            pending += node.get("allOf", ())
            if branches := node.get("anyOf"):
                # The first samples take the same branch everywhere, further ones combine them.
                number = (self.variant + self.variant // len(branches) * choices) % len(branches)
                self.sample.branches = max(self.sample.branches, len(branches))
                self.sample.chosen[id(node)] = number
                pending.append(branches[number])
                choices += 1
            if "if" in node:
                pending += [node["if"], node.get("then")] if self.variant % 2 == 0 else [node.get("else")]
        return found

    def _text(self, nodes: list[Json], path: Path) -> str:
        if any("pattern" in node for node in nodes):
            self.sample.unsure.add(path)
        least, most = self._bounds(nodes, "minLength", "maxLength")
        text = _TEXTS[self.variant % len(_TEXTS)] if any("not" in node or "if" in node for node in nodes) else _TEXTS[0]
        return f"{path[-1] if path and path[-1].isdigit() else ''}{text}".ljust(least, "x")[: max(most, 0)]

    def _bounds(self, nodes: list[Json], lower: str, upper: str) -> tuple[int, int]:
        """Return how many there are at least and at most; where that is a contradiction, each in turn is right."""
        least = max((node[lower] for node in nodes if lower in node), default=0)
        most = min((node[upper] for node in nodes if upper in node), default=max(least, _LONGEST))
        if least > _LONGEST:
            raise Beyond
        if least > most:
            self.sample.branches = max(self.sample.branches, 2)
            return (least, least) if self.variant % 2 == 0 else (most, most)
        return int(least), int(most)

    def _number(self, nodes: list[Json], *, whole: bool) -> Value:
        lower = [(node["minimum"], False) for node in nodes if "minimum" in node]
        lower += [(node["exclusiveMinimum"], True) for node in nodes if "exclusiveMinimum" in node]
        upper = [(node["maximum"], False) for node in nodes if "maximum" in node]
        upper += [(node["exclusiveMaximum"], True) for node in nodes if "exclusiveMaximum" in node]
        steps = [node["multipleOf"] for node in nodes if "multipleOf" in node]
        if (whole or steps) and all(isinstance(each, int) for each in steps):
            step = math.lcm(*steps) if steps else 1
            return self._multiple(
                [_whole(*each, up=True) for each in lower], [_whole(*each, up=False) for each in upper], step
            )
        if steps:
            return self._multiple([each for each, _ in lower], [each for each, _ in upper], max(steps))
        return self._between(lower, upper)

    def _multiple(self, lower: list[Value], upper: list[Value], step: Value) -> Value:
        least, most = max(lower, default=None), min(upper, default=None)
        if least is not None and most is not None and least > most:
            self.sample.branches = max(self.sample.branches, 2)
            return least if self.variant % 2 == 0 else most
        if least is not None:
            return least if step == 1 else -(-least // step) * step
        return min(step, most // step * step) if most is not None else step

    def _between(self, lower: list[tuple[Value, bool]], upper: list[tuple[Value, bool]]) -> Value:
        least, most = max(lower, default=None), min((each, not out) for each, out in upper) if upper else None
        if least is None and most is None:
            return 1.5
        if least is None or most is None:
            return most[0] - 1 if least is None and most is not None else least[0] + 1 if least is not None else 1
        if least[0] < most[0]:
            return (least[0] + most[0]) / 2
        self.sample.branches = max(self.sample.branches, 2)
        return least[0] if self.variant % 2 == 0 else most[0]

    def _array(self, nodes: list[Json], path: Path, above: tuple[Group, ...]) -> list[Value]:
        least, most = self._bounds(nodes, "minItems", "maxItems")
        wanted = least
        contained = [node["contains"] for node in nodes if "contains" in node]
        if contained:
            wanted = max(wanted, *(node.get("minContains", 1) for node in nodes if "contains" in node))
        if wanted > _LONGEST:
            raise Beyond
        optional = max((len(node.get("prefixItems", ())) for node in nodes), default=0) or 1
        items = []
        for number in range(min(max(wanted, optional), max(most, 0))):
            seeds = [*_seeds_of_item(nodes, number), *contained]
            if number < wanted:
                items.append(self.value(seeds, (*path, str(number)), above))
            elif self._is_tried_here(seeds, path):
                items.append(self.value(seeds, (*path, str(number)), ()))
            else:
                break
        return items

    def _is_tried_here(self, seeds: list[Value], path: Path) -> bool:
        """Whether a value that may be left out is made: what one schema alone says of it is tried elsewhere."""
        return (
            self.full
            and len(seeds) > 1
            and len(path) < _DEEPEST_OPTIONAL
            and self.made < _MOST_VALUES
            and False not in seeds
        )

    def _object(self, nodes: list[Json], path: Path, above: tuple[Group, ...]) -> Json:
        required = _required(nodes)
        least, _ = self._bounds(nodes, "minProperties", "maxProperties")
        made: Json = {}
        if required and any("patternProperties" in node for node in nodes):
            raise Beyond  # nobody knows which patterns apply
        named = dict.fromkeys(name for node in nodes for name in node.get("properties", ()))
        for name in (
            *required,
            *(name for name in named if name not in required),
            *map("member{}".format, range(least)),
        ):
            seeds = _seeds_of_member(nodes, name)
            needed = name in required or (len(made) < least and False not in seeds)
            if needed and self.samples.group(seeds) in above:
                self.sample.endless += [node for node in nodes if name in node.get("required", ())]
            elif needed or (name in named and self._is_tried_here(seeds, path)):
                made[name] = self.value(seeds, (*path, name), above if needed else ())
        return made


def _required(nodes: list[Json]) -> list[str]:
    """Return the members that are needed, also because another one is."""
    names = dict.fromkeys(name for node in nodes for name in node.get("required", ()))
    dependent = [node["dependentRequired"] for node in nodes if "dependentRequired" in node]
    pending = list(names) if dependent else []
    for name in pending:
        new = [other for each in dependent for other in each.get(name, ()) if other not in names]
        names.update(dict.fromkeys(new))
        pending += new
    return list(names)


def _listed(nodes: list[Json]) -> list[Value]:
    """Return the values that all of the schemas list; where there are none, those that any of them lists."""
    lists = [
        [node["const"]] if "const" in node else node["enum"] for node in nodes if "const" in node or "enum" in node
    ]
    if not lists:
        return []
    common = [each for each in lists[0] if all(each in others for others in lists[1:])]
    return common or [each[0] for each in lists]


def _types(nodes: list[Json], *, any_other: bool) -> list[str]:
    """Return the types that all of the schemas allow; where there are none, those that any of them states.

    Where none states any, the one that its keywords are about; with `any_other` others follow.
    """
    stated = [[each] if isinstance(each, str) else each for node in nodes if (each := node.get("type")) is not None]
    if not stated:
        said = {keyword for node in nodes for keyword in node}
        likely = next((kind for kind, words in _OF_TYPE.items() if not said.isdisjoint(words)), "string")
        return [likely, *(each for each in _ANY if each != likely)] if any_other else [likely]
    common = [each for each in stated[0] if all(_allows(types, each) for types in stated[1:])]
    common += [each for types in stated[1:] for each in types if each == "integer" and "number" in stated[0]]
    usual = [each for each in common if each != "null"] or common
    return usual or list(dict.fromkeys(each for types in stated for each in types))


def _allows(types: Sequence[str], kind: str) -> bool:
    return kind in types or (kind == "integer" and "number" in types)


def _whole(bound: Value, exclusive: bool, *, up: bool) -> int:
    nearest: int = math.ceil(bound) if up else math.floor(bound)
    if exclusive and nearest == bound:
        return nearest + 1 if up else nearest - 1
    return nearest


def _seeds_of_item(nodes: list[Json], number: int) -> Iterator[Value]:
    for node in nodes:
        first = node.get("prefixItems", ())
        if number < len(first):
            yield first[number]
        elif "items" in node:
            yield node["items"]


def _seeds_of_member(nodes: list[Json], name: str) -> list[Value]:
    seeds = []
    for node in nodes:
        if name in node.get("properties", ()):
            seeds.append(node["properties"][name])
        elif "additionalProperties" in node and "patternProperties" not in node:
            seeds.append(node["additionalProperties"])
    return seeds
