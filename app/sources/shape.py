"""An admin changes how one tool is shown, or resets it to what the document says."""

from collections.abc import Collection
from functools import partial

from app.audit.outcome import Outcome
from app.curation.curation import ListedTool, check_overrides, key_of, listed, overridden
from app.curation.overrides import ToolUpdate
from app.identity.agent_token import AgentToken
from app.operation.text import Key
from app.sources.forms import SourceRead
from app.sources.inventory import note_tools
from app.sources.writing import Writing, enter_source


class Shape:
    """Changes the fields that were sent of one tool's override."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    async def __call__(
        self,
        key: str,
        operation: str,
        update: ToolUpdate | None,
        admin: AgentToken,
        if_match: Collection[int] | None = None,
    ) -> tuple[SourceRead, ListedTool]:
        """`update` None resets the tool to what the document says.

        Raises NotFound, Invalid ("invalid_overrides"), and PreconditionFailed like `Update`.
        """
        work = partial(self._shape, key, operation, update, if_match)
        return await self._writing.carried_through("update", admin, key, work)

    async def _shape(
        self, key: str, operation: str, update: ToolUpdate | None, if_match: Collection[int] | None, outcome: Outcome
    ) -> tuple[SourceRead, ListedTool]:
        async with self._writing.edit() as edit:
            source = await edit.sources.existing(key, if_match)
            enter_source(outcome, source)
            names = await edit.sources.names(source.id)
            target = key_of(operation, source.stated_overrides, names)
            outcome.detail = f"{' '.join(target)}: {_fields(update)}"
            overrides = overridden(source.stated_overrides, target, update)
            source.overrides = [override.stated() for override in overrides]
            curated = await self._writing.curator.curated(source, await edit.sources.operations(source.id))
            check_overrides(source.slug, overrides, curated, names, target)
            report = await self._writing.curator.reported(curated, await edit.sources.report(source.id))
            note_tools(source, curated, report)
            source.updated_at = self._writing.now()
            await edit.sources.save(source)
            edit.show(source, curated.operations)
        tools = listed(curated, report, names)
        return SourceRead.of(source), next((tool for tool in tools if tool.key == target), _gone(target, operation))


def _fields(update: ToolUpdate | None) -> str:
    """Return the names only: a pinned value may be confidential."""
    return "back to the document" if update is None else ", ".join(sorted(update.model_fields_set))


def _gone(target: Key, operation: str) -> ListedTool:
    return ListedTool(target, operation, None, "skipped", "The document has no such operation now.", None)
