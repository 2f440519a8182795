"""The gate before the identity provider: open it passes everything on, shut it is an outage."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, Request

from seed.demo.gate import Gate
from seed.ports import free_port
from seed.serving import listener_on, serving

pytestmark = pytest.mark.anyio


class Echo:
    """Answers with the bytes it got, or not at all until `go_on` is set."""

    def __init__(self) -> None:
        self.app = FastAPI(title="echo")
        self.app.post("/echo")(self.echo)
        self.app.get("/wait")(self.wait)
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()

    async def echo(self, request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    async def wait(self) -> dict[str, str]:
        self.waiting.set()
        await self.go_on.wait()
        return {}


@asynccontextmanager
async def gated(echo: Echo) -> AsyncGenerator[tuple[Gate, httpx.AsyncClient]]:
    listener = listener_on()
    port = free_port()
    gate = Gate(port, listener.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    async with serving(echo.app, listener), httpx.AsyncClient(base_url=address, trust_env=False) as client:
        try:
            yield gate, client
        finally:
            await gate.shut()


async def test_an_open_gate_passes_requests_and_answers_on() -> None:
    async with gated(Echo()) as (gate, client):
        await gate.open()
        for size in (0, 10, 1_000_000):
            assert (await client.post("/echo", content=b"x" * size)).json() == {"bytes": size}


async def test_a_shut_gate_refuses_and_can_be_opened_again() -> None:
    async with gated(Echo()) as (gate, client):
        await gate.open()
        await client.post("/echo")
        await gate.shut()
        with pytest.raises(httpx.TransportError):
            await client.post("/echo")
        with pytest.raises(httpx.ConnectError):
            await client.post("/echo")
        await gate.open()
        assert (await client.post("/echo")).status_code == 200


async def test_shutting_drops_what_is_under_way() -> None:
    echo = Echo()
    async with gated(echo) as (gate, client):
        await gate.open()
        under_way = asyncio.create_task(client.get("/wait"))
        await echo.waiting.wait()
        await gate.shut()
        with pytest.raises(httpx.TransportError):
            await under_way
        echo.go_on.set()


async def test_nobody_behind_the_gate_is_an_outage_too() -> None:
    gate = Gate(port := free_port(), free_port())
    await gate.open()
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://127.0.0.1:{port}/")
    await gate.shut()
