"""What an upstream answers: its status line, interim answers, headers, trailers, framing, streams and bodies."""

import json

from tests.bounds.hostile import Answers, size_of
from tests.bounds.row import OK, Attack, Row
from tests.bounds.sending import exchange
from tests.bounds.stage import Stage
from tests.bounds.upstream_answers import BY_SURFACE, TO_HEAD, TYPED

_EXPECTED = frozenset({OK, "upstream_broken", "upstream_redirect", "upstream_timeout"})


def _rows(surface: str, answers: Answers, tool: str = "get") -> list[Row]:
    def row(name: str) -> Row:
        def attack(stage: Stage, scale: int) -> Attack:
            sent = stage.call(f"answering__{tool}", json.dumps({"row": name, "scale": str(scale)}).encode())
            return Attack(size_of(answers[name], scale), lambda: exchange(stage, sent))

        return Row(surface, name, attack, _EXPECTED)

    return [row(name) for name in answers]


ROWS = [
    *(row for surface, answers in BY_SURFACE.items() for row in _rows(f"upstream's {surface}", answers)),
    *_rows("upstream's answer to HEAD", TO_HEAD, "head"),
    *_rows("upstream's answer to a tool with an output schema", TYPED, "typed"),
]
