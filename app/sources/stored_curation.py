"""Curation within a transaction: of what is stored, and of what an admin says anew."""

from app.audit.outcome import Outcome
from app.sources.curation import Curated, Key, ListedTool, check_overrides, curate, key_of, listed, overridden
from app.sources.models import Source
from app.sources.overrides import ToolChanges
from app.sources.repository import Sources


async def curated_now(sources: Sources, source: Source) -> Curated:
    """Return the stored operations as agents see them."""
    return curate(source, await sources.operations(source.id))


async def listed_now(sources: Sources, source: Source, curated: Curated) -> tuple[ListedTool, ...]:
    """Return every operation with what admins made of it."""
    return listed(curated, await sources.report(source.id), await sources.names(source.id))


async def shape(
    sources: Sources, source: Source, operation: str, changes: ToolChanges | None, change: Outcome
) -> tuple[Curated, ListedTool]:
    """Note in the source what is said of one tool; None takes the tool back to the document.

    `change` is told of what, without the values: a pinned one may be nobody else's business. Raises NotFound and
    Invalid("invalid_overrides").
    """
    names = await sources.names(source.id)
    target = key_of(operation, source, names)
    fields = ["back to the document"] if changes is None else sorted(changes.model_fields_set)
    change.detail = f"{' '.join(target)}: {', '.join(fields)}"
    source.overrides = overridden(source, target, changes)
    curated = await curated_now(sources, source)
    check_overrides(source, curated, names, target)
    curated.enter(source, await sources.report(source.id))
    tools = await listed_now(sources, source, curated)
    return curated, next((tool for tool in tools if tool.key == target), _gone(target, operation))


def _gone(target: Key, operation: str) -> ListedTool:
    return ListedTool(target, operation, None, "skipped", "The document has no such operation now.", None)
