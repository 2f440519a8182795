"""What requests and answers hold of our memory: large ones have a bound over all callers, and leave room to others."""

from collections import Counter

from app.errors import Unavailable

FREE = 65_536  # bytes of each request that are not counted, so that small calls go on while large ones use up the bound


class Held:
    """Bytes beyond FREE of requests that have not been answered, and of answers that their clients do not take.

    Who pays is whoever is known: the user by the token, before that the client's address. Of several requests of one
    payer, the last may not make them hold more than is left to others; one alone may have all that is left.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by: Counter[str] = Counter()
        self._holdings: Counter[str] = Counter()

    def begin(self, payer: str) -> None:
        """Count one more request of the payer's."""
        self._holdings[payer] += 1

    def take(self, payer: str, size: int) -> None:
        """Count `size` bytes. Raises Unavailable, and counts nothing, for what the payer may not have."""
        left = self._most - self._by.total() - size
        if left < 0 or (self._holdings[payer] > 1 and self._by[payer] + size > left):
            raise Unavailable(
                "server_busy",
                f"Large requests of all callers may hold {self._most} bytes at a time (MAX_BYTES_HELD), those of one "
                "caller as many as are left to others, and this one would be more. Send it again when others have "
                "been answered.",
            )
        self._by[payer] += size

    def end(self, payer: str, size: int) -> None:
        """Count a request no longer, nor the bytes that it holds."""
        for counted, amount in ((self._by, size), (self._holdings, 1)):
            counted[payer] -= amount
            if counted[payer] <= 0:
                del counted[payer]


class Holding:
    """What one request or answer holds; `end` gives it back."""

    def __init__(self, held: Held, payer: str) -> None:
        self._held, self._payer = held, payer
        self._counted = 0
        self._begun = False

    def grow_to(self, size: int) -> None:
        """Hold `size` bytes, if not more already. Raises Unavailable when there is no room for them."""
        if (more := size - FREE - self._counted) > 0:
            if not self._begun:
                self._begun = True
                self._held.begin(self._payer)
            self._held.take(self._payer, more)
            self._counted += more

    def end(self) -> None:
        """Give everything back."""
        if self._begun:
            self._held.end(self._payer, self._counted)
            self._begun, self._counted = False, 0
