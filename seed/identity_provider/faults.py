"""Faults that can be switched on: how a broken, slow or lying identity provider looks from outside."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Endpoint = Literal[
    "token",
    "exchange",
    "certs",
    "discovery",
    "introspect",
    "revoke",
    "logout",
    "userinfo",
    "realm",
    "auth",
    "registration",
]
LONGEST_LATENCY = 3_600  # seconds
MOST_FAULTS = 100  # that are on at once


class TooManyFaults(Exception):
    """As many faults are on as there can be."""


class Fault(BaseModel):
    """What goes wrong at an endpoint, `times` or always. `token` is every grant, `exchange` only the token exchange."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: Endpoint = "token"
    times: Annotated[int, Field(gt=0)] | None = None


class Latency(Fault):
    """The answer comes, but late."""

    kind: Literal["latency"]
    seconds: Annotated[float, Field(ge=0, le=LONGEST_LATENCY)]


class Hang(Fault):
    """No answer until the faults are cleared."""

    kind: Literal["hang"]


class Drop(Fault):
    """The connection closes in the middle of the answer."""

    kind: Literal["drop"]


class Status(Fault):
    """A status with a JSON error; `retry_after` in seconds."""

    kind: Literal["status"]
    status: Annotated[int, Field(ge=400, le=599)]
    retry_after: Annotated[int, Field(ge=0, le=LONGEST_LATENCY)] | None = None


class Body(Fault):
    """A 200 with something else in it: HTML of a proxy, garbage, an empty key set."""

    kind: Literal["body"]
    content: str
    content_type: Annotated[str, Field(pattern=r"^[ -~]{1,200}$")] = "text/html"


class Members(Fault):
    """Members of a true JSON answer changed; null removes one."""

    kind: Literal["members"]
    members: dict[str, Any]


class ExchangedClaims(Fault):
    """Claims of the exchanged token changed before it is signed; null removes one."""

    kind: Literal["claims"]
    endpoint: Literal["exchange"] = "exchange"
    claims: dict[str, Any]


class Echo(Fault):
    """The exchange answers with the subject token itself."""

    kind: Literal["echo"]
    endpoint: Literal["exchange"] = "exchange"


AnyFault = Annotated[
    Latency | Hang | Drop | Status | Body | Members | ExchangedClaims | Echo, Field(discriminator="kind")
]


class Faults:
    """The faults that are on, in the order in which they were switched on."""

    def __init__(self) -> None:
        self._active: list[tuple[AnyFault, int | None]] = []
        self._cleared = asyncio.Event()

    @property
    def active(self) -> tuple[AnyFault, ...]:
        return tuple(fault for fault, _ in self._active)

    def switch_on(self, fault: AnyFault) -> None:
        """Raises TooManyFaults."""
        if len(self._active) >= MOST_FAULTS:
            raise TooManyFaults
        self._active.append((fault, fault.times))

    def clear(self) -> None:
        """End all faults; requests that hang go on."""
        self._active.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def until_cleared(self) -> None:
        await self._cleared.wait()

    def take(self, *endpoints: str) -> list[AnyFault]:
        """The faults that this request meets; each counts against its `times`."""
        met = [fault for fault, _ in self._active if fault.endpoint in endpoints]
        left: list[tuple[AnyFault, int | None]] = []
        for fault, times in self._active:
            remaining = times - 1 if times is not None and fault in met else times
            if remaining != 0:
                left.append((fault, remaining))
        self._active = left
        return met


def changed(original: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`original` with `changes`, of which null ones are removals."""
    return {name: value for name, value in {**original, **changes}.items() if value is not None}
