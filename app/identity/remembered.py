"""A bounded memory whose entries end at a time of their own."""

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """At most `most` values by digest, least recently used ones dropped first. Times are of the caller's clock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()

    def get(self, key: bytes, now: float) -> Value | None:
        """Return the value unless its time is over."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= now:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def keep(self, key: bytes, value: Value, *, until: float, now: float) -> None:
        """Remember the value before `until`, unless that has passed. The oldest unused ones are dropped if over."""
        if until <= now:
            return
        self._entries[key] = (until, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most or next(iter(self._entries.values()))[0] <= now:
            self._entries.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Drop the value, if there is one."""
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
