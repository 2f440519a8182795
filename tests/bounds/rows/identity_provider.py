"""What answers the exchange of a token: the identity provider, or who stands in its place. See also test_keys.py."""

import asyncio

from tests.bounds.hostile import Answer, play, size_of
from tests.bounds.identity_answers import TOKENS
from tests.bounds.row import Attack, Row
from tests.bounds.sending import exchange
from tests.bounds.stage import Stage

_EXPECTED = frozenset(
    {
        *("exchange_audience_not_available", "exchange_policy_refused", "exchange_result_invalid"),
        *("idp_broken", "idp_foreign_answer", "idp_overloaded", "idp_unreachable", "token_revoked"),
    }
)
_CALL = b'{"row":"text of one line","scale":"1"}'


def _row(name: str, answer: Answer) -> Row:
    def attack(stage: Stage, scale: int) -> Attack:
        def launch() -> str:
            token = stage.signed(jti=f"{name} {scale}")

            async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await play(answer(scale), reader, writer)

            stage.front.lie = lambda _, body: lie if token.encode() in body else None
            return exchange(stage, stage.call("answering__get", _CALL, token=token))

        return Attack(size_of(answer, scale), launch)

    return Row("identity provider's answer to an exchange", name, attack, _EXPECTED)


ROWS = [_row(name, answer) for name, answer in TOKENS.items()]
