"""The stored source that a use case is about, or why it is not what its caller takes it for."""

from collections.abc import Collection

from app.errors import Conflict, Invalid, NotFound, PreconditionFailed
from app.sources.inventory import Inventory
from app.sources.models import Source, SourceCreate
from app.sources.repository import Sources, slug_taken
from app.sources.slugs import is_slug


async def existing(sources: Sources, key: str, if_match: Collection[int] | None = None) -> Source:
    """Return the source of that id or slug, at a version of `if_match`. Raises NotFound and PreconditionFailed."""
    source = await sources.find(key)
    if source is None:
        raise NotFound("source_unknown", "There is no source of that id or slug. GET /api/v1/sources lists them.")
    if if_match is not None and source.version not in if_match:
        raise PreconditionFailed(
            "source_changed", "The source has changed since you read it. Read it again and send its ETag in If-Match."
        )
    return source


async def unaltered(sources: Sources, known: Source) -> Source:
    """Return the source if nobody has changed it since. Raises NotFound and Conflict."""
    source = await existing(sources, known.id)
    if source.version != known.version:
        raise changed_meanwhile()
    return source


async def stored_inventory(sources: Sources, source: Source) -> Inventory:
    """Return what the last good reading found."""
    return Inventory(source.base_url, await sources.operations(source.id), await sources.report(source.id))


async def free_slug(sources: Sources, create: SourceCreate) -> str:
    """Return the slug of a new source: as stated, or made of audience or name. Raises Invalid and Conflict."""
    named = create.slugged_name()
    if create.slug is not None:
        candidates = [create.slug]
    else:
        candidates = [slug for slug in (create.default_audience or "", named) if is_slug(slug)]
    if not candidates:
        raise Invalid("slug_required", "No slug can be made from this name. State a `slug` of a-z, 0-9 and -.")
    for slug in candidates:
        if await sources.find(slug) is None:
            return slug
    raise slug_taken(candidates[-1])


def nothing_to_fetch() -> Conflict:
    """Return the failure to refresh a source whose document was uploaded."""
    return Conflict(
        "document_uploaded",
        "The document of this source was uploaded: there is nothing to fetch. Send a new `document` with PATCH, or a "
        "`url` to have it fetched from now on.",
    )


def changed_meanwhile() -> Conflict:
    """Return the failure of a use case that read a document while its source was changed."""
    return Conflict("source_changed", "The source was changed while its document was being read. Send this again.")
