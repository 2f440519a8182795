"""The rows, a module for each party and kind of surface."""

from tests.bounds.row import Row
from tests.bounds.rows import arguments, heads

ROWS: list[Row] = [*heads.ROWS, *arguments.ROWS]
