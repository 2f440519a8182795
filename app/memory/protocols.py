"""What can be remembered. Whatever an implementation does, tests/memory/ holds it to what is promised here."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

Value = TypeVar("Value")


class Kept(Protocol[Value]):
    """Values by key, bounded in number and in time. Times are of the caller's clock, in seconds.

    Keys should be digests: what is kept may be worth stealing, its key should not be.
    """

    async def get(self, key: bytes, now: float) -> Value | None:
        """Return the value unless its time is over."""
        ...

    async def keep(self, key: bytes, value: Value, *, until: float, now: float) -> None:
        """Remember the value before `until`, unless that has passed. The least recently used values make room."""
        ...

    async def forget(self, key: bytes) -> None:
        """Drop the value, if there is one."""
        ...

    async def once(self, key: bytes, work: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Return or raise what `work` does; whoever asks for the key meanwhile waits for the same work.

        A caller that gives up does not end the work. What comes of it is not kept, unless `work` does so.
        """
        ...


class Leases(Protocol):
    """Who may do what only one may do at a time."""

    def held(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold the key while the block lasts; whoever else wants it waits until then."""
        ...


class Memory(Protocol):
    """All of it. Each kept memory has a name: asked for again by it, the values are the same."""

    @property
    def leases(self) -> Leases: ...

    def kept(self, name: str, *, most: int) -> Kept[Any]:
        """Return the memory of that name, which holds at most `most` values."""
        ...
