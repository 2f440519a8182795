"""What agents see of a document's operations: those that an admin selected, as the admin's overrides make them.

An admin's word stands above the document's, and the document's above what follows from method and path. What is stored
stays as the document gives it; this is applied whenever a source becomes effective, and never during a call.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from app.curation.overrides import ToolOverride, ToolUpdate
from app.curation.selection import Selection
from app.curation.shaping import Misfit, shaped
from app.errors import Invalid, NotFound, Violation
from app.operation.operation import Operation, ReportItem, Status, estimated_tokens, size_of_tool
from app.operation.text import LONGEST_TOOL_NAME, Key, longest_operation_name

_BY_DOCUMENT = (
    "Hidden by the document (`x-internal`, `x-mcp-hidden` or the like). An override with `hidden: false` shows it."
)
_BY_OVERRIDE = "Hidden by its override."
_GONE = "The document has no such operation now. The override is kept for when it comes back."


@dataclass(frozen=True, slots=True)
class CuratedTool:
    """One operation of the document, the override that is bound to it, and what agents see: None for nothing.

    `misfits` are the parts of the override that do not fit the operation; a grave one takes the tool away. `size` is
    that of a tool that is not shown as the document has it: bytes as JSON.
    """

    document: Operation
    override: ToolOverride | None
    shown: Operation | None
    reason: str | None = None
    misfits: tuple[Misfit, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class Curated:
    """A source's operations after curation; `unmatched` are the overrides whose operation is not there now."""

    tools: tuple[CuratedTool, ...]
    unmatched: tuple[ToolOverride, ...]

    @classmethod
    def of(cls, tools: Iterable[CuratedTool], bound: Mapping[Key, ToolOverride]) -> Self:
        """Put together what `curating` has made."""
        made = tuple(tools)
        there = {_key(tool.document) for tool in made}
        return cls(made, tuple(override for key, override in bound.items() if key not in there))

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What agents see."""
        return tuple(tool.shown for tool in self.tools if tool.shown is not None)

    def report(self, items: Iterable[ReportItem]) -> tuple[ReportItem, ...]:
        """Return what became of each operation, from what the document alone would have made of it."""
        return tuple(self.reporting(items))

    def reporting(self, items: Iterable[ReportItem]) -> Iterator[ReportItem]:
        """Report one item at a time."""
        tools = {(tool.document.method, tool.document.path): tool for tool in self.tools}
        return (_reported(item, tools.get((item.method, item.path))) for item in items)


Listing = Callable[[Operation], Operation]  # gives a tool the form in which it is listed


def curate(
    operations: Iterable[Operation],
    selection: Selection | None = None,
    overrides: Iterable[ToolOverride] = (),
    listing: Listing = lambda operation: operation,
) -> Curated:
    """Return the operations under the selection (None: all) and the overrides, listed as they are unless stated."""
    bound = {override.key: override for override in overrides}
    return Curated.of(curating(operations, selection, bound, listing), bound)


def curating(
    operations: Iterable[Operation], selection: Selection | None, bound: Mapping[Key, ToolOverride], listing: Listing
) -> Iterator[CuratedTool]:
    """Curate one operation at a time; `bound` are the overrides by method and path."""
    return (_curated(operation, bound.get(_key(operation)), selection, listing) for operation in operations)


@dataclass(frozen=True, slots=True)
class ListedTool:
    """An operation as admins see it. `operation` is its name by the document, `name` the one that agents see."""

    key: Key
    operation: str | None
    name: str | None
    status: Status
    reason: str | None
    override: ToolOverride | None


def listed(curated: Curated, report: Iterable[ReportItem], names: Mapping[Key, str]) -> tuple[ListedTool, ...]:
    """Return every operation that could be a tool, then every override whose operation is not there.

    `report` is that of `curated`; `names` are those ever given.
    """
    items = {(item.method, item.path): item for item in report}
    tools = []
    for tool in curated.tools:
        item = items[tool.document.method, tool.document.path]
        tools.append(
            ListedTool(_key(tool.document), tool.document.name, item.name, item.status, item.reason, tool.override)
        )
    given = {(method.upper(), path): name for (method, path), name in names.items()}
    for override in curated.unmatched:
        reason = items[override.key].reason if override.key in items else _GONE
        tools.append(ListedTool(override.key, given.get(override.key), None, "skipped", reason, override))
    return tuple(tools)


def key_of(operation: str, overrides: Iterable[ToolOverride], names: Mapping[Key, str]) -> Key:
    """Return method and path of the operation with that name, from the document or an override. Raises NotFound."""
    for (method, path), name in names.items():
        if name == operation:
            return method.upper(), path
    for override in overrides:
        if override.name == operation:
            return override.key
    raise NotFound("tool_not_found", f"The source has no operation {operation!r}. GET its `tools` to see them all.")


def overridden(overrides: Iterable[ToolOverride], key: Key, update: ToolUpdate | None) -> list[ToolOverride]:
    """Return the overrides with this update of one tool's; None removes its override."""
    said = {override.key: override for override in overrides}
    before = {} if update is None or key not in said else said[key].stated()
    new = {} if update is None else update.model_dump(exclude_unset=True)
    said[key] = ToolOverride.model_validate({**before, **new, "method": key[0], "path": key[1]})
    return [override for override in said.values() if override.stated().keys() > {"method", "path"}]


def reserved_names(overrides: Iterable[ToolOverride]) -> dict[Key, str]:
    """Return the names that overrides give, under keys that no operation has, so that no operation is given one."""
    return {("", override.name): override.name for override in overrides if override.name is not None}


def check_overrides(
    slug: str, overrides: Iterable[ToolOverride], curated: Curated, names: Mapping[Key, str], only: Key | None = None
) -> None:
    """Raise Invalid("invalid_overrides") with every violation; its pointers lead into `only` where that is given.

    `names` are those ever given to operations of the source, which stay theirs.
    """
    stated = tuple(overrides)
    if not stated:
        return
    holders = {name.lower(): (method.upper(), path) for (method, path), name in names.items()}
    misfits = {_key(tool.document): tool.misfits for tool in curated.tools}
    met: set[Key] = set()
    violations: list[Violation] = []
    for number, override in enumerate(stated):
        found = [Violation(misfit.pointer, misfit.detail) for misfit in misfits.get(override.key, ())]
        if override.key in met:
            found.append(Violation("", f"is a second override for {override.method} {override.path}"))
        met.add(override.key)
        if override.name is not None:
            holder = holders.setdefault(override.name.lower(), override.key)
            found += (Violation("/name", detail) for detail in _against_name(override, holder, slug))
        if only is None:
            violations += (Violation(f"/overrides/{number}{each.pointer}", each.detail) for each in found)
        elif only == override.key:
            violations = found
    if violations:
        shown = "; ".join(f"{each.pointer} {each.detail}" for each in violations[:5])
        raise Invalid("invalid_overrides", f"Nothing was changed. Correct these overrides: {shown}.", violations)


def _against_name(override: ToolOverride, holder: Key, slug: str) -> Iterator[str]:
    room = longest_operation_name(slug)
    if len(override.name or "") > room:
        yield f"is longer than {room} characters, which are left of {LONGEST_TOOL_NAME} beside the slug"
    if holder != override.key:
        yield f"belongs to {' '.join(holder)}"


def _curated(
    operation: Operation,
    override: ToolOverride | None,
    selection: Selection | None,
    listing: Listing,
) -> CuratedTool:
    result, misfits = (operation, ()) if override is None else shaped(operation, override)
    names = {operation.operation_id or "", operation.name, result.name}
    reason = None if selection is None else selection.reason_against(result, names)
    reason = reason or _reason_to_hide(operation, override)
    if reason is None and any(misfit.grave for misfit in misfits):
        reason = f"Its override no longer fits the document: {_listing(misfits)}. Correct or delete it."
    if reason is None and misfits:
        note = f"part of its override was left out: {_listing(misfits)}"
        result = replace(result, notes=(*result.notes, note))
    if reason is not None:
        return CuratedTool(operation, override, None, reason, misfits)
    result = listing(result)
    return CuratedTool(operation, override, result, None, misfits, 0 if result is operation else size_of_tool(result))


def _reason_to_hide(operation: Operation, override: ToolOverride | None) -> str | None:
    said = override.hidden if override is not None else None
    if said is not None:
        return _BY_OVERRIDE if said else None
    return _BY_DOCUMENT if operation.hidden else None


def _listing(misfits: Iterable[Misfit]) -> str:
    return "; ".join(f"{misfit.pointer} {misfit.detail}" for misfit in misfits)


def _reported(item: ReportItem, tool: CuratedTool | None) -> ReportItem:
    if tool is None or item.status == "skipped":
        return item
    if tool.shown is None:
        return replace(item, status="skipped", reason=tool.reason, name=None, bytes=0, estimated_tokens=0)
    if tool.shown is tool.document:
        return item
    new = tool.shown.notes[len(tool.document.notes) :]
    return replace(
        item,
        status="degraded" if tool.shown.notes else "ready",
        reason="; ".join(filter(None, [item.reason, *new])) or None,
        name=tool.shown.name,
        bytes=tool.size,
        estimated_tokens=estimated_tokens(tool.size),
    )


def _key(operation: Operation) -> Key:
    return operation.method.upper(), operation.path
