"""An admin registers a source, and removes it again."""

from collections.abc import Collection
from functools import partial

from app.audit.outcome import Outcome
from app.curation.curation import check_overrides
from app.documents.fetching import Documents
from app.errors import Invalid
from app.identity.agent_token import AgentToken
from app.operation.naming import LONGEST_GIVEN_SLUG, slugs_for
from app.operation.text import is_slug
from app.sources.forms import Offering, SourceCreate, SourceRead
from app.sources.inventory import note_reading, read_inventory
from app.sources.repository import SourceRepository, Sources, slug_taken
from app.sources.rules import SourceRules
from app.sources.tables import Source
from app.sources.writing import Writing, enter_source


class Register:
    """Reads the document, which may have been sent, and stores the source; on any failure nothing is stored."""

    def __init__(
        self, writing: Writing, repository: SourceRepository, documents: Documents, rules: SourceRules
    ) -> None:
        self._writing = writing
        self._repository = repository
        self._documents = documents
        self._rules = rules

    async def __call__(self, create: SourceCreate, admin: AgentToken) -> Offering:
        """Raises what reading the document raises, Invalid, Conflict (`slug_taken`), NotPermitted, AddressRefused."""
        work = partial(self._register, create, admin)
        return await self._writing.carried_through("register", admin, create.slug, work)

    async def _register(self, create: SourceCreate, admin: AgentToken, outcome: Outcome) -> Offering:
        outcome.audience = create.default_audience
        source = self._drafted(create)
        async with self._repository.transaction() as sources:
            source.slug = await _free_slug(sources, create)
        enter_source(outcome, source)
        await self._rules.check_upstreams(source)
        inventory = await read_inventory(
            self._documents, source, {}, create.stated(), uploaded=create.document, party=admin.subject
        )
        note_reading(source, inventory.fingerprint, source.created_at)
        curated = await self._writing.curator.enter(inventory, source)
        check_overrides(source.slug, source.stated_overrides, curated, inventory.names)
        async with self._writing.edit() as edit:
            await edit.sources.add(source, inventory.operations, inventory.report)
            await edit.sources.replace_document(source.id, create.document)
            await self._writing.bind_audiences(edit.sources, source, admin)
            edit.show(source, curated.operations)
        report = await self._writing.curator.reported(curated, inventory.report)
        return Offering(SourceRead.of(source), curated.operations, report)

    def _drafted(self, create: SourceCreate) -> Source:
        now = self._writing.now()
        values = {**create.columns(), "slug": "", "base_url": "", "created_at": now, "updated_at": now}
        source = Source(**values, refreshed_at=now)
        self._rules.check_addresses(source)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        self._rules.check_passthrough(source.upstream_auth_type)
        return source


class Remove:
    """Forgets a source; its tools are unknown from the next call on."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    async def __call__(self, key: str, admin: AgentToken, if_match: Collection[int] | None = None) -> None:
        """Raises NotFound, and PreconditionFailed unless the source is at one of the versions of `if_match`."""
        await self._writing.carried_through("delete", admin, key, partial(self._remove, key, if_match))

    async def _remove(self, key: str, if_match: Collection[int] | None, outcome: Outcome) -> None:
        async with self._writing.edit() as edit:
            source = await edit.sources.existing(key, if_match)
            enter_source(outcome, source)
            await edit.sources.remove(source)
            edit.hide(source.slug)


async def _free_slug(sources: Sources, create: SourceCreate) -> str:
    """Return the slug of a new source: as stated, or made of audience or name. Raises Invalid and Conflict."""
    if create.slug is not None:
        candidates = [create.slug]
    else:
        audience = create.default_audience or ""
        own = [audience] if is_slug(audience) and len(audience) <= LONGEST_GIVEN_SLUG else []
        candidates = [*own, *slugs_for(create.name), *slugs_for(audience)]
    if not candidates:
        raise Invalid("slug_required", "No slug can be made from this name. State a `slug` of a-z, 0-9 and -.")
    for slug in candidates:
        if await sources.find(slug) is None:
            return slug
    raise slug_taken(candidates[0])
