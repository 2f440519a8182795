"""The rows, a module for each party and kind of surface."""

from tests.bounds.row import Row
from tests.bounds.rows import (
    administration,
    arguments,
    bodies,
    connections,
    documents,
    heads,
    identity_provider,
    messages,
    sharing,
    tokens,
    upstreams,
)

ROWS: list[Row] = [
    *heads.ROWS,
    *connections.ROWS,
    *tokens.ROWS,
    *bodies.ROWS,
    *messages.ROWS,
    *arguments.ROWS,
    *administration.ROWS,
    *upstreams.ROWS,
    *sharing.ROWS,
    *documents.ROWS,
    *identity_provider.ROWS,
]
