"""An operation that a bearer token does not open is degraded, and says what it wants."""

from typing import Any

import pytest

from tests.openapi.documents import a_document, only

KEY = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
SCHEMES: dict[str, Any] = {
    "certificate": {"type": "mutualTLS"},
    "key": KEY,
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
    "token": {"type": "apiKey", "in": "header", "name": "authorization"},
    "basic": {"type": "http", "scheme": "Basic"},
    "bearer": {"type": "http", "scheme": "Bearer"},
    "oauth": {"type": "oauth2", "flows": {}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://x.example"},
    "referred": {"$ref": "#/components/securitySchemes/key"},
    "broken": {"$ref": "#/nowhere"},
    "odd": 7,
}
LACKING: list[tuple[object, str]] = [
    ([{"key": []}], "an API key (header `X-API-Key`)"),
    ([{"referred": []}], "an API key (header `X-API-Key`)"),
    ([{"query": []}], "an API key (query `api_key`)"),
    ([{"key": [], "oauth": []}], "an API key (header `X-API-Key`)"),
    ([{"basic": []}], "HTTP authentication by `basic`"),
    ([{"key": []}, {"query": []}], "an API key (header `X-API-Key`)"),
    ({"key": []}, "an API key (header `X-API-Key`)"),
    (["key"], "an API key (header `X-API-Key`)"),
    ([{"certificate": []}], "a certificate of the client"),
    ([{"key": [], "query": []}], "an API key (header `X-API-Key`) and an API key (query `api_key`)"),
]
OPEN: list[object] = [
    None,
    [],
    {},
    "bearer",
    [7],
    [{}],
    [{"key": []}, {}],
    [{"key": []}, {"oauth": ["read"]}],
    [{"oauth": []}],
    [{"bearer": []}],
    [{"oidc": []}],
    [{"token": []}],
    [{"broken": []}],
    [{"odd": []}],
    [{"nobody described it": []}],
]


def described(security: object, **operation: Any) -> dict[str, Any]:
    paths = {"/a": {"get": {"responses": {}, "security": security, **operation}}}
    return a_document(paths, components={"securitySchemes": SCHEMES})


@pytest.mark.parametrize(("security", "wanted"), LACKING)
def test_what_no_call_carries_is_told(security: object, wanted: str) -> None:
    _, item = only(described(security))
    assert item.status == "degraded"
    assert f"wants {wanted} (at /paths/~1a/get)" in str(item.reason)


@pytest.mark.parametrize("security", OPEN)
def test_what_a_token_opens_is_ready(security: object) -> None:
    _, item = only(described(security))
    assert (item.status, item.reason) == ("ready", None)


def test_what_the_operation_says_goes_before_what_the_document_says() -> None:
    document = described([])
    document["security"] = [{"key": []}]
    assert only(document)[1].status == "ready"
    del document["paths"]["/a"]["get"]["security"]
    assert only(document)[1].status == "degraded"


def test_a_key_that_is_also_a_parameter_is_the_callers() -> None:
    parameter = {"name": "api_key", "in": "query", "schema": {"type": "string"}}
    _, item = only(described([{"query": []}], parameters=[parameter]))
    assert item.status == "ready"


def test_swagger_2_has_its_schemes_elsewhere() -> None:
    document: dict[str, Any] = {
        "swagger": "2.0",
        "info": {"title": "x", "version": "1"},
        "securityDefinitions": {"key": KEY, "basic": {"type": "basic"}},
        "paths": {"/a": {"get": {"responses": {}, "security": [{"key": []}]}}},
    }
    assert "`X-API-Key`" in str(only(document)[1].reason)
    del document["paths"]["/a"]["get"]["security"]
    document["security"] = [{"basic": []}]
    assert "by `basic`" in str(only(document)[1].reason)
