"""Values that a schema should accept, made from what it says itself: one for each of its branches.

What is made is only as good as the schema is plain: a text for a `pattern`, or a value for a `not`, may be wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from app.openapi.schema.agreement import listed_in, numbers_for, types_of
from app.openapi.schema.doubts import Allowance
from app.operation.keywords import definition_of
from app.operation.operation import Json, Value

_MOST_VALUES = 300  # of a sample, after which it has only what is required
_FAR_TOO_MANY = 2_000
_DEEPEST = 40
_DEEPEST_OPTIONAL = 6  # levels of members that are not required
_LONGEST = 5_000  # characters, items or members that must be there
_LISTED = 4  # values of an `enum` that are samples

_VARIED = 8  # samples
_TEXTS = ("text", "", "12", "a longer text of some words", "x")

Path = tuple[str, ...]
Group = tuple[int, ...]  # the ids of the schemas that one value is an instance of


class Beyond(Exception):
    """No sample of a reasonable size, or in the steps that are left."""


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
    allowance: Allowance

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
        if listed := listed_in(nodes):
            return self._one_of(listed[:_LISTED])
        turning = any("not" in node or "if" in node for node in nodes)
        if turning:  # which values are refused is not known: they are as different as possible
            self.sample.branches = max(self.sample.branches, _VARIED)
            self.full = self.full and self.variant % 2 == 0
        kind = self._one_of(types_of(nodes, any_other=turning))
        if kind == "object":
            return self._object(nodes, path, (*above, group))
        if kind == "array":
            return self._array(nodes, path, (*above, group))
        if kind == "string":
            return self._text(nodes, path)
        if kind in {"integer", "number"}:
            return self._one_of(numbers_for(nodes, whole=kind == "integer"))
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
        self._take(len(found))
        return found

    def _take(self, steps: int) -> None:
        self.samples.allowance.take(steps)
        if self.samples.allowance.is_used_up:
            raise Beyond

    def _text(self, nodes: list[Json], path: Path) -> str:
        if any("pattern" in node for node in nodes):
            self.sample.unsure.add(path)
        least, most = self._counted(nodes, "minLength", "maxLength")
        text = _TEXTS[self.variant % len(_TEXTS)] if any("not" in node or "if" in node for node in nodes) else _TEXTS[0]
        return f"{path[-1] if path and path[-1].isdigit() else ''}{text}".ljust(least, "x")[: max(most, 0)]

    def _counted(self, nodes: list[Json], lower: str, upper: str) -> tuple[int, int]:
        """Return how many there are at least and at most; where that is a contradiction, each in turn is right."""
        least = max((node[lower] for node in nodes if lower in node), default=0)
        most = min((node[upper] for node in nodes if upper in node), default=max(least, _LONGEST))
        if least > _LONGEST:
            raise Beyond
        if least > most:
            least = most = self._one_of([least, most])
        return int(least), int(most)

    def _array(self, nodes: list[Json], path: Path, above: tuple[Group, ...]) -> list[Value]:
        least, most = self._counted(nodes, "minItems", "maxItems")
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
        least, _ = self._counted(nodes, "minProperties", "maxProperties")
        made: Json = {}
        if required and any("patternProperties" in node for node in nodes):
            raise Beyond  # nobody knows which patterns apply
        named = dict.fromkeys(name for node in nodes for name in node.get("properties", ()))
        for name in (
            *required,
            *(name for name in named if name not in required),
            *map("member{}".format, range(least)),
        ):
            self._take(len(nodes))
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
