"""What requests and answers hold of our memory: large ones have a bound over all callers, and each payer half of it."""

from collections import Counter

from app.errors import Unavailable

FREE = 65_536  # bytes of each request that are not counted, so that small calls go on while large ones use up the bound


class Held:
    """Bytes beyond FREE of requests that have not been answered, and of answers that their clients do not take.

    Who pays is whoever is known: the user by the token, before that the client's address.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by: Counter[str] = Counter()

    def take(self, payer: str, size: int) -> None:
        """Count `size` bytes. Raises Unavailable, and counts nothing, above the bound or half of it for this payer."""
        for held, most, of in (
            (self._by[payer], self._most // 2, "one caller"),
            (self._by.total(), self._most, "all callers"),
        ):
            if held + size > most:
                raise Unavailable(
                    "server_busy",
                    f"Large requests of {of} may hold {most} bytes at a time (half of MAX_BYTES_HELD for one caller), "
                    "and this one would be more. Send it again when others have been answered.",
                )
        self._by[payer] += size

    def give_back(self, payer: str, size: int) -> None:
        """Count `size` bytes no longer."""
        self._by[payer] -= size
        if self._by[payer] <= 0:
            del self._by[payer]


class Holding:
    """What one request or answer holds; `end` gives it back."""

    def __init__(self, held: Held, payer: str) -> None:
        self._held, self._payer = held, payer
        self._counted = 0

    def grow_to(self, size: int) -> None:
        """Hold `size` bytes, if not more already. Raises Unavailable when there is no room for them."""
        if (more := size - FREE - self._counted) > 0:
            self._held.take(self._payer, more)
            self._counted += more

    def end(self) -> None:
        """Give everything back."""
        if self._counted:
            self._held.give_back(self._payer, self._counted)
            self._counted = 0
