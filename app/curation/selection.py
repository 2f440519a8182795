"""Which operations of a document become tools: rules that an admin states, by tag, path, method and operation."""

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.operation.operation import Operation

_MOST_RULES = 50
_MOST_VALUES = 1_000  # of one kind, in one rule
_MOST_GLOBS = 100  # with a wildcard, in all rules: each one is tried on every path
_MOST_GLOB_PARTS = 1_000  # slashes and stars of all of them
_LONGEST_PATH = 1_000  # characters that a wildcard is tried on
_DEEPEST_PATH = 32  # segments
_ANY_SEGMENTS = "**"
_ANY_TEXT = "*"


def _glob(text: str) -> str:
    if any(_ANY_SEGMENTS in segment and segment != _ANY_SEGMENTS for segment in text.split("/")):
        raise ValueError("`**` stands for whole segments: /orders/**, /**/items, never /orders**")
    return text


Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Method = Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}$")]
Glob = Annotated[str, StringConstraints(pattern=r"^(/|\*\*)", max_length=2_000), AfterValidator(_glob)]


class Rule(BaseModel):
    """Operations that have one of the tags, one of the paths, one of the methods and one of the names stated here.

    What is not stated is not asked for. In `paths` a `*` stands for any text without a slash, `**` for any number of
    segments. `operations` are operationIds or names of tools.
    """

    model_config = ConfigDict(extra="forbid")

    tags: Annotated[list[Words], Field(max_length=_MOST_VALUES)] = Field(
        default=[],
        description="Tags, of which an operation must have one.",
    )
    paths: Annotated[list[Glob], Field(max_length=_MOST_VALUES)] = Field(
        default=[],
        description="Path templates, of which it must have one. `*` stands for any text without a slash, `**` for "
        "any number of segments.",
    )
    methods: Annotated[list[Method], Field(max_length=_MOST_VALUES)] = Field(
        default=[],
        description="HTTP methods, of which it must have one.",
    )
    operations: Annotated[list[Words], Field(max_length=_MOST_VALUES)] = Field(
        default=[],
        description="operationIds or names of tools, of which it must have one.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.tags or self.paths or self.methods or self.operations):
            raise ValueError("a rule names at least one of tags, paths, methods, operations")
        return self

    @cached_property
    def globs(self) -> list[str]:
        """The paths with a wildcard."""
        return [path for path in self.paths if _ANY_TEXT in path]


class Selection(BaseModel):
    """An operation is chosen when a rule of `include` names it (or there is none) and no rule of `exclude` does.

    `read_only` leaves out whatever does not only read.
    """

    model_config = ConfigDict(extra="forbid")

    include: Annotated[list[Rule], Field(max_length=_MOST_RULES)] = Field(
        default=[],
        description="An operation is chosen when one of these rules names it. Empty: every operation.",
    )
    exclude: Annotated[list[Rule], Field(max_length=_MOST_RULES)] = Field(
        default=[],
        description="… unless one of these rules names it.",
    )
    read_only: bool = Field(default=False, description="Leave out whatever does not only read.")

    @model_validator(mode="after")
    def _is_quick(self) -> Self:
        globs = [glob for rule in (*self.include, *self.exclude) for glob in rule.globs]
        if len(globs) > _MOST_GLOBS:
            raise ValueError(f"has more than {_MOST_GLOBS} paths with a wildcard in its rules")
        if sum(glob.count("/") + glob.count(_ANY_TEXT) for glob in globs) > _MOST_GLOB_PARTS:
            raise ValueError(f"has more than {_MOST_GLOB_PARTS} slashes and stars in its paths with a wildcard")
        return self

    @cached_property
    def _included(self) -> "_Rules":
        return _Rules(self.include)

    @cached_property
    def _excluded(self) -> "_Rules":
        return _Rules(self.exclude)

    def reason_against(self, operation: Operation, names: Collection[str]) -> str | None:
        """Return why the operation is left out, None where it is chosen."""
        if self.read_only and not operation.hints.read_only:
            return "Left out by `selection.read_only`: it does not only read."
        if (self._included.globs or self._excluded.globs) and not _is_tried(operation.path):
            return (
                f"Left out by `selection`: its path has more than {_LONGEST_PATH} characters or {_DEEPEST_PATH} "
                "segments, too many for a wildcard to be tried on."
            )
        if self.include and not self._included.naming(operation, names):
            return "Left out by `selection.include`: no rule names it."
        if excluding := self._excluded.naming(operation, names):
            return f"Left out by `selection.exclude[{_first(excluding)}]`."
        return None


class _Rules:
    """Some rules, so that it costs the same to look up an operation whatever they list.

    Sets of rules are numbers: bit n stands for rule n.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.globs = any(rule.globs for rule in rules)
        self._rules = rules
        self._tags = _Asked([rule.tags for rule in rules])
        self._methods = _Asked([rule.methods for rule in rules])
        self._operations = _Asked([rule.operations for rule in rules])
        self._paths = _Asked([rule.paths for rule in rules])

    def naming(self, operation: Operation, names: Iterable[str]) -> int:
        """Return the rules that name the operation, which is known by these names."""
        fitting = self._tags.met_by(operation.tags) & self._methods.met_by([operation.method.upper()])
        fitting &= self._operations.met_by(names)
        found = fitting & self._paths.met_by([operation.path])
        left = fitting & ~found if self.globs else 0
        while left:
            number = _first(left)
            left ^= 1 << number
            if any(path_fits(glob, operation.path) for glob in self._rules[number].globs):
                found |= 1 << number
        return found


class _Asked:
    """Which rules ask for which values of one kind."""

    def __init__(self, values: Sequence[Iterable[str]]) -> None:
        self._silent = 0  # rules that ask for none
        self._asking: dict[str, int] = {}
        for number, asked in enumerate(values):
            if not asked:
                self._silent |= 1 << number
            for value in asked:
                self._asking[value] = self._asking.get(value, 0) | 1 << number

    def met_by(self, values: Iterable[str]) -> int:
        """Return the rules that ask for one of the values, or for none at all."""
        met = self._silent
        for value in values:
            met |= self._asking.get(value, 0)
        return met


def _first(rules: int) -> int:
    return (rules & -rules).bit_length() - 1


def _is_tried(path: str) -> bool:
    return len(path) <= _LONGEST_PATH and path.count("/") <= _DEEPEST_PATH


def path_fits(glob: str, path: str) -> bool:
    """Whether the path is one of those that the glob stands for; no glob makes it backtrack."""
    chunks: list[list[str]] = [[]]
    for segment in glob.split("/"):
        if segment == _ANY_SEGMENTS:
            chunks.append([])
        else:
            chunks[-1].append(segment)
    segments = path.split("/")
    if len(chunks) == 1:
        return _run_fits(chunks[0], segments, 0) and len(chunks[0]) == len(segments)
    first, *middle, last = chunks
    start, end = len(first), len(segments) - len(last)
    if start > end or not _run_fits(first, segments, 0) or not _run_fits(last, segments, end):
        return False
    for chunk in middle:
        found = next((at for at in range(start, end - len(chunk) + 1) if _run_fits(chunk, segments, at)), None)
        if found is None:
            return False
        start = found + len(chunk)
    return True


def _run_fits(chunk: Sequence[str], segments: Sequence[str], start: int) -> bool:
    run = segments[start : start + len(chunk)]
    return len(run) == len(chunk) and all(map(_segment_fits, chunk, run))


def _segment_fits(glob: str, text: str) -> bool:
    first, *rest = glob.split(_ANY_TEXT)
    if not rest:
        return text == first
    *middle, last = rest
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - len(last) >= at and text.endswith(last)
