"""The demo as a user runs it: what it shows, what it leaves behind, and that it fails when a step does."""

import asyncio
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from seed.demo.run import FAILED, Demo
from seed.demo.stack import PORTS, Ports, stack_on
from seed.demo.stage import WIDTH, Stage
from seed.demo.story import STEPS
from seed.identity_provider import create_identity_provider
from seed.keycloak import read_realm
from seed.keycloak.distribution import VERSION, built_distribution, missing_programs
from seed.ports import free_port
from seed.serving import listener_on, serving
from tests.demo import staying
from tests.docs.pages import blocks
from tests.support.closing_lines import in_ci

PLAY_SECONDS = 300


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def once(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [*staying.COMMAND, "--once", *options],
        cwd=staying.ROOT,
        env=staying.clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PLAY_SECONDS,
    )


@pytest.fixture(scope="module")
def played() -> subprocess.CompletedProcess[str]:
    return once()


@pytest.fixture(scope="module")
def staying_demo() -> Iterator[staying.Demo]:
    with staying.staying_demo() as demo:
        yield demo


def test_every_step_does_what_it_says(played: subprocess.CompletedProcess[str]) -> None:
    assert played.returncode == 0, played.stdout + played.stderr
    for title, _ in STEPS:
        assert title in played.stdout
    assert "✗" not in played.stdout


@pytest.fixture
def keycloak_at_hand() -> None:
    """Keycloak is fetched and built the first time, which takes longer than playing on it."""
    if missing := missing_programs():
        (pytest.fail if in_ci() else pytest.skip)(f"Keycloak needs {' and '.join(missing)}")
    built_distribution()


@pytest.mark.deep
@pytest.mark.keycloak
@pytest.mark.timeout(PLAY_SECONDS)
@pytest.mark.usefixtures("keycloak_at_hand")
def test_every_step_does_what_it_says_on_a_real_keycloak() -> None:
    played = once("--keycloak")
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"Keycloak {VERSION}, realm tools-provider" in played.stdout
    assert "✗" not in played.stdout


def test_the_readme_shows_what_it_prints(played: subprocess.CompletedProcess[str]) -> None:
    def words(text: str) -> list[str]:
        """The lines as they are, but for how many seconds tokens have left."""
        return [re.sub(r"\d+ s left", "… s left", line.rstrip()) for line in text.splitlines() if line.strip()]

    shown = words(blocks(staying.ROOT / "README.md", "text")[0])
    printed = words(played.stdout)
    assert len(shown) > 15
    for line in shown:
        assert line in printed
        printed = printed[printed.index(line) + 1 :]


def test_both_tokens_are_shown_as_the_upstream_verified_them(played: subprocess.CompletedProcess[str]) -> None:
    johndoe = next(user["id"] for user in read_realm()["users"] if user["username"] == "johndoe")
    rows = [re.split(r"\s{2,}", line.strip()) for line in played.stdout.splitlines()]
    assert ["sub", johndoe, johndoe] in rows
    assert ["azp", "tools-provider-frontend", "tools-provider-token-exchange"] in rows
    assert ["aud", "tools-provider-token-exchange", "pizzeria-backend"] in rows
    assert ["aud", "tools-provider-token-exchange", "tools-provider-token-exchange"] in rows
    assert any(row[0] == "life" and row[1].startswith("300 s, ") for row in rows)


def test_no_token_and_no_control_character_is_printed(played: subprocess.CompletedProcess[str]) -> None:
    printed = played.stdout + played.stderr
    assert "eyJ" not in printed
    assert "\x1b" not in printed
    assert max(len(line) for line in played.stdout.splitlines()) <= WIDTH


@pytest.mark.skipif(shutil.which("curl") is None, reason="the lines to continue with are for curl")
def test_the_printed_lines_work_as_they_are(staying_demo: staying.Demo) -> None:
    lines = [line for line in staying_demo.output.splitlines() if line.startswith("curl")]
    answers = []
    for line in lines:
        script = f"set -euo pipefail\n{staying_demo.token_command}\n{line}"
        run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)  # noqa: S603, S607
        assert run.returncode == 0, line + run.stderr
        answers.append(run.stdout)
    tools, menu, metric = answers
    assert "pizzeria-backend/get_menu_items" in {tool["tool_id"] for tool in json.loads(tools)["items"]}
    executed = json.loads(menu)
    assert executed["upstream_status"] == 200
    assert executed["result"]["called_by"]["aud"] == ["pizzeria-backend"]
    assert "tools_provider_token_exchange_count_total" in metric


def test_it_can_leave_the_usual_ports_alone(staying_demo: staying.Demo) -> None:
    assert set(staying_demo.ports) & set(PORTS.values()) == set()


def test_it_ends_in_order_when_told_to(staying_demo: staying.Demo) -> None:
    ports = staying_demo.ports
    assert len(ports) == 4
    assert all(listens(port) for port in ports)
    assert staying_demo.end() == 0
    assert [port for port in ports if listens(port)] == []


@pytest.mark.extended
def test_an_interrupt_in_the_middle_ends_everything_that_was_started() -> None:
    with staying.staying_demo(until="It places an order") as demo:
        assert all(listens(port) for port in demo.ports)
        assert demo.end(signal.SIGINT) == 130
        assert [port for port in demo.ports if listens(port)] == []


def test_a_taken_port_is_replaced_and_told() -> None:
    with listener_on() as taken, listener_on() as free:
        taken.listen()
        taken_port, other_port = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        usual = {"provider": other_port, "identity": other_port, "pizzeria": taken_port, "opening_hours": other_port}
        ports = Ports.usual(usual)
    assert ports.provider == other_port
    assert ports.pizzeria != taken_port
    assert ports.moved == (taken_port,)


@pytest.mark.anyio
@pytest.mark.extended
async def test_two_that_start_at_once_choose_one_after_the_other(tmp_path: Path) -> None:
    usual = {name: free_port() for name in PORTS}
    chosen: list[Ports] = []
    both_run = asyncio.Barrier(2)

    async def start(identity_port: int) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            async with stack_on(partial(Ports.usual, usual), Path(folder), identity_port) as stack:
                chosen.append(stack.ports)
                await both_run.wait()

    listener = listener_on()
    port = listener.getsockname()[1]
    async with (
        asyncio.timeout(PLAY_SECONDS),
        serving(create_identity_provider(read_realm()), listener),
        asyncio.TaskGroup() as both,
    ):
        both.create_task(start(port))
        both.create_task(start(port))
    assert sorted(len(ports.moved) for ports in chosen) == [0, 4]


@pytest.mark.extended
@pytest.mark.anyio
async def test_a_step_that_does_not_do_what_it_says_fails_the_demo_and_is_named() -> None:
    realm = read_realm()
    johndoe = next(user for user in realm["users"] if user["username"] == "johndoe")
    johndoe["clientRoles"]["pizzeria-backend"] = ["chef", "customer"]
    seen = io.StringIO()
    demo = Demo(
        Stage(Console(file=seen, width=WIDTH, highlight=False)),
        once=True,
        identity_provider="too generous",
        choose_ports=Ports.free,
    )
    listener = listener_on()
    async with serving(create_identity_provider(realm), listener):
        assert await demo.on(listener.getsockname()[1]) == FAILED
    last = seen.getvalue().splitlines()[-1]
    assert re.match(r"✗ step 6 \(It tries what only a chef may do\): “the pizzeria refused with 403", last), last
    assert "It places an order" in seen.getvalue()
    assert "Pass-through" not in seen.getvalue()
