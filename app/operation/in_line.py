"""Which definitions of a schema can stand in line, in place of the references to them.

Nothing is copied to find out: sizes are counted, so that definitions in definitions that multiply cost nothing.
"""

from dataclasses import dataclass, field

from app.operation.keywords import definition_of
from app.operation.operation import Json, Value, size_of

_SMALL = (2_048, 512, 128, 0)  # bytes of a definition that is put in line where there is no room for all
_GROWTH = 2  # times that a schema may become larger
_ALWAYS = 4_096  # bytes that it may have in any case
_MOST_LEVELS = 20  # of definitions in definitions
_DEEPEST = 100  # levels of JSON that this may make; what writes it ends at 254


def names_to_keep(rest: Json, definitions: Json, room: int) -> frozenset[str]:
    """Return the names of those that stay definitions, of a schema that is `rest` without them.

    They lead back to themselves, would make the schema too deep, or are too large for so many bytes of room.
    """
    return _Lines(rest, definitions, room).kept


@dataclass(slots=True)
class _Part:
    """A schema's bytes and levels of JSON, and how often and at which level at most it refers to a definition."""

    size: int
    levels: int = 0
    uses: dict[str, tuple[int, int]] = field(default_factory=dict)


def _part_of(schema: Value, definitions: Json) -> _Part:
    part = _Part(size_of(schema))
    pending: list[tuple[Value, int]] = [(schema, 1)]
    while pending:
        each, level = pending.pop()
        part.levels = max(part.levels, level)
        if isinstance(each, dict) and "$ref" in each and (name := definition_of(each)) in definitions:
            number, before = part.uses.get(name, (0, 0))
            part.uses[name] = number + 1, max(before, level)
        inner = each.values() if isinstance(each, dict) else each
        pending += [(value, level + 1) for value in inner if isinstance(value, dict | list)]
    return part


class _Lines:
    """Definitions as they are with others in line, and those that are not put in line: `kept`."""

    def __init__(self, rest: Json, definitions: Json, room: int) -> None:
        self._parts = {name: _part_of(each, definitions) for name, each in definitions.items()}
        self._root = _part_of(rest, definitions)
        self._made: dict[str, _Part] = {}
        self._circles: set[str] = set()
        pending = list(self._root.uses)
        while pending:
            self._visit(pending.pop(), [], pending)
        full = self._root.size + sum(part.size for part in self._parts.values())
        most = min(room, max(_ALWAYS, _GROWTH * full))
        self.kept = frozenset(self._circles)
        for small in _SMALL:
            if self._total() <= most:
                break
            self.kept = frozenset(name for name, part in self._made.items() if part.size > small) | self._circles

    def _visit(self, name: str, path: list[str], pending: list[str]) -> _Part:
        """Return the definition as it is with all in line."""
        if name in self._made:
            return self._made[name]
        part = self._parts[name]
        made = _Part(part.size, part.levels)
        for other, (number, level) in part.uses.items():
            if other in path or other == name:
                self._circles.add(other)
            elif other not in self._made and len(path) >= _MOST_LEVELS:
                self._circles.add(other)
                pending.append(other)
            else:
                inner = self._visit(other, [*path, name], pending)
                if level + inner.levels > _DEEPEST:
                    self._circles.add(other)
                if other not in self._circles:
                    made.size += number * inner.size
                    made.levels = max(made.levels, level + inner.levels)
        self._made[name] = made
        return made

    def _total(self) -> int:
        """Return about how many bytes there are in all, at least as many as there will be."""
        known: dict[str, int] = {}

        def of(part: _Part) -> int:
            return part.size + sum(number * inline(name) for name, (number, _) in part.uses.items())

        def inline(name: str) -> int:
            if name in self.kept:
                return 0
            if name not in known:
                known[name] = of(self._parts[name])
            return known[name]

        return of(self._root) + sum(of(self._parts[name]) for name in self.kept)
