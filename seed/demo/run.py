"""Runs the demo from start to end: the parts, the play, and what stays afterwards."""

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from seed.demo.afterwards import addresses, commands
from seed.demo.people import TIMEOUT, Admin, agent_of, sign_in
from seed.demo.provider import ProviderFailed
from seed.demo.stack import Ports, Stack, stack_on
from seed.demo.stage import Stage, StepFailed, terminal
from seed.demo.story import STEPS, Play
from seed.identity_provider import create_identity_provider
from seed.keycloak import read_realm
from seed.keycloak.distribution import KeycloakUnavailable
from seed.keycloak.server import running_keycloak
from seed.serving import ServerFailed, listener_on, serving

DONE, FAILED, INTERRUPTED = 0, 1, 130
CAST = ("admin", "johndoe", "chef")


def run_demo(*, once: bool, keycloak: bool, any_ports: bool) -> int:
    """Play the demo and, unless `once`, keep serving until a signal; returns the exit code of the process."""
    stage = Stage(terminal())
    choose_ports = Ports.free if any_ports else Ports.usual
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends Keycloak while it is starting, too
    try:
        if keycloak:
            stage.say("Starting Keycloak. The first time it is fetched and built, which takes a few minutes.")
            with running_keycloak(read_realm()) as server:
                port = urlsplit(server.url).port or 80
                return asyncio.run(Demo(stage, once, f"Keycloak {server.version}", choose_ports).on(port))
        return asyncio.run(Demo(stage, once, "embedded, development only", choose_ports).on_embedded())
    except (KeycloakUnavailable, ProviderFailed, ServerFailed, OSError) as error:
        stage.failed(str(error))
        return FAILED
    except (KeyboardInterrupt, asyncio.CancelledError):
        stage.say("\nInterrupted; everything that was started has ended.")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, previous)


class Demo:
    """One run, before an identity provider that is described by `identity_provider`."""

    def __init__(
        self,
        stage: Stage,
        once: bool,
        identity_provider: str,
        choose_ports: Callable[[], Ports],
    ) -> None:
        self._stage = stage
        self._once = once
        self._identity_provider = identity_provider
        self._choose_ports = choose_ports

    async def on_embedded(self) -> int:
        """Run on the embedded identity provider."""
        listener = listener_on()
        port: int = listener.getsockname()[1]
        async with serving(create_identity_provider(read_realm()), listener):
            return await self.on(port)

    async def on(self, identity_port: int) -> int:
        """Run on the identity provider that listens on that port."""
        _cancel_on_signals()
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tools-provider-demo-") as folder:
            async with stack_on(self._choose_ports, Path(folder), identity_port) as stack:
                self._introduce(stack)
                if failure := await self._play(stack):
                    self._stage.failed(str(failure))
                    return FAILED
                seconds = time.monotonic() - started
                self._stage.title(f"{len(STEPS) + 1} steps, each did what it says, in {seconds:.0f} s")
                if not self._once:
                    await self._stay(stack)
        return DONE

    def _introduce(self, stack: Stack) -> None:
        self._stage.title("MCP Tools Provider: an agent calls an API with its user's identity")
        if stack.ports.moved:
            taken = ", ".join(map(str, stack.ports.moved))
            self._stage.say(f"Taken on this machine, so others were chosen: {taken}.")
        self._stage.facts(addresses(stack, self._identity_provider))

    async def _play(self, stack: Stack) -> StepFailed | None:
        """Play every step; returns the failure that ended it early, if one did.

        A failure does not pass through the agents' contexts: those would wrap it in groups.
        """
        stage = self._stage
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http, AsyncExitStack() as agents:
            try:
                with stage.step("Three users sign in; johndoe and chef let an agent act for them"):
                    play = await _assemble(stage, stack, http, agents)
                for title, step in STEPS:
                    with stage.step(title):
                        await step(play)
            except StepFailed as failure:
                return failure
        return None

    async def _stay(self, stack: Stack) -> None:
        self._stage.say("Everything keeps running until Ctrl-C. Continue with:")
        for purpose, command in commands(stack):
            self._stage.say(f"\n# {purpose}\n{command}")
        self._stage.say(f"\nMCP: {stack.mcp_url} with that token; docs/guide/connect-an-agent.md has configurations.")
        self._stage.say(f"The provider's log: {stack.folder / 'provider.log'}")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._stage.say("\nEnding everything that was started.")


async def _assemble(stage: Stage, stack: Stack, http: httpx.AsyncClient, agents: AsyncExitStack) -> Play:
    tokens = {user: await sign_in(http, stack.token_endpoint, user) for user in CAST}
    johndoe = await agents.enter_async_context(agent_of("johndoe", tokens["johndoe"], stack.mcp_url))
    chef = await agents.enter_async_context(agent_of("chef", tokens["chef"], stack.mcp_url))
    audiences = [agent.token.aud for agent in (johndoe, chef)]
    stage.claim(
        "their tokens are good for the tools provider and for no API behind it",
        audiences == [["tools-provider-token-exchange"]] * 2,
        audiences,
    )
    return Play(stage, stack, http, Admin(http, stack.provider_url, tokens["admin"]), johndoe, chef)


def _cancel_on_signals() -> None:
    """Let the first Ctrl-C or SIGTERM end the run in order; what is being ended is not interrupted again."""
    loop, run = asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        if run is not None and not run.cancelling():
            run.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
