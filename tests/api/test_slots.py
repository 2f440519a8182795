"""Arguments that try to leave their place in the request; what counts is the head that reaches the upstream."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, unquote_plus

import httpx
import pytest

from tests.api.protocol import ERAS, MODERN, post
from tests.support.installation import Headers, RunningProvider
from tests.support.raw import Raw, raw_upstream
from tests.support.scripted import ok

DOORS = ["rest", *ERAS]
RESERVED = [
    "Authorization",
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Cookie",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "Forwarded",
    "TE",
    "Upgrade",
    "Expect",
    "traceparent",
    "X-HTTP-Method-Override",
    "x_forwarded_for",
    "X_HTTP_Method_Override",
    "Content_Length",
    "Proxy",
    "Content-Encoding",
    "Origin",
    "Referer",
    "CF-Connecting-IP",
    "True-Client-IP",
    "X-Original-URL",
]


def parameter(name: str, where: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": kind}}


def operation(name: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "parameters": list(parameters), "responses": {"200": {"description": "ok"}}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Slots", "version": "1"},
    "paths": {
        "/users/{user}/orders": {"get": operation("orders", parameter("user", "path"))},
        "/files/{name}.{ending}/raw": {
            "get": operation("file", parameter("name", "path"), parameter("ending", "path")),
        },
        "/search": {"get": operation("search", parameter("q", "query"), parameter("page", "query", "integer"))},
        "/noted": {"get": operation("noted", parameter("X-Note", "header"))},
        "/session": {"get": operation("session", parameter("session", "cookie"))},
        "/filtered": {
            "get": operation(
                "filtered",
                parameter("filter", "query", "object") | {"style": "deepObject"},
                parameter("extra", "query", "object"),
                parameter("filter[tenant]", "query"),
                parameter("secret", "query"),
            ),
        },
        "/reserved": {"get": operation("reserved", *(parameter(name, "header") for name in RESERVED))},
    },
}

OTHER_PATHS = {"", ".", ".."} | {
    "../admin",
    "..\\admin",
    "a/../../b",
    "%2e%2e",
    "%2E%2E%2F",
    "%252e%252e%252f",
    "..%2f",
}
OTHER_PATHS |= {"\u2024\u2024/", "\uff0e\uff0e\uff0f"}  # dots and slashes of other kinds
VALUES = [
    "",
    ".",
    "..",
    "...",
    "../admin",
    "..\\admin",
    "/",
    "//evil.example",
    "a/b",
    "a/../../b",
    "%2e%2e",
    "%2E%2E%2F",
    "%252e%252e%252f",
    "..%2f",
    "%2f",
    "%00",
    "\x00",
    "a\x00b",
    "a\r\nX-Evil: 1",
    "a\nb",
    "a\tb",
    "a b",
    "a+b",
    "a?x=1",
    "a#x",
    "a&x=1",
    "a=b",
    "a;x=1",
    "a,b",
    "a:b",
    "http://evil.example/",
    "@evil.example",
    "\\\\evil.example",
    "{user}",
    "${jndi:ldap://x}",
    "\u2024\u2024/",
    "\uff0e\uff0e\uff0f",
    "\u202e",
    "\u2028",
    "\U0001f355",
    "\u0130\u0131",
    "a" * 3_000,
    "' OR 1=1 --",
    '"',
    "\x7f",
    "\u00e9",
    "\ufeff",
]


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    with raw_upstream() as raw:
        raw.describe(DOCUMENT)
        raw.answer = ok(b"{}")
        yield raw


@pytest.fixture(scope="module", autouse=True)
def registered(provider: RunningProvider, admin: Headers, raw: Raw) -> None:
    kept = {"arguments": {"filter_tenant": {"pin": "acme"}, "secret": {"hide": True}}}
    provider.register(admin, raw.url, slug="slots", overrides=[{"method": "GET", "path": "/filtered", **kept}])


class Asked:
    """What became of a call: the request head that reached the upstream, or None and our refusal."""

    def __init__(self, raw: Raw, sent: int, answer: httpx.Response) -> None:
        heads = raw.heads[sent:]
        assert len(heads) <= 1
        self.head = heads[0] if heads else None
        self.answer = answer

    @property
    def target(self) -> str:
        method, target, version = str(self.head).split("\r\n")[0].split(" ")
        assert (method, version) == ("GET", "HTTP/1.1")
        return target

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = str(self.head).split("\r\n")[1:-2]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name.lower()]


def ask(provider: RunningProvider, agent: Headers, raw: Raw, door: str, name: str, arguments: dict[str, Any]) -> Asked:
    sent = len(raw.heads)
    if door == "rest":
        answer = provider.execute(agent, f"slots/{name}", **arguments)
        refused = answer.status_code == 422
    else:
        answer = post(provider, agent, "tools/call", door, name=f"slots__{name}", arguments=arguments)
        refused = answer.json()["result"]["_meta"].get("code") == "invalid_arguments"
    asked = Asked(raw, sent, answer)
    assert refused is (asked.head is None), answer.text
    return asked


@pytest.mark.parametrize("door", ["rest", MODERN])
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_r01_a_path_value_stays_one_segment_or_is_refused(
    provider: RunningProvider, agent: Headers, raw: Raw, value: str, door: str
) -> None:
    asked = ask(provider, agent, raw, door, "orders", {"user": value})
    if value in OTHER_PATHS:
        assert asked.head is None
        return
    empty, users, segment, orders = asked.target.split("/")
    assert (empty, users, orders) == ("", "users", "orders")
    assert unquote(segment, errors="strict") == value
    assert asked.values("host") == [raw.address.removeprefix("http://")]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("name", "ending"), [(".", "."), ("", ""), (".", ""), ("", ".")])
def test_r01_dots_of_two_values_do_not_meet_in_one_segment(
    provider: RunningProvider, agent: Headers, raw: Raw, name: str, ending: str, door: str
) -> None:
    asked = ask(provider, agent, raw, door, "file", {"name": name, "ending": ending})
    assert asked.head is None or asked.target.split("/")[2] not in {"", ".", ".."}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("value", ["", None, [], ["a"], {}, {"a": "b"}, 7, True, 1.5], ids=repr)
def test_r02_a_path_value_of_another_type_is_refused(
    provider: RunningProvider, agent: Headers, raw: Raw, value: object, door: str
) -> None:
    assert ask(provider, agent, raw, door, "orders", {"user": value}).head is None


@pytest.mark.parametrize("door", ["rest", MODERN])
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_r03_a_query_value_stays_one_pair(
    provider: RunningProvider, agent: Headers, raw: Raw, value: str, door: str
) -> None:
    asked = ask(provider, agent, raw, door, "search", {"q": value, "page": 1})
    path, _, query = asked.target.partition("?")
    assert path == "/search"
    pairs = [tuple(map(unquote_plus, pair.split("=", 1))) for pair in query.split("&")]
    assert pairs == [("q", value), ("page", "1")]
    assert "#" not in asked.target


@pytest.mark.parametrize("door", ["rest", MODERN])
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_r04_a_header_value_arrives_as_it_is_or_is_refused(
    provider: RunningProvider, agent: Headers, raw: Raw, value: str, door: str
) -> None:
    asked = ask(provider, agent, raw, door, "noted", {"X-Note": value})
    if asked.head is None:
        assert not value.isascii() or any(not character.isprintable() for character in value)
        return
    assert asked.values("x-note") == [value]
    assert asked.values("x-evil") == []


@pytest.mark.parametrize("door", ["rest", MODERN])
@pytest.mark.parametrize("value", [*VALUES, "a; admin=1", "a, b=c", '"; admin=1; x="'], ids=ascii)
def test_r05_a_cookie_value_stays_one_cookie(
    provider: RunningProvider, agent: Headers, raw: Raw, value: str, door: str
) -> None:
    asked = ask(provider, agent, raw, door, "session", {"session": value})
    (cookie,) = asked.values("cookie")
    name, _, sent = cookie.partition("=")
    assert (name, unquote(sent)) == ("session", value)
    assert not set(sent) & set(' ;,="\\')


@pytest.mark.parametrize("name", RESERVED)
def test_r06_a_header_that_is_not_the_callers_is_no_argument(
    provider: RunningProvider, agent: Headers, raw: Raw, name: str
) -> None:
    tool = provider.http.get("/api/v1/tools/slots/reserved", headers=agent).json()
    assert tool["input_schema"].get("properties", {}) == {}
    for door in DOORS:
        assert ask(provider, agent, raw, door, "reserved", {name: "evil"}).head is None


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Api-Key", "cookie", "user", "path", "url", "base_url", "method", "_method", "__proto__"],
)
def test_r07_r12_what_nobody_declared_is_refused_and_cannot_turn_the_request(
    provider: RunningProvider, agent: Headers, raw: Raw, name: str, door: str
) -> None:
    assert ask(provider, agent, raw, door, "search", {"q": "x", name: "http://evil.example/"}).head is None


@pytest.mark.parametrize("door", DOORS)
def test_r08_no_header_of_the_caller_goes_on(provider: RunningProvider, agent: Headers, raw: Raw, door: str) -> None:
    own = {"Cookie": "a=b", "X-Api-Key": "key", "X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4"}
    own |= {"baggage": "user=alice", "Proxy-Authorization": "Basic eDp5", "X-Note": "mine"}
    asked = ask(provider, {**agent, **own}, raw, door, "search", {"q": "x"})
    assert {name for name, _ in asked.headers} <= {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "host",
        "traceparent",
        "user-agent",
    }
    assert asked.values("authorization") == [agent["Authorization"]]


@pytest.mark.parametrize("door", DOORS)
def test_what_is_pinned_or_hidden_is_not_sent_as_a_member_of_something_else(
    provider: RunningProvider, agent: Headers, raw: Raw, door: str
) -> None:
    asked = ask(provider, agent, raw, door, "filtered", {"filter": {"size": "1"}, "extra": {"page": "2"}})
    assert unquote(asked.target) == "/filtered?filter[size]=1&page=2&filter[tenant]=acme"
    for arguments in (
        {"filter": {"tenant": "evil"}},
        {"filter": {"tenant": {"x": "evil"}}},
        {"extra": {"filter[tenant]": "evil"}},
        {"extra": {"FILTER.tenant": "evil"}},
        {"extra": {"filter": "evil"}},
        {"extra": {"secret": "evil"}},
    ):
        assert ask(provider, agent, raw, door, "filtered", arguments).head is None
    assert (
        "that name is not the caller's to send"
        in ask(provider, agent, raw, door, "filtered", {"extra": {"secret": "evil"}}).answer.text
    )


@pytest.mark.parametrize("door", DOORS)
def test_what_grows_too_large_on_the_wire_is_refused_with_its_limit(
    provider: RunningProvider, agent: Headers, raw: Raw, door: str
) -> None:
    sent = len(raw.heads)
    for name, arguments, said in (
        ("search", {"q": "%" * 6_000}, "16,384 bytes"),
        ("noted", {"X-Note": "a" * 33_000}, "32,768 bytes"),
        ("session", {"session": "a" * 33_000}, "32,768 bytes"),
    ):
        if door == "rest":
            answer = provider.execute(agent, f"slots/{name}", **arguments)
            assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
        else:
            answer = post(provider, agent, "tools/call", door, name=f"slots__{name}", arguments=arguments)
            result = answer.json()["result"]
            assert (result["isError"], result["_meta"]["code"]) == (True, "request_too_large")
        assert said in answer.text
    assert len(raw.heads) == sent


@pytest.mark.parametrize("door", DOORS)
def test_s11_a_pattern_made_to_hang_does_not(
    provider: RunningProvider, admin: Headers, agent: Headers, raw: Raw, door: str
) -> None:
    patterned = parameter("q", "query")
    patterned["schema"]["pattern"] = "^(a+)+$"
    raw.describe({**DOCUMENT, "paths": {"/search": {"get": operation("search", patterned)}}})
    try:
        provider.register(admin, raw.url, slug=f"hanging-{DOORS.index(door)}")
    finally:
        raw.describe(DOCUMENT)
    arguments = {"q": "a" * 2_000 + "!"}
    tool = f"hanging-{DOORS.index(door)}/search"
    if door == "rest":
        answer = provider.execute(agent, tool, **arguments)
    else:
        answer = post(provider, agent, "tools/call", door, name=tool.replace("/", "__"), arguments=arguments)
    assert "invalid_arguments" in json.dumps(answer.json())
    assert answer.elapsed.total_seconds() < 2
