"""MCP requests as they go over the wire, in both eras."""

import json
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.installation import Headers, RunningProvider

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ERAS = (MODERN, LEGACY)
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@asynccontextmanager
async def client_of(provider: RunningProvider, headers: Headers, mode: str) -> AsyncGenerator[Client]:
    """The SDK's own client, connected as the bearer of the token."""
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(provider.mcp, http_client=http), mode=mode) as client,
    ):
        yield client


def message(method: str, era: str = MODERN, **params: Any) -> tuple[dict[str, Any], Headers]:
    """A JSON-RPC request and the headers that belong to it."""
    headers = {**ACCEPT, "MCP-Protocol-Version": era}
    if era == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientCapabilities": {},
            **params.get("_meta", {}),
        }
        headers["Mcp-Method"] = method
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers


def post(provider: RunningProvider, headers: Headers, method: str, era: str = MODERN, **params: Any) -> httpx.Response:
    """Send one request; `headers` win over those that belong to it."""
    body, own = message(method, era, **params)
    return provider.http.post("/mcp", content=json.dumps(body), headers={**own, **headers})


def told(answer: httpx.Response) -> dict[str, Any]:
    """What a refusal tells programs: `code`, `detail`, `trace_id`; a problem, or at the MCP door a JSON-RPC error."""
    body: dict[str, Any] = answer.json()
    if "jsonrpc" not in body:
        assert answer.headers["content-type"] == "application/problem+json"
        return body
    assert answer.headers["content-type"] == "application/json"
    assert body["id"] is None
    return {"detail": body["error"]["message"], **body["error"]["data"]}


@contextmanager
def sent_raw(provider: RunningProvider, path: str, headers: Headers, body: bytes) -> Iterator[socket.socket]:
    """Send a POST of JSON as it is written here, header values included; the connection closes with the block."""
    address = urlsplit(provider.address)
    stated = {name.lower() for name in headers}
    kind = {} if "content-type" in stated else {"Content-Type": "application/json"}
    lines = {"Host": address.netloc, "Content-Length": str(len(body)), **kind, **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        yield connection
