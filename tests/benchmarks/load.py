"""Bounded load on one address of this machine, and what it cost the server."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What a round of load showed: calls per second, and processor milliseconds of the server per call."""

    calls_per_second: float
    cpu_ms_per_call: float


def call_request(url: str, tool: str, arguments: dict[str, Any], token: str | None) -> bytes:
    """The bytes of one MCP 2026-07-28 `tools/call`."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    parts = urlsplit(url)
    head = [
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        "MCP-Protocol-Version: 2026-07-28",
        "Mcp-Method: tools/call",
        f"Mcp-Name: {tool}",
        f"Content-Length: {len(body)}",
    ]
    if token is not None:
        head.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*head, "", ""]).encode() + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer that states its length; returns status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return status, await reader.readexactly(length)


async def _repeat(url: str, request: bytes, until: float) -> int:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    calls = 0
    try:
        while time.perf_counter() < until:
            writer.write(request)
            status, body = await answer_of(reader)
            if status != 200 or b'"isError":true' in body:
                raise RuntimeError(f"{status}: {body[:300]!r}")
            calls += 1
    finally:
        writer.close()
    return calls


async def put_load(url: str, request: bytes, *, pid: int, connections: int, seconds: float) -> Load:
    """Keep `connections` calls under way for `seconds`; every answer must be a success."""
    await asyncio.gather(*(_repeat(url, request, time.perf_counter() + 0.5) for _ in range(connections)))
    used, begin = cpu_seconds(pid), time.perf_counter()
    calls = sum(await asyncio.gather(*(_repeat(url, request, begin + seconds) for _ in range(connections))))
    elapsed = time.perf_counter() - begin
    return Load(calls / elapsed, (cpu_seconds(pid) - used) * 1000 / calls)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of a process in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
