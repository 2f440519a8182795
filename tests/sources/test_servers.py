"""Where calls go: the document's own server, and what of its operations' servers an admin has allowed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.errors import Invalid
from app.openapi.conversion import convert
from app.sources.forms import SourceUpdate
from app.sources.inventory import Inventory, base_url_of
from app.sources.tables import Source
from tests.sources.conftest import a_source_row, document

URL = "https://api.example.org/docs/openapi.json"
FILES = "https://files.example.org"


def offered(content: dict[str, Any], *allowed: str, base_url: str = "https://api.example.org") -> Inventory:
    conversion = convert(content, slug="s")
    return Inventory(base_url, conversion.operations, conversion.report).under(row(*allowed))


def row(*allowed: str) -> Source:
    others: list[dict[str, Any]] = [{"origin": origin, "default_audience": None, "scopes": []} for origin in allowed]
    return a_source_row(URL, other_servers=others)


def with_servers(*servers: str, path: str = "/menu") -> dict[str, Any]:
    content = document(path)
    content["paths"][path]["get"]["servers"] = [{"url": server} for server in servers]
    return content


@pytest.mark.parametrize(
    ("servers", "base_url"),
    [
        ((), "https://api.example.org"),
        (("/v2",), "https://api.example.org/v2"),
        (("v2/",), "https://api.example.org/docs/v2"),
        (("https://api.example.org/v3/",), "https://api.example.org/v3"),
        (("https://API.example.org:443/v3",), "https://API.example.org:443/v3"),
        (("https://elsewhere.org", "https://api.example.org/v4"), "https://api.example.org/v4"),
    ],
)
def test_calls_go_to_the_documents_own_server(servers: tuple[str, ...], base_url: str) -> None:
    assert base_url_of(URL, None, servers, {}) == base_url


@pytest.mark.parametrize(
    "server",
    [
        "https://elsewhere.org/v1",
        "http://api.example.org",
        "https://api.example.org:8443",
        "//elsewhere.org/v1",
        "https://api.example.org.evil.org",
        "https://user@api.example.org",
        "file:///etc",
        "https://[",
    ],
)
def test_a_server_elsewhere_is_refused_unless_an_admin_states_it(server: str) -> None:
    with pytest.raises(Invalid) as refused:
        base_url_of(URL, None, (server,), {"name": "X", "url": URL})
    assert refused.value.code == "base_url_refused"
    assert base_url_of(URL, "https://elsewhere.org/", (server,), {}) == "https://elsewhere.org"


def test_the_refusal_shows_the_request_that_would_be_accepted() -> None:
    with pytest.raises(Invalid) as refused:
        base_url_of(URL, None, ("//elsewhere.org/v1",), {"name": "X", "url": URL})
    shown = refused.value.detail
    corrected = json.loads(shown[shown.index("{") :])
    assert corrected == {"name": "X", "url": URL, "base_url": "https://elsewhere.org/v1"}


@pytest.mark.parametrize(
    ("servers", "called"),
    [
        (["/other"], "https://api.example.org/other"),
        (["other/"], "https://api.example.org/docs/other"),
        (["https://api.example.org/v2", "https://api.example.org/v3"], "https://api.example.org/v2"),
        ([f"{FILES}/v1", "https://api.example.org/v2"], "https://api.example.org/v2"),
        (["https://evil.org", f"{FILES}/v1/"], f"{FILES}/v1"),
        (["//files.example.org/v1"], f"{FILES}/v1"),
        (["https://API.example.org:443/v4?x=1"], "https://API.example.org:443/v4"),
    ],
)
def test_an_operation_is_called_at_its_own_origin_before_an_allowed_one(servers: list[str], called: str) -> None:
    (operation,) = offered(with_servers(*servers), FILES).operations
    assert (operation.server, operation.servers) == (called, ())


def test_variables_of_a_server_have_their_defaults() -> None:
    content = document("/menu")
    content["paths"]["/menu"]["servers"] = [
        {
            "url": "https://{name}.example.org:{port}/{base}",
            "variables": {"name": {"default": "files"}, "port": {"default": 443}, "base": {"default": "v2"}},
        }
    ]
    (operation,) = offered(content, FILES).operations
    assert operation.server == "https://files.example.org:443/v2"


def test_operations_with_servers_elsewhere_are_left_out_with_a_reason() -> None:
    content = document("/own", "/relative", "/elsewhere", "/template")
    content["paths"]["/relative"]["get"]["servers"] = [{"url": "/other"}]
    content["paths"]["/elsewhere"]["servers"] = [{"url": "https://evil.org"}]
    content["paths"]["/template"]["get"]["servers"] = [
        {"url": "https://{host}", "variables": {"host": {"default": "evil.org"}}}
    ]
    offer = offered(content)
    assert {operation.path: operation.server for operation in offer.operations} == {
        "/own": None,
        "/relative": "https://api.example.org/other",
    }
    skipped = {item.path: item for item in offer.report if item.status == "skipped"}
    assert set(skipped) == {"/elsewhere", "/template"}
    assert "evil.org" in str(skipped["/elsewhere"].reason)
    assert skipped["/elsewhere"].name is None


def test_the_report_shows_the_request_that_would_allow_the_server() -> None:
    (item,) = offered(with_servers("https://ip-ranges.example.com/x"), FILES).report
    reason = str(item.reason)
    assert "PATCH /api/v1/sources/s {" in reason
    request = json.loads(reason[reason.index("{") :])
    allowed = SourceUpdate.model_validate(request).columns()["other_servers"]
    assert [server["origin"] for server in allowed] == [FILES, "https://ip-ranges.example.com"]
    assert all(server["default_audience"] is None for server in allowed)


@pytest.mark.parametrize("server", ["ftp://files.example.org", "https://user@files.example.org", "https://["])
def test_a_server_that_is_no_address_is_left_out_and_cannot_be_allowed(server: str) -> None:
    offer = offered(with_servers(server), FILES)
    assert offer.operations == ()
    assert "PATCH" not in str(offer.report[0].reason)


@pytest.mark.parametrize("server", [f"{FILES}.evil.org/", "https://files.example.org.", "http://files.example.org"])
def test_no_server_is_compared_by_its_beginning_or_without_its_scheme(server: str) -> None:
    assert offered(with_servers(server), FILES).operations == ()


def test_a_server_that_is_allowed_no_more_takes_its_operations_with_it() -> None:
    before = offered(with_servers(f"{FILES}/v1"), FILES)
    (moved,) = before.operations
    assert Inventory("https://api.example.org", before.operations, before.report).under(row()).operations == ()
    elsewhere = replace(moved, server="https://api.example.org.evil.org/")
    assert Inventory("https://api.example.org", (elsewhere,), before.report).under(row(FILES)).operations == ()


@pytest.mark.parametrize(
    "origin",
    [
        "files.example.org",
        f"{FILES}/v1",
        f"{FILES}?a",
        f"{FILES}#a",
        "ftp://x.org",
        "https://u:p@x.org",
        "https://x.org.",
    ],
)
def test_what_an_admin_allows_is_an_origin(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        SourceUpdate.model_validate({"other_servers": [{"origin": origin}]})


def test_an_origin_is_kept_in_one_spelling() -> None:
    update = SourceUpdate.model_validate({"other_servers": [{"origin": "HTTPS://Files.Example.ORG:443/"}]})
    assert update.columns()["other_servers"] == [{"origin": FILES, "default_audience": None, "scopes": []}]


def test_what_an_admin_has_allowed_is_not_repeated_at_length_for_each_operation() -> None:
    content = document(*(f"/{number}" for number in range(50)))
    for number, item in enumerate(content["paths"].values()):
        item["get"]["servers"] = [{"url": f"{FILES}/{number}/" + "a" * 1_900}]
    conversion = convert(content, slug="s")
    source = row(*(f"https://{number}.example.org" for number in range(20)))
    for server in source.other_servers:
        server["scopes"] = [f"{number}-" + "s" * 190 for number in range(100)]
    found = Inventory("https://api.example.org", conversion.operations, conversion.report).under(source)
    reasons = [str(item.reason) for item in found.report]
    assert len(reasons) == 50
    assert max(map(len, reasons)) < 2_000
    assert all(f'{{"origin": "{FILES}"}}' in reason and "other_servers" in reason for reason in reasons)
