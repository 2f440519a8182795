"""The rows, a module for each party and kind of surface."""

from tests.bounds.row import Row
from tests.bounds.rows import administration, arguments, bodies, connections, heads, messages, tokens

ROWS: list[Row] = [
    *heads.ROWS,
    *connections.ROWS,
    *tokens.ROWS,
    *bodies.ROWS,
    *messages.ROWS,
    *arguments.ROWS,
    *administration.ROWS,
]
