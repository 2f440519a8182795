"""One process after the other, where two at once would get into each other's way."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(file: Path) -> Generator[None]:
    """Wait until no other process is in such a block for this file, which is made if need be and stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
