"""Operations whose servers are elsewhere, at both doors, on upstreams at two origins that record what reaches them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.api.protocol import ERAS, post
from tests.support.installation import Headers, RunningProvider, Token, bearer
from tests.support.servers import running


@dataclass
class Recording:
    """An upstream that answers everything and remembers it; `document` is what it serves as its description."""

    address: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def app(self) -> Starlette:
        async def answer(request: Request) -> Response:
            if request.url.path == "/openapi.json":
                return JSONResponse(self.document)
            self.seen.append((request.url.path, request.headers.get("authorization")))
            return JSONResponse({"path": request.url.path})

        return Starlette(routes=[Route("/{path:path}", answer)])

    def token(self) -> str | None:
        """What the one call that came since the last look carried."""
        ((_, authorization),) = self.seen
        self.seen.clear()
        return None if authorization is None else authorization.removeprefix("Bearer ")


@pytest.fixture(scope="module")
def own() -> Iterator[Recording]:
    yield from _recording()


@pytest.fixture(scope="module")
def other() -> Iterator[Recording]:
    yield from _recording()


def _recording() -> Iterator[Recording]:
    recording = Recording()
    with running(recording.app()) as recording.address:
        yield recording


@pytest.fixture
def documented(own: Recording, other: Recording) -> dict[str, Any]:
    """`ranges` is at the other origin, by variables; `next` at another path of the own one, by a relative server."""
    answers = {"responses": {"200": {"description": "ok"}}}
    host = other.address.removeprefix("http://")
    elsewhere = {"url": "http://{host}/{base}", "variables": {"host": {"default": host}, "base": {"default": "data"}}}
    own.document = {
        "openapi": "3.1.0",
        "info": {"title": "Two", "version": "1"},
        "servers": [{"url": "/v1"}],
        "paths": {
            "/menu": {"get": {"operationId": "menu", **answers}},
            "/ranges": {"servers": [elsewhere], "get": {"operationId": "ranges", **answers}},
            "/next": {"get": {"operationId": "next", "servers": [{"url": "v2"}, {"url": "/v3"}], **answers}},
        },
    }
    return own.document


@pytest.fixture
def source(
    provider: RunningProvider, admin: Headers, own: Recording, documented: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    made = provider.register(admin, f"{own.address}/openapi.json", slug="two")
    yield made
    provider.http.delete("/api/v1/sources/two", headers=admin)
    own.seen.clear()


def allow(provider: RunningProvider, admin: Headers, request: dict[str, Any]) -> dict[str, Any]:
    answer = provider.http.patch("/api/v1/sources/two", json=request, headers=admin)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def call(provider: RunningProvider, agent: Headers, tool: str, door: str = "rest") -> None:
    if door == "rest":
        answer = provider.execute(agent, f"two/{tool}")
        assert answer.json()["is_error"] is False, answer.text
    else:
        answer = post(provider, agent, "tools/call", door, name=f"two__{tool}", arguments={})
        assert answer.json()["result"]["isError"] is False, answer.text


def test_nothing_reaches_a_host_that_only_the_document_names(
    provider: RunningProvider, agent: Headers, source: dict[str, Any], other: Recording
) -> None:
    assert {tool["path"] for tool in source["tools"]} == {"/menu", "/next"}
    assert provider.execute(agent, "two/ranges").status_code == 404
    assert other.seen == []


def test_servers_of_the_own_origin_are_called_where_they_say(
    provider: RunningProvider, agent: Headers, source: dict[str, Any], own: Recording
) -> None:
    call(provider, agent, "menu")
    call(provider, agent, "next")
    assert [path for path, _ in own.seen] == ["/v1/menu", "/v2/next"]


@pytest.mark.parametrize("door", ["rest", *ERAS])
def test_the_request_that_the_report_shows_allows_the_server_without_a_token(
    provider: RunningProvider, admin: Headers, agent: Headers, source: dict[str, Any], other: Recording, door: str
) -> None:
    (reason,) = [item["reason"] for item in source["report"] if item["status"] == "skipped"]
    updated = allow(provider, admin, json.loads(reason[reason.index("{") :]))
    assert updated["operations"] == {"ready": 3, "degraded": 0, "skipped": 0}
    call(provider, agent, "ranges", door)
    assert [path for path, _ in other.seen] == ["/data/ranges"]
    assert other.token() is None


@pytest.mark.parametrize("door", ["rest", *ERAS])
def test_an_allowed_server_gets_a_token_for_its_own_audience_and_never_the_sources(
    provider: RunningProvider,
    admin: Headers,
    token: Token,
    source: dict[str, Any],
    own: Recording,
    other: Recording,
    door: str,
) -> None:
    allow(provider, admin, {"other_servers": [{"origin": other.address, "default_audience": "pizzeria-backend"}]})
    sent = token("johndoe")
    call(provider, bearer(sent), "menu", door)
    call(provider, bearer(sent), "ranges", door)
    assert own.token() == sent
    claims = jwt.decode(str(other.token()), options={"verify_signature": False})
    assert claims["aud"] == "pizzeria-backend"
    assert claims["sub"] == jwt.decode(sent, options={"verify_signature": False})["sub"]
    (record,) = provider.audit(admin, tool="two/ranges", limit=1)[:1]
    assert (record["audience"], record["passthrough"], record["outcome"]) == ("pizzeria-backend", False, "ok")


def test_an_exchange_that_is_refused_for_the_other_server_reaches_neither(
    provider: RunningProvider, admin: Headers, agent: Headers, source: dict[str, Any], own: Recording, other: Recording
) -> None:
    allow(provider, admin, {"other_servers": [{"origin": other.address, "default_audience": "inventory-backend"}]})
    answer = provider.execute(agent, "two/ranges")
    assert (answer.status_code, answer.json()["code"]) == (403, "exchange_audience_not_available")
    assert own.seen == other.seen == []


def test_a_server_that_is_taken_away_is_called_no_more(
    provider: RunningProvider, admin: Headers, agent: Headers, source: dict[str, Any], other: Recording
) -> None:
    allow(provider, admin, {"other_servers": [{"origin": other.address}]})
    call(provider, agent, "ranges")
    allow(provider, admin, {"other_servers": []})
    assert provider.execute(agent, "two/ranges").status_code == 404
    assert len(other.seen) == 1
    other.seen.clear()


def test_a_document_that_moves_an_operation_elsewhere_loses_it_at_the_next_refresh(
    provider: RunningProvider, admin: Headers, agent: Headers, source: dict[str, Any], own: Recording, other: Recording
) -> None:
    own.document["paths"]["/menu"]["servers"] = [{"url": other.address}]
    answer = provider.http.post("/api/v1/sources/two/refresh", headers=admin).json()
    assert answer["removed"] == ["two/menu"]
    assert answer["classes"] == {"breaking": 1}
    assert [(each["tool_id"], each["class"]) for each in answer["changes"]] == [("two/menu", "breaking")]
    assert provider.execute(agent, "two/menu").status_code == 404
    assert other.seen == []
