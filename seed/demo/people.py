"""Who plays in the demo: an admin at the REST door, and agents at the MCP door, each with a user's token."""

import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import jwt
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from prometheus_client.parser import text_string_to_metric_families

from seed.bearer.caller import Caller

AGENT_CLIENT = "tools-provider-frontend"
PASSWORD = "password"
TIMEOUT = 20.0  # seconds


async def sign_in(http: httpx.AsyncClient, token_endpoint: str, user: str) -> str:
    """Get an access token with a user's name and password. Raises httpx.HTTPError."""
    form = {"grant_type": "password", "client_id": AGENT_CLIENT, "username": user, "password": PASSWORD}
    answer = await http.post(token_endpoint, data=form)
    answer.raise_for_status()
    token: str = answer.json()["access_token"]
    return token


class NothingTold(Exception):
    """An answer does not say who called, where it should."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an agent got for a call: the provider's `code` when it refused, else the upstream's `status` and answer.

    `retry_after` is in seconds.
    """

    is_error: bool
    code: str | None
    status: int | None
    retry_after: float | None
    text: str
    body: Mapping[str, Any]

    @property
    def called_by(self) -> Caller | None:
        """Who called, as the upstream verified it; None when it does not say. Raises pydantic.ValidationError."""
        told = self.body.get("called_by")
        return None if told is None else Caller.model_validate(told)

    @property
    def caller(self) -> Caller:
        """Who called, as the upstream verified it. Raises NothingTold when it does not say."""
        if (caller := self.called_by) is None:
            raise NothingTold(f"no upstream says who called: {self.text}")
        return caller


class Agent:
    """An MCP client that holds a user's token."""

    def __init__(self, user: str, token: str, client: Client) -> None:
        self.user = user
        self._token = token
        self._client = client

    @property
    def token(self) -> Caller:
        """What the agent's own token says; shown only, nothing is decided by it."""
        claims = jwt.decode(self._token, options={"verify_signature": False})
        return Caller.from_claims(claims, audience="", now=time.time())

    @property
    def protocol(self) -> str:
        """The version of MCP that client and provider agreed on."""
        return self._client.protocol_version

    async def tools(self) -> list[str]:
        """The names of the tools that the agent sees."""
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        """Call a tool."""
        return _outcome(await self._client.call_tool(tool, dict(arguments)))


@asynccontextmanager
async def agent_of(user: str, token: str, mcp_url: str) -> AsyncGenerator[Agent]:
    """An agent that is connected for as long as the block lasts."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=TIMEOUT, trust_env=False) as http,
        Client(streamable_http_client(mcp_url, http_client=http)) as client,
    ):
        yield Agent(user, token, client)


def _outcome(result: CallToolResult) -> Outcome:
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    body = result.structured_content if isinstance(result.structured_content, dict) else _json_object(text)
    body = body.get("other_answer", body) or {}  # whatever is not as documented, errors included
    meta = result.meta or {}
    return Outcome(
        is_error=bool(result.is_error),
        code=meta.get("code"),
        status=meta.get("upstream_status"),
        retry_after=meta.get("retry_after"),
        text=text,
        body=body,
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


class Admin:
    """Someone who registers sources and looks at what the provider tells its operator."""

    def __init__(self, http: httpx.AsyncClient, provider_url: str, token: str) -> None:
        self._http = http
        self._url = provider_url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def register(self, source: Mapping[str, Any]) -> httpx.Response:
        """Register a source."""
        return await self._http.post(f"{self._url}/api/v1/sources", json=source, headers=self._headers)

    async def audit(self, limit: int) -> list[Mapping[str, Any]]:
        """The newest audit records. Raises httpx.HTTPError."""
        answer = await self._http.get(f"{self._url}/api/v1/audit", params={"limit": limit}, headers=self._headers)
        answer.raise_for_status()
        items: list[Mapping[str, Any]] = answer.json()["items"]
        return items

    async def metric(self, name: str, /, **labels: str) -> float:
        """The sum of a metric's samples that carry the labels; 0 when there is none. Raises httpx.HTTPError."""
        answer = await self._http.get(f"{self._url}/metrics")
        answer.raise_for_status()
        return sum(
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
