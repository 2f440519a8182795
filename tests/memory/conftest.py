"""The contract of what is remembered: each implementation is one parameter of `memory`."""

from collections.abc import AsyncGenerator

import pytest

from app.memory import InProcessMemory, Memory


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[InProcessMemory])
async def memory(anyio_backend: str, request: pytest.FixtureRequest) -> AsyncGenerator[Memory]:
    memory = request.param()
    yield memory
    await memory.aclose()
