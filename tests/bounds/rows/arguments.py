"""The arguments of a call, in each place and style."""

from tests.bounds.row import OK
from tests.bounds.sending import call

ROWS = [
    call(
        "arguments in the query",
        "a list of many texts, a pair for each",
        "query_texts",
        lambda scale: {"value": ["text"] * 900 * scale},
        OK,
        "invalid_arguments",
        "request_too_large",
        "target_too_long",
    ),
]
