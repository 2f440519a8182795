"""Prints what the product costs next to its parts: `python -m tests.benchmarks [seconds of load a round]`."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from seed.ports import free_port
from tests.benchmarks.load import Load, answer_of, call_request, cpu_seconds, put_load, resident_mb
from tests.benchmarks.processes import COMMAND, LOAD, SERVERS, process, provider

LIBRARIES = [
    "mcp.server.lowlevel.server",
    "fastapi",
    "httpx",
    "aiohttp",
    "jwt",
    "sqlmodel",
    "sqlalchemy.ext.asyncio",
    "aiosqlite",
    "alembic",
    "uvicorn",
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk.metrics",
    "pybreaker",
    "pydantic_settings",
    "structlog",
    "orjson",
    "jsonschema_rs",
    "typer",
    "rich",
]
ROUNDS = 3
ARGUMENTS = {"order_id": "42", "verbose": True}


def token_of(issuer: str, username: str) -> str:
    answer = httpx.post(
        f"{issuer}/realms/tools-provider/protocol/openid-connect/token",
        data={
            "grant_type": "password",
            "client_id": "tools-provider-frontend",
            "username": username,
            "password": "password",
        },
        trust_env=False,
    )
    return str(answer.raise_for_status().json()["access_token"])


def register(address: str, admin: str, upstream: str) -> None:
    source = {
        "name": "Orders",
        "slug": "orders",
        "url": f"{upstream}/openapi.json",
        "default_audience": "pizzeria-backend",
    }
    headers = {"Authorization": f"Bearer {admin}"}
    answer = httpx.post(f"{address}/api/v1/sources", json=source, headers=headers, timeout=60, trust_env=False)
    if answer.status_code != 201:
        raise RuntimeError(answer.text)


@contextmanager
def upstream_of(operations: int) -> Iterator[str]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.benchmarks.upstream", str(port), str(operations)]
    with process(command, ready=address, cpus=LOAD):
        yield address


def measure_start_and_memory(issuer: str, folder: Path) -> None:
    imports, starts, idle = [], [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        program = f"import {', '.join(LIBRARIES)}; print(int(open('/proc/self/statm').read().split()[1]))"
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)  # noqa: S603
        imports.append((time.perf_counter() - begin, int(run.stdout) * os.sysconf("SC_PAGE_SIZE") / 1e6))
        begin = time.perf_counter()
        with provider(issuer, folder) as (_, running):
            starts.append(time.perf_counter() - begin)
            idle.append(resident_mb(running.pid))
    bare, memory = statistics.median(t for t, _ in imports), statistics.median(m for _, m in imports)
    started, resident = statistics.median(starts), statistics.median(idle)
    print(f"start to answering   {started:.2f} s, bare imports {bare:.2f} s: {started / bare:.2f}x (goal 2x)")
    print(f"idle memory          {resident:.0f} MB, bare imports {memory:.0f} MB: {resident / memory:.2f}x (goal 1.5x)")


async def measure_burst(address: str, issuer: str, calls: int) -> None:
    request = call_request(f"{address}/mcp", "orders__get_order_0", ARGUMENTS, token_of(issuer, "johndoe"))

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(request)
        status, body = await answer_of(reader)
        writer.close()
        return status if b'"isError":true' not in body else 0

    before, begin = exchanges_sent(address), time.perf_counter()
    statuses = await asyncio.gather(*(one() for _ in range(calls)))
    elapsed = time.perf_counter() - begin
    succeeded, sent = statuses.count(200), exchanges_sent(address) - before
    print(f"burst of {calls}        {succeeded} answered in {elapsed:.2f} s with {sent:.0f} exchange(s) (goal 1)")


def exchanges_sent(address: str) -> float:
    metrics = httpx.get(f"{address}/metrics", trust_env=False).text
    lines = [line for line in metrics.splitlines() if line.startswith("tools_provider_token_exchange_count")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def measure_httpx(upstream: str, seconds: float) -> Load:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def repeat(until: float) -> int:
            calls = 0
            while time.perf_counter() < until:
                (await client.get(f"{upstream}/shops/0/orders/42")).raise_for_status()
                calls += 1
            return calls

        used, begin = cpu_seconds(os.getpid()), time.perf_counter()
        calls = sum(await asyncio.gather(*(repeat(begin + seconds) for _ in range(16))))
        elapsed = time.perf_counter() - begin
    return Load(calls / elapsed, (cpu_seconds(os.getpid()) - used) * 1000 / calls)


def main(seconds: float) -> None:
    os.sched_setaffinity(0, LOAD)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        issuer = f"http://127.0.0.1:{port}"
        idp = [COMMAND, "dev-idp", "--port", str(port)]
        stack.enter_context(process(idp, ready=f"{issuer}/realms/tools-provider", cpus=LOAD))
        measure_start_and_memory(issuer, folder)
        upstreams = {count: stack.enter_context(upstream_of(count)) for count in (20, 1000)}
        admin, agent = token_of(issuer, "admin"), token_of(issuer, "johndoe")
        targets: dict[str, tuple[str, bytes, int]] = {}
        variants = {
            "20 tools": (20, {}),
            "1,000 tools": (1000, {}),
            "20 tools, no telemetry": (20, {"OTEL_SDK_DISABLED": "true"}),
        }
        for variant, (count, environment) in variants.items():
            address, running = stack.enter_context(provider(issuer, folder, **environment))
            register(address, admin, upstreams[count])
            if variant == "20 tools":
                asyncio.run(measure_burst(address, issuer, 1000))
            request = call_request(f"{address}/mcp", "orders__get_order_0", ARGUMENTS, agent)
            targets[variant] = (f"{address}/mcp", request, running.pid)
        bare_port = free_port()
        bare = f"http://127.0.0.1:{bare_port}/mcp"
        command = [sys.executable, "-m", "tests.benchmarks.bare_sdk", str(bare_port), upstreams[20]]
        running = stack.enter_context(process(command, ready=bare.removesuffix("/mcp"), cpus=SERVERS))
        targets["bare SDK server"] = (bare, call_request(bare, "get_order_0", ARGUMENTS, None), running.pid)
        report(asyncio.run(measure_calls(targets, upstreams[20], seconds)))


async def measure_calls(targets: dict[str, tuple[str, bytes, int]], upstream: str, seconds: float) -> dict[str, Load]:
    rounds: dict[str, list[Load]] = {name: [] for name in [*targets, "plain httpx"]}
    for _ in range(ROUNDS):
        for name, (url, request, pid) in targets.items():
            rounds[name].append(await put_load(url, request, pid=pid, connections=16, seconds=seconds))
        rounds["plain httpx"].append(await measure_httpx(upstream, seconds))
    return {
        name: Load(
            statistics.median(load.calls_per_second for load in loads),
            statistics.median(load.cpu_ms_per_call for load in loads),
        )
        for name, loads in rounds.items()
    }


def report(loads: dict[str, Load]) -> None:
    print("\n16 calls in parallel, one worker, medians of interleaved rounds")
    for name, load in loads.items():
        print(f"  {name:24} {load.calls_per_second:7.0f} calls/s   {load.cpu_ms_per_call:.3f} ms processor a call")
    ours, bare = loads["20 tools"], loads["bare SDK server"]
    print(f"calls/s against the bare SDK server      {ours.calls_per_second / bare.calls_per_second:.2f}x (goal 0.6x)")
    print(
        f"calls/s against a plain httpx client     {ours.calls_per_second / loads['plain httpx'].calls_per_second:.2f}x"
    )
    many = loads["1,000 tools"].cpu_ms_per_call / ours.cpu_ms_per_call
    print(f"processor a call, 1,000 tools against 20 {many:.2f}x (goal 1.1x)")
    silent = ours.cpu_ms_per_call / loads["20 tools, no telemetry"].cpu_ms_per_call
    print(f"processor a call, telemetry on / off     {silent:.2f}x")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
