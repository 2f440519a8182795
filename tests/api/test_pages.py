"""The front page and the API reference."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from tests.support.installation import RunningProvider

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGES = pytest.mark.parametrize("path", ["/", "/docs"])


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        address = known.get("href") or known.get("src")
        if address is not None:
            (self.links if tag == "a" else self.loaded).append(address)
        if tag == "style" or (tag == "script" and "src" not in known) or "style" in known:
            self.inline.append(tag)


def parsed(page: str) -> _Links:
    links = _Links()
    links.feed(page)
    return links


def doors_of(provider: RunningProvider) -> list[str]:
    address = provider.settings.public_url
    metadata = f"{address}/.well-known/oauth-protected-resource/mcp"
    return [f"{address}/mcp", f"{address}/api/v1", metadata]


def test_the_front_page_tells_a_browser_where_the_doors_are(provider: RunningProvider) -> None:
    answer = provider.http.get("/", headers=BROWSER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "MCP Tools Provider" in answer.text
    assert "ready: calls can be served" in answer.text
    assert [door for door in doors_of(provider) if door not in answer.text] == []
    assert {"/docs", "/openapi.json", "/ready", "/health", "/metrics"} <= set(parsed(answer.text).links)


def test_the_front_page_tells_others_the_same_as_text(provider: RunningProvider) -> None:
    answer = provider.http.get("/")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert "This server is ready: calls can be served." in answer.text
    assert [door for door in doors_of(provider) if door not in answer.text] == []


@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["curl", "browser"])
def test_the_front_page_names_no_address_but_our_own(provider: RunningProvider, headers: dict[str, str]) -> None:
    named = re.findall(r"https?://[^\s\"'<>]+", provider.http.get("/", headers=headers).text)
    assert {urlsplit(address).netloc for address in named} == {urlsplit(provider.settings.public_url).netloc}
    assert provider.settings.issuer not in provider.http.get("/", headers=headers).text


@PAGES
def test_what_a_page_links_to_and_loads_is_here(provider: RunningProvider, path: str) -> None:
    page = parsed(provider.http.get(path, headers=BROWSER).text)
    assert page.loaded
    for address in [*page.links, *page.loaded]:
        absolute = urljoin(f"{provider.address}{path}", address)
        assert absolute.startswith(f"{provider.address}/")
        assert provider.http.get(absolute).status_code == 200, address


@PAGES
def test_a_page_runs_and_shows_nothing_but_what_is_here(provider: RunningProvider, path: str) -> None:
    answer = provider.http.get(path, headers=BROWSER)
    (policy,) = answer.headers.get_list("content-security-policy")
    directives = {name: sources for name, *sources in (part.split() for part in policy.split(";"))}
    assert directives.pop("default-src") == ["'none'"]
    assert {source for sources in directives.values() for source in sources} <= {"'none'", "'self'", "data:"}
    assert "data:" not in directives.get("script-src", [])
    assert parsed(answer.text).inline == []


@PAGES
@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["curl", "browser"])
def test_head_answers_like_get_without_a_body(provider: RunningProvider, path: str, headers: dict[str, str]) -> None:
    got, headed = (provider.http.request(method, path, headers=headers) for method in ("GET", "HEAD"))
    assert headed.status_code == got.status_code == 200
    assert headed.content == b""
    assert {**headed.headers, "date": ""} == {**got.headers, "date": ""}


@pytest.mark.parametrize("name", ["nothing.js", "../pages.py", "%2e%2e/pages.py", "front.html"])
def test_only_what_pages_load_is_among_the_static_files(provider: RunningProvider, name: str) -> None:
    answer = provider.http.get(f"/static/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")
