"""Counts the files and folders of the product that one call and one registration walk through.

`python -m tests.walks` prints them. A file is walked when a function in it is called, by the interpreter's own trace,
in this process, its threads, and the process that reads the document. A folder is a room below `app/`, with all that
lies in it; the modules at the root of `app/` belong to no room.
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from inspect import CO_OPTIMIZED  # has a function, and no body of a class or module
from pathlib import Path
from types import FrameType

import httpx
from fastapi import FastAPI

from app.main import create_app
from seed.identity_provider import create_identity_provider
from seed.keycloak import read_realm
from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from tests.support.installation import EmbeddedIdentityProvider, bearer, settings_for
from tests.support.servers import running

PRODUCT = Path(__file__).parent.parent / "app"
_ADDRESS = "http://localhost:8040"
_ORDER = {"lines": [{"item_id": "margherita", "quantity": 2}]}  # arguments, as most calls have some

_IN_THE_READER = """
import sys, threading
from inspect import CO_OPTIMIZED
seen = set()
def note(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith({product!r}) and code.co_flags & CO_OPTIMIZED:
        if code.co_filename not in seen:
            seen.add(code.co_filename)
            with open({told!r}, "a") as file:
                file.write(code.co_filename + "\\n")
sys.setprofile(note)
threading.setprofile(note)
"""


@dataclass(frozen=True, slots=True)
class Walk:
    """The files, as paths below `app/`."""

    name: str
    files: frozenset[str]

    @property
    def folders(self) -> frozenset[str]:
        """The rooms that the files lie in."""
        return frozenset(Path(file).parts[0] for file in self.files if "/" in file)


@contextmanager
def _traced(files: set[str], told: Path) -> Iterator[None]:
    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(f"{PRODUCT}/") and code.co_flags & CO_OPTIMIZED:
            files.add(code.co_filename)

    told.write_text("")
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        files.update(told.read_text().splitlines())


async def _walk(name: str, told: Path, work: Callable[[], Awaitable[httpx.Response]]) -> Walk:
    files: set[str] = set()
    with _traced(files, told):
        answer = await work()
    assert answer.is_success, answer.text
    body = answer.json()
    assert not body.get("result", body).get("isError", body.get("is_error")), answer.text
    return Walk(name, frozenset(str(Path(file).relative_to(PRODUCT)) for file in files))


@asynccontextmanager
async def _client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=_ADDRESS) as client:
        yield client


async def _walks(folder: Path, told: Path) -> list[Walk]:
    issuer = create_identity_provider(read_realm())
    with running(issuer) as issuer_address:
        provider = EmbeddedIdentityProvider(issuer_address, issuer.state.identity_provider)
        keys = f"{provider.issuer}/protocol/openid-connect/certs"
        admin, agent = (bearer(provider.access_token(name)) for name in ("admin", "johndoe"))
        settings = settings_for(provider, _ADDRESS, folder)
        with running(create_pizzeria(PizzeriaSettings(issuer=provider.issuer, jwks_uri=keys))) as upstream:
            async with _client(create_app(settings)) as client:
                source = {"name": "Pizzeria", "url": f"{upstream}/openapi.json", "default_audience": "pizzeria-backend"}
                mcp = {
                    **agent,
                    "accept": "application/json, text/event-stream",
                    "mcp-protocol-version": "2025-11-25",
                }
                called = {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tools/call",
                    "params": {"name": "pizzeria-backend__place_order", "arguments": _ORDER},
                }
                executed = {"tool_id": "pizzeria-backend/place_order", "arguments": _ORDER}

                def register() -> Awaitable[httpx.Response]:
                    return client.post("/api/v1/sources", headers=admin, json=source)

                def execute() -> Awaitable[httpx.Response]:
                    return client.post("/api/v1/tools/execute", headers=agent, json=executed)

                def call() -> Awaitable[httpx.Response]:
                    return client.post("/mcp", headers=mcp, json=called)

                (
                    await client.get("/api/v1/sources", headers=admin)
                ).raise_for_status()  # the admin's token is known now
                return [
                    await _walk("a registration", told, register),
                    await _walk("a first call over REST", told, execute),
                    await _walk("a cached call over REST", told, execute),
                    await _walk("a first call over MCP, its token cached", told, call),
                    await _walk("a cached call over MCP", told, call),
                ]


def walks() -> list[Walk]:
    """Walk once through each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = folder / "told"
        text = _IN_THE_READER.format(product=f"{PRODUCT}/", told=str(told))
        (folder / "sitecustomize.py").write_text(text)
        sys.path.insert(0, str(folder))
        try:
            return asyncio.run(_walks(folder, told))
        finally:
            sys.path.remove(str(folder))


if __name__ == "__main__":
    for walk in walks():
        sys.stdout.write(f"{walk.name}: {len(walk.files)} files in {len(walk.folders)} folders\n")
        if "-v" in sys.argv:
            for file in sorted(walk.files):
                sys.stdout.write(f"    {file}\n")
