"""Which operations of a document become tools: rules that an admin states, by tag, path, method and operation."""

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.operation.operation import Operation

_MOST_RULES = 50
_MOST_VALUES = 1_000  # of one kind, in one rule
_MOST_GLOBS = 100  # with a wildcard, in all rules: each one is tried on every path
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

    def fits(self, operation: Operation, names: Collection[str]) -> bool:
        """Whether the rule names the operation, which is known by these names."""
        return (
            (not self.tags or not set(operation.tags).isdisjoint(self.tags))
            and (not self.methods or operation.method.upper() in self.methods)
            and (not self.operations or not set(names).isdisjoint(self.operations))
            and (not self.paths or operation.path in self.paths or self._fits_glob(operation.path))
        )

    @cached_property
    def globs(self) -> list[str]:
        """The paths with a wildcard."""
        return [path for path in self.paths if _ANY_TEXT in path]

    def _fits_glob(self, path: str) -> bool:
        return any(path_fits(glob, path) for glob in self.globs)


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
        if sum(len(rule.globs) for rule in (*self.include, *self.exclude)) > _MOST_GLOBS:
            raise ValueError(f"has more than {_MOST_GLOBS} paths with a wildcard in its rules")
        return self

    def reason_against(self, operation: Operation, names: Collection[str]) -> str | None:
        """Return why the operation is left out, None where it is chosen."""
        if self.read_only and not operation.hints.read_only:
            return "Left out by `selection.read_only`: it does not only read."
        if self.include and not any(rule.fits(operation, names) for rule in self.include):
            return "Left out by `selection.include`: no rule names it."
        for number, rule in enumerate(self.exclude):
            if rule.fits(operation, names):
                return f"Left out by `selection.exclude[{number}]`."
        return None


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
