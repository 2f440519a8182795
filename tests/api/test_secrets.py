"""Where tokens, secrets and arguments may not be found: log, database, audit, metrics. And what must be: one record."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.probe import Probe
from tests.api.protocol import ERAS, message, post
from tests.cli.test_serve import serving
from tests.support.installation import (
    EXCHANGE_SECRET,
    EmbeddedIdentityProvider,
    Headers,
    RunningProvider,
    bearer,
    settings_for,
)
from tests.support.raw import Raw, raw_upstream

DOORS = ["rest", *ERAS]
PRIVATE = "private-argument-of-somebody"
FORGED = 'x\n{"event":"forged"}\r\x1b[31m\u2028'


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    with raw_upstream() as raw:
        yield raw


def execute(provider: RunningProvider, headers: Headers, door: str, tool: str, arguments: Any) -> httpx.Response:
    if door == "rest":
        body = {"tool_id": tool, "arguments": arguments}
        return provider.http.post("/api/v1/tools/execute", json=body, headers=headers)
    body, own = message("tools/call", door, name=tool.replace("/", "__"), arguments=arguments)
    own = {name: value if value.isascii() and value.isprintable() else "odd" for name, value in own.items()}
    return provider.http.post("/mcp", json=body, headers={**own, **headers})


def use(provider: RunningProvider, probe: Probe, admin: Headers, agent: Headers) -> list[str]:
    """Call in every way that could leave something behind; returns every token that was about."""
    mine = agent["Authorization"].removeprefix("Bearer ")
    tokens = [mine, admin["Authorization"].removeprefix("Bearer ")]
    probe.tell("echo", 500, {"you sent": mine}, location=f"https://a.example/?{mine}")
    for door in DOORS:
        for tool in ("passing/echo", "exchanged/echo"):
            execute(provider, agent, door, tool, {"text": PRIVATE})
            tokens += probe.seen[-1]["bearers"]
            for arguments in ({"text": [PRIVATE]}, {PRIVATE: mine}, [PRIVATE], PRIVATE, {"text": mine}):
                execute(provider, agent, door, tool, arguments)
        for name in (mine, f"{mine}/{mine}", f"passing/{mine}", FORGED):
            execute(provider, agent, door, name, {})
        execute(provider, agent, door, "passing/as_told", {"name": "echo"})
        execute(provider, agent, door, "misdirected/echo", {"text": PRIVATE})
    for path in (f"/api/v1/tools/{mine}", f"/api/v1/{mine}", f"/{mine}", f"/api/v1/tools?access_token={mine}"):
        provider.http.get(path, headers=agent)
    for key in (mine, "passing"):
        body = {"url": "http://127.0.0.1:1/", "description": PRIVATE}
        provider.http.patch(f"/api/v1/sources/{key}", json=body, headers=admin)
        provider.http.post(f"/api/v1/sources/{key}/refresh", headers=admin)
    provider.http.get("/api/v1/tools", headers=bearer(f"{mine}x"))
    post(provider, agent, mine)
    return tokens


def test_l01_l03_no_token_secret_or_argument_is_left_anywhere_and_no_line_is_forged(
    identity_provider: EmbeddedIdentityProvider,
    probe_address: tuple[Probe, str],
    admin: Headers,
    agent: Headers,
    tmp_path: Path,
) -> None:
    probe, upstream = probe_address
    with serving(identity_provider, tmp_path, AUDIT_LOG=str(tmp_path / "audit.jsonl")) as (process, address):
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as http:
            provider = RunningProvider(address, settings_for(identity_provider, address, tmp_path), http)
            for slug, audience in {"passing": None, "exchanged": "pizzeria-backend", "misdirected": "nobody"}.items():
                provider.register(admin, f"{upstream}/openapi.json", slug=slug, default_audience=audience)
            tokens = use(provider, probe, admin, agent)
            shown = http.get("/metrics").text + http.get("/api/v1/audit?limit=500", headers=admin).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert len(set(tokens)) > 2
    left = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"log", "audit.jsonl", "tools-provider.db"} <= set(left)
    left["what the doors show"] = shown.encode()
    secrets = {part[:60] for token in tokens for part in token.split(".")[1:]} | {EXCHANGE_SECRET, PRIVATE}
    found = {(name, secret) for name, content in left.items() for secret in secrets if secret.encode() in content}
    assert found == set()
    lines = left["log"].decode().splitlines()
    lines.remove(f"Tools provider on {address}, known as {address}")
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert b"\x1b" not in left["log"]
    assert not any("forged" in json.loads(line)["event"] for line in lines)


OUTCOMES: list[tuple[str, dict[str, Any], str]] = [
    ("probe/echo", {"text": PRIVATE}, "ok"),
    ("probe/echo", {"number": PRIVATE}, "invalid_arguments"),
    ("probe/echo", {PRIVATE: 1}, "invalid_arguments"),
    ("probe/nope", {"text": PRIVATE}, "tool_not_found"),
    ("managers/echo", {"text": PRIVATE}, "tool_not_found"),
    ("scoped/echo", {"text": PRIVATE}, "insufficient_scope"),
    ("probe/as_told", {"name": "refused"}, "upstream_error"),
    ("nobodys/echo", {"text": PRIVATE}, "exchange_audience_not_found"),
    ("closed/get", {}, "upstream_broken"),
]


@pytest.fixture(scope="module")
def more_sources(provider: RunningProvider, probe: Probe, admin: Headers, raw: Raw) -> None:
    operation = {"get": {"operationId": "get", "responses": {"200": {"description": "ok"}}}}
    raw.describe({"openapi": "3.1.0", "info": {"title": "Raw", "version": "1"}, "paths": {"/": operation}})
    raw.answer = b""
    provider.register(admin, raw.url, slug="closed")
    origin = provider.http.get("/api/v1/sources/probe", headers=admin).json()["base_url"]
    provider.register(admin, f"{origin}/openapi.json", slug="nobodys", default_audience="nobody")
    probe.tell("refused", 409, {"no": True})


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("tool", "arguments", "outcome"), OUTCOMES)
def test_l04_every_call_leaves_exactly_one_record_without_its_arguments(
    provider: RunningProvider,
    more_sources: None,
    admin: Headers,
    agent: Headers,
    door: str,
    tool: str,
    arguments: dict[str, Any],
    outcome: str,
) -> None:
    trace = uuid4().hex
    headers = {**agent, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    execute(provider, headers, door, tool, arguments)
    found = [record for record in provider.audit(admin, limit=50) if record["trace_id"] == trace]
    (record,) = [record for record in found if record["kind"] != "exchange"]
    assert (record["action"], record["outcome"], record["door"]) == (
        "execute",
        outcome,
        door if door == "rest" else "mcp",
    )
    refused = outcome in {"invalid_arguments", "tool_not_found", "insufficient_scope"}
    assert record["kind"] == ("refusal" if refused else "call")
    assert record["subject"]
    assert record["client_id"] == "tools-provider-frontend"
    assert record["tool"].replace("__", "/") == tool
    assert record["at"] > 0
    assert PRIVATE not in json.dumps(found)


def test_l06_labels_are_bounded_and_name_nobody(
    provider: RunningProvider, more_sources: None, admin: Headers, agent: Headers
) -> None:
    for number in range(20):
        for door in DOORS:
            execute(provider, agent, door, f"unknown-{number}/{number}", {})
    registered = {source["slug"] for source in provider.http.get("/api/v1/sources", headers=admin).json()["items"]}
    values: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(provider.http.get("/metrics").text):
        for sample in family.samples if not family.name.startswith("target") else ():
            for name, value in sample.labels.items():
                values.setdefault(name, set()).add(value)
    assert values["source"] <= registered | {"unknown"}
    assert set(values) <= {"source", "outcome", "audience", "error", "name", "le"}
    assert not any("unknown-" in value for found in values.values() for value in found)
