"""Where calls may go, and who may have which tokens."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.errors import Invalid, NotPermitted
from app.openapi.conversion import convert
from app.outbound import AddressPolicy, AddressRefused
from app.sources.models import Source
from app.sources.rules import SourceRules, base_url_of, within_origin
from tests.sources.conftest import ADMIN, MANAGER, document

URL = "https://api.example.org/docs/openapi.json"


def rules(*origins: str, passthrough_allowed: bool = True) -> SourceRules:
    return SourceRules(AddressPolicy(()), origins, passthrough_allowed=passthrough_allowed)


def source(base_url: str, audience: str) -> Source:
    now = datetime.now(UTC)
    return Source(
        slug="s",
        name="S",
        url=URL,
        base_url=base_url,
        default_audience=audience,
        created_at=now,
        updated_at=now,
        refreshed_at=now,
    )


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


def test_operations_with_servers_elsewhere_are_dropped_with_a_reason() -> None:
    content = document("/own", "/relative", "/elsewhere", "/template")
    content["paths"]["/relative"]["get"]["servers"] = [{"url": "/other"}]
    content["paths"]["/elsewhere"]["servers"] = [{"url": "https://evil.org"}]
    content["paths"]["/template"]["get"]["servers"] = [
        {"url": "https://{host}", "variables": {"host": {"default": "evil.org"}}}
    ]
    conversion = within_origin(convert(content, slug="s"), URL, "https://api.example.org")
    assert {operation.path: operation.server for operation in conversion.operations} == {
        "/own": None,
        "/relative": "https://api.example.org/other",
    }
    skipped = {item.path: item for item in conversion.report if item.status == "skipped"}
    assert set(skipped) == {"/elsewhere", "/template"}
    assert "evil.org" in str(skipped["/elsewhere"].reason)
    assert skipped["/elsewhere"].name is None


def test_no_operation_server_is_compared_by_its_beginning() -> None:
    conversion = convert(document("/own"), slug="s")
    moved = replace(conversion.operations[0], server="https://api.example.org.evil.org/")
    kept = within_origin(replace(conversion, operations=(moved,)), URL, "https://api.example.org")
    assert kept.operations == ()


def test_an_audience_belongs_to_the_origin_that_first_registered_it() -> None:
    mine = source("https://api.example.org/v1", "pizzeria")
    rules().check_audience(mine, [], MANAGER)
    rules().check_audience(mine, ["https://api.example.org"], MANAGER)
    with pytest.raises(NotPermitted) as refused:
        rules().check_audience(mine, ["https://elsewhere.org"], MANAGER)
    assert refused.value.code == "audience_origin_conflict"
    assert "elsewhere" not in refused.value.detail
    rules().check_audience(mine, ["https://elsewhere.org"], ADMIN)


def test_the_operators_list_of_audiences_binds_admins_too() -> None:
    listed = rules("pizzeria=https://api.example.org", "pizzeria=https://b.example.org", "other=http://o")
    listed.check_audience(source("https://api.example.org/v1", "pizzeria"), ["https://x"], MANAGER)
    listed.check_audience(source("https://b.example.org", "pizzeria"), [], MANAGER)
    for base_url, audience in [("https://c.example.org", "pizzeria"), ("https://api.example.org", "unlisted")]:
        with pytest.raises(Invalid) as refused:
            listed.check_audience(source(base_url, audience), [], ADMIN)
        assert refused.value.code == "audience_origin_refused"


@pytest.mark.parametrize("entry", ["pizzeria", "=https://x", "pizzeria=", "pizzeria=ftp://x"])
def test_an_entry_of_audience_origins_that_means_nothing_is_an_error_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="AUDIENCE_ORIGINS"):
        rules(entry)


def test_pass_through_is_refused_where_the_operator_denies_it() -> None:
    rules().check_passthrough("passthrough")
    rules(passthrough_allowed=False).check_passthrough("token_exchange")
    rules(passthrough_allowed=False).check_passthrough("none")
    with pytest.raises(Invalid) as refused:
        rules(passthrough_allowed=False).check_passthrough("passthrough")
    assert refused.value.code == "passthrough_denied"


def test_a_token_exchange_needs_an_audience() -> None:
    rules().check_auth("token_exchange", "pizzeria")
    rules().check_auth("none", None)
    with pytest.raises(Invalid) as refused:
        rules().check_auth("token_exchange", None)
    assert refused.value.code == "audience_required"


def test_a_base_url_is_an_address_like_any_other() -> None:
    with pytest.raises(AddressRefused):
        rules().check_addresses(URL, "http://127.0.0.1:9")
    for bad in ("https://x.org/a?b=1", "https://x.org/?", "https://x.org/#x"):
        with pytest.raises(Invalid) as refused:
            rules().check_addresses(URL, bad)
        assert refused.value.code == "base_url_refused"
