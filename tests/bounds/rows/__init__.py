"""The rows, a module for each party and kind of surface."""

from tests.bounds.row import Row
from tests.bounds.rows import arguments, documents, heads, identity_provider, upstreams

ROWS: list[Row] = [*heads.ROWS, *arguments.ROWS, *upstreams.ROWS, *documents.ROWS, *identity_provider.ROWS]
