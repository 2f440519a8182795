"""Long work on the event loop: a short piece of it between two turns of everybody else.

A thread that computes takes the interpreter's lock half of the time, and every step of a call would wait for it.
"""

import asyncio
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TypeVar

_PIECE = 0.002  # seconds
_Item = TypeVar("_Item")


async def in_pieces(items: Iterable[_Item], turn: asyncio.Lock | None = None) -> list[_Item]:
    """Return the items, which are made while they are taken. Of all that share a `turn` one makes a piece at a time."""
    clock = asyncio.get_running_loop().time
    pending, made, left = iter(items), list[_Item](), True
    while left:
        async with turn or nullcontext():
            left, end = False, clock() + _PIECE
            for item in pending:
                made.append(item)
                if clock() >= end:
                    left = True
                    break
            await asyncio.sleep(0)
    return made
