"""Servers that other people wrote, each registered by the address of its own document."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seed.ports import HOST, free_port
from tests.api.protocol import client_of
from tests.compose.processes import answers, inherited, process
from tests.support.environments import python_with
from tests.support.installation import Headers, RunningProvider

LOCKS = Path(__file__).parent / "locks"
Call = Callable[..., Any]


class Server:
    """A running server; `http` is the way around us, to see what a call did."""

    def __init__(self, address: str, http: httpx.Client) -> None:
        self.address = address
        self.http = http


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Iterator[Server]]:
    """Run a program of a locked environment; `{bin}`, `{port}` and `{folder}` stand in its command."""

    def run(lock: str, command: str, ready: str, **environment: str) -> Iterator[Server]:
        folder, port = tmp_path_factory.mktemp(lock), free_port()
        binaries = python_with(LOCKS / f"{lock}.txt").parent
        words = [word.format(bin=binaries, port=port, folder=folder) for word in command.split()]
        address = f"http://{HOST}:{port}"
        settings = inherited() | {"HOME": str(folder), **environment}
        with (
            process(words, settings, folder, answers(f"{address}{ready}")),
            httpx.Client(base_url=address, trust_env=False, timeout=30) as http,
        ):
            yield Server(address, http)

    return run


def as_answered(structured: Any) -> Any:
    """The upstream's JSON, also where it is not as its document says."""
    return structured["other_answer"] if isinstance(structured, dict) and "other_answer" in structured else structured


@pytest.fixture
def call(provider: RunningProvider, admin: Headers) -> Call:
    """Call a tool over MCP and return the upstream's JSON; a failure fails the test."""

    async def called(tool: str, **arguments: Any) -> Any:
        async with client_of(provider, admin, "auto") as client:
            result = await client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        return as_answered(result.structured_content)

    return called
