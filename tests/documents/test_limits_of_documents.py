"""Every limit of a document is a setting, and its name is in the answer when it bites."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sources.conftest import document
from tests.support.installation import Headers, RunningProvider

BASE_URL = "http://127.0.0.1:9"
LIMITS = {
    "source_max_bytes": 100_000,
    "source_max_files": 3,
    "source_max_nodes": 2_000,
    "source_max_alias_nodes": 100,
    "source_max_depth": 20,
    "source_max_operations": 30,
    "source_max_tool_bytes": 4_096,
    "source_max_list_bytes": 20_000,
}


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return dict(LIMITS)


@pytest.fixture
def rest(provider: RunningProvider, admin: Headers) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{provider.address}/api/v1", headers=admin, trust_env=False, timeout=60) as client:
        yield client
        for source in client.get("/sources").json()["items"]:
            client.delete(f"/sources/{source['id']}")


def nested(depth: int) -> dict[str, Any]:
    return document("/a") | {"x-deep": json.loads("[" * depth + "]" * depth)}


def referring(files: int) -> dict[str, Any]:
    return document("/a") | {"paths": {f"/{number}": {"$ref": f"http://a.example/{number}"} for number in range(files)}}


def told_at_length(operations: int, length: int) -> dict[str, Any]:
    content = document(*(f"/a{number}" for number in range(operations)))
    for number, item in enumerate(content["paths"].values()):
        item["get"]["description"] = f"{number} " + "x" * length
    return content


def asking_at_length(parameters: int) -> dict[str, Any]:
    content = document("/a")
    schema = {"type": "string", "description": "long " * 100}
    content["paths"]["/a"]["get"]["parameters"] = [
        {"name": f"p{number}", "in": "query", "schema": schema} for number in range(parameters)
    ]
    return content


def with_aliases(aliases: int) -> str:
    return f"openapi: 3.1.0\npaths: {{}}\nx: &x [1, 2, 3, 4]\ny: [{', '.join(['*x'] * aliases)}]\n"


def send(rest: httpx.Client, content: Any) -> httpx.Response:
    return rest.post("/sources", json={"name": "X", "slug": "x", "base_url": BASE_URL, "document": content})


@pytest.mark.parametrize(
    ("limit", "within", "beyond", "status"),
    [
        ("source_max_bytes", document("/a") | {"x": "x" * 90_000}, document("/a") | {"x": "x" * 100_000}, 413),
        ("source_max_files", referring(3), referring(4), 422),
        ("source_max_nodes", document("/a") | {"x": [0] * 1_900}, document("/a") | {"x": [0] * 2_000}, 422),
        ("source_max_alias_nodes", with_aliases(20), with_aliases(21), 422),
        ("source_max_depth", nested(19), nested(20), 422),
        (
            "source_max_operations",
            document(*map("/{}".format, range(30))),
            document(*map("/{}".format, range(31))),
            422,
        ),
        ("source_max_list_bytes", told_at_length(25, 300), told_at_length(25, 700), 422),
    ],
)
def test_a_limit_is_named_when_it_is_passed_and_not_before(
    limit: str, within: Any, beyond: Any, status: int, rest: httpx.Client
) -> None:
    passed = send(rest, beyond)
    assert passed.status_code == status, passed.text
    assert limit.upper() in passed.json()["detail"]
    kept = send(rest, within)
    assert kept.status_code == 201, kept.text


def test_too_large_a_tool_is_shortened_and_the_limit_named(rest: httpx.Client) -> None:
    (item,) = send(rest, asking_at_length(20)).json()["report"]
    assert item["status"] == "degraded"
    assert "SOURCE_MAX_TOOL_BYTES" in item["reason"]
    assert item["bytes"] <= LIMITS["source_max_tool_bytes"]
    rest.delete("/sources/x")
    (item,) = send(rest, asking_at_length(5)).json()["report"]
    assert item["status"] == "ready"
