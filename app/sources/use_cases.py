"""All that admins and the schedule can have done with sources, put together over one writing."""

from dataclasses import dataclass

from app.documents.fetching import Documents
from app.memory import Leases
from app.sources.queries import Queries
from app.sources.refresh import Refresh
from app.sources.register import Register, Remove
from app.sources.repository import SourceRepository
from app.sources.rules import SourceRules
from app.sources.shape import Shape
from app.sources.update import Update
from app.sources.writing import Writing


@dataclass(frozen=True, slots=True)
class UseCases:
    """Each one is effective on the next call and leaves a record."""

    register: Register
    update: Update
    refresh: Refresh
    shape: Shape
    remove: Remove
    queries: Queries


def use_cases(
    writing: Writing, repository: SourceRepository, documents: Documents, rules: SourceRules, leases: Leases
) -> UseCases:
    """Put the use cases together."""
    return UseCases(
        register=Register(writing, repository, documents, rules),
        update=Update(writing, repository, documents, rules),
        refresh=Refresh(writing, repository, documents, leases),
        shape=Shape(writing),
        remove=Remove(writing),
        queries=Queries(repository, writing.curator),
    )
