"""The provider as a process of its own, configured by environment variables as an operator would."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from app.settings import Settings

START_SECONDS = 60
STOP_SECONDS = 10
TAIL = 2_000  # characters of the log that are shown when it does not start
COMMAND = Path(sys.executable).with_name("tools-provider")


class ProviderFailed(Exception):
    """The provider did not start; the message holds the end of its log."""


@asynccontextmanager
async def running_provider(settings: Mapping[str, str], url: str, folder: Path) -> AsyncGenerator[None]:
    """Run `tools-provider serve` for as long as the block lasts, with nothing configured but `settings`.

    Its working folder is `folder`, where it writes `provider.log`. Raises ProviderFailed when it does not get ready.
    """
    log = folder / "provider.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            "serve",
            cwd=folder,
            env=_environment(settings) | {"SHUTDOWN_DRAIN": "0"},  # no load balancer is to hear of the end first
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is ours to handle: the provider ends after whoever uses it
        )
    try:
        await _ready(process, url, log)
        yield
    finally:
        await _stop(process)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without what would configure the provider, and the settings."""
    theirs = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in theirs} | dict(settings)


async def _ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await _says_ready(client, url):
                    if process.returncode is not None:
                        raise ProviderFailed(f"The provider ended while starting. Its log ends:\n{_tail(log)}")
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            message = f"The provider was not ready after {START_SECONDS} s. Its log ends:\n{_tail(log)}"
            raise ProviderFailed(message) from error


async def _says_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/ready")).status_code == 200
    except httpx.HTTPError:
        return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-TAIL:]
