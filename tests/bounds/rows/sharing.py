"""Many calls of one user that hang, while another user calls the same source."""

import json
import time

from tests.bounds.row import OK, Attack, Row
from tests.bounds.sending import exchange, sending
from tests.bounds.stage import UPSTREAM_TIMEOUT, Stage

_ATTEMPTS = 3  # other programs of the machine can only add to a wait
_LATE = "late"
_GOOD = json.dumps({"row": "text of one line", "scale": "1"}).encode()


def _row(name: str, tool: str, arguments: dict[str, str]) -> Row:
    def attack(stage: Stage, scale: int) -> Attack:
        hanging = [stage.call(f"answering__{tool}", json.dumps(arguments).encode())] * (scale * 3 // 2)
        good = stage.call("answering__get", _GOOD, username="admin")

        def launch() -> str:
            """The other user is answered before the first of these calls has its deadline."""
            for _ in range(_ATTEMPTS):
                began = time.monotonic()
                with sending(stage, hanging):
                    said = exchange(stage, good)
                if time.monotonic() - began < UPSTREAM_TIMEOUT:
                    return said
            return _LATE

        return Attack(sum(map(len, hanging)), launch)

    return Row("calls of one user to a source that another calls", name, attack, frozenset({OK}))


ROWS = [
    _row("no answer", "get", {"row": "nothing", "scale": "1"}),
    _row("events without end", "get", {"row": "events without end", "scale": "1"}),
    _row("an answer that drips", "get", {"row": "bytes that drip", "scale": "100"}),
    _row("requests that nobody reads", "post", {"row": "nothing", "scale": "1", "body": "x" * 10_000}),
]
