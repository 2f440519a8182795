"""Which addresses may be stated, and who may have which tokens."""

from datetime import UTC, datetime

import pytest

from app.errors import Invalid, NotPermitted
from app.outbound import AddressPolicy, AddressRefused
from app.sources.rules import SourceRules
from app.sources.source import Authority
from app.sources.tables import Source
from tests.sources.conftest import ADMIN, MANAGER, OURS

URL = "https://api.example.org/docs/openapi.json"


def rules(*origins: str, passthrough_allowed: bool = True) -> SourceRules:
    return SourceRules(AddressPolicy(()), origins, own_audiences=OURS, passthrough_allowed=passthrough_allowed)


def source(base_url: str = "", audience: str | None = None, *others: tuple[str, str | None]) -> Source:
    now = datetime.now(UTC)
    return Source(
        slug="s",
        name="S",
        url=URL,
        base_url=base_url or "https://api.example.org",
        stated_base_url=base_url or None,
        default_audience=audience,
        other_servers=[{"origin": origin, "default_audience": name, "scopes": []} for origin, name in others],
        created_at=now,
        updated_at=now,
        refreshed_at=now,
    )


def own(base_url: str, audience: str) -> Authority:
    return source(base_url, audience).registered().authorities[0]


def test_an_audience_belongs_to_the_origin_that_first_registered_it() -> None:
    mine = own("https://api.example.org/v1", "pizzeria")
    rules().check_audience(mine, [], MANAGER.roles)
    rules().check_audience(mine, ["https://api.example.org"], MANAGER.roles)
    with pytest.raises(NotPermitted) as refused:
        rules().check_audience(mine, ["https://elsewhere.org"], MANAGER.roles)
    assert refused.value.code == "audience_origin_conflict"
    assert "elsewhere" not in refused.value.detail
    rules().check_audience(mine, ["https://elsewhere.org"], ADMIN.roles)


def test_the_operators_list_of_audiences_binds_admins_too() -> None:
    listed = rules("pizzeria=https://api.example.org", "pizzeria=https://b.example.org", "other=http://o")
    listed.check_audience(own("https://api.example.org/v1", "pizzeria"), ["https://x"], MANAGER.roles)
    listed.check_audience(own("https://b.example.org", "pizzeria"), [], MANAGER.roles)
    for base_url, audience in [("https://c.example.org", "pizzeria"), ("https://api.example.org", "unlisted")]:
        with pytest.raises(Invalid) as refused:
            listed.check_audience(own(base_url, audience), [], ADMIN.roles)
        assert refused.value.code == "audience_origin_refused"


def test_no_two_origins_of_a_source_get_one_token() -> None:
    files, feeds = "https://files.example.org", "https://feeds.example.org"
    for fitting in [((files, None), (feeds, None)), ((files, "files"), (feeds, "feeds"))]:
        rules().check_other_servers(source("", "pizzeria", *fitting))
    for others in [
        ((files, "pizzeria"),),
        ((files, "files"), (feeds, "files")),
        ((files, "files"), (files, None)),
        (("https://api.example.org", "other"),),
    ]:
        with pytest.raises(Invalid) as refused:
            rules().check_other_servers(source("", "pizzeria", *others))
        assert refused.value.code == "other_server_refused"


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


def test_a_base_url_and_other_servers_are_addresses_like_any_other() -> None:
    rules().check_addresses(source("https://x.org/a", None, ("https://files.example.org", None)))
    for inner in (source("http://127.0.0.1:9"), source("", None, ("http://10.0.0.1", None))):
        with pytest.raises(AddressRefused):
            rules().check_addresses(inner)
    for bad in ("https://x.org/a?b=1", "https://x.org/?", "https://x.org/#x"):
        with pytest.raises(Invalid) as refused:
            rules().check_addresses(source(bad))
        assert refused.value.code == "base_url_refused"
