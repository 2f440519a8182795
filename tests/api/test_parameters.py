"""What stands in addresses beside the route: searches, filters, cursors, numbers, names. Each has a clear answer."""

import base64
import time

import pytest

from tests.api.protocol import LEGACY, post
from tests.support.installation import Headers, RunningProvider

LISTS = ("tools", "sources", "audit")
BIG = 14_000  # characters: nearly a whole request line


def refused(provider: RunningProvider, headers: Headers, path: str, query: str) -> tuple[int, str, str]:
    answer = provider.http.get(f"/api/v1/{path}?{query}", headers=headers)
    body = answer.json()
    assert len(answer.content) < 4_000
    return answer.status_code, body["code"], " ".join(each["detail"] for each in body.get("violations", ()))


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("path", "query", "why"),
    [
        ("tools", f"q={'x' * 201}", "at most 200 characters"),
        ("tools", f"q={'+'.join('abcdefghijk')}", "more than 10 words"),
        ("tools", f"source={'x' * 33}", "at most 32 characters"),
        *(
            ("audit", f"{name}={'x' * 1_001}", "at most 1000 characters")
            for name in ("subject", "preferred_username", "client_id", "tool", "source", "outcome")
        ),
        *((path, f"cursor={'x' * 257}", "at most 256 characters") for path in LISTS),
    ],
)
def test_texts_are_bounded_and_say_how(
    provider: RunningProvider, admin: Headers, path: str, query: str, why: str
) -> None:
    status, code, said = refused(provider, admin, path, query)
    assert (status, code) == (422, "invalid_request")
    assert why in said


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "501", "1e2", "9" * BIG, "%00", "%d9%a1%d9%a0x", "1&limit=2", "", "NaN"])
def test_a_limit_is_a_number_from_1_to_500(provider: RunningProvider, admin: Headers, path: str, limit: str) -> None:
    status, code, said = refused(provider, admin, path, f"limit={limit}")
    assert (status, code) == (422, "invalid_request")
    assert "`limit`" in said


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("0001-01-01T00:00:00Z", 200),
        ("0001-01-01T00:00:00%2B23:59", 200),
        ("9999-12-31T23:59:59-23:59", 200),
        ("-62135596800", 200),
        ("1e308", 422),
        ("9" * BIG, 422),
        ("inf", 422),
        ("nan", 422),
        ("-99999999999999", 422),
        ("2024-13-01", 422),
        ("%00", 422),
        ("2024-01-01T00:00:00.%ff", 422),
    ],
)
def test_a_moment_is_any_that_there_can_be(
    provider: RunningProvider, admin: Headers, name: str, moment: str, status: int
) -> None:
    answer = provider.http.get(f"/api/v1/audit?{name}={moment}", headers=admin)
    assert answer.status_code == status, answer.text[:300]
    assert len(answer.content) < 4_000 or status == 200


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    ["", "%00", "%ff", "%zz", "x", "%ed%a0%80", cursor_of("after:"), cursor_of("before:0"), cursor_of("x" * 9)],
)
def test_a_cursor_of_others_is_refused(provider: RunningProvider, admin: Headers, path: str, cursor: str) -> None:
    assert refused(provider, admin, path, f"cursor={cursor}")[:2] == (422, "cursor_invalid")


@pytest.mark.parametrize("path", [*LISTS, "sources/nobody", "sources/nobody/report", "tools/no/body"])
def test_a_parameter_that_there_is_not_is_refused_and_those_that_there_are_named(
    provider: RunningProvider, admin: Headers, path: str
) -> None:
    status, code, said = refused(provider, admin, path, "subjct=x")
    assert (status, code) == (422, "invalid_request")
    assert "`subjct`: is unknown; there are" in said
    assert ("limit" in said) == (path in LISTS)


@pytest.mark.parametrize("query", ["tool=a/b&tool=c/d", "limit=1&limit=1", "kind=call&kind=nonsense"])
def test_a_parameter_that_is_given_twice_is_refused(provider: RunningProvider, admin: Headers, query: str) -> None:
    status, code, said = refused(provider, admin, "audit", query)
    assert (status, code, "more than once" in said) == (422, "invalid_request", True)


def test_thousands_of_parameters_get_a_short_answer(provider: RunningProvider, admin: Headers) -> None:
    for query in ("&".join(f"x{number}=" for number in range(2_000)), f"{'x' * BIG}=1", "&" * BIG, "=&" * 5_000):
        answer = provider.http.get(f"/api/v1/tools?{query}", headers=admin)
        assert answer.status_code in {200, 422}
        assert len(answer.content) < 6_000 or answer.status_code == 200


@pytest.mark.parametrize(
    "name", ["x" * BIG, "%00", "%ff%fe", "%zz", "%ed%a0%80", "..%2f..%2fetc", "%e2%80%ae", "a%0d%0ab", "x%2f" * 3_000]
)
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "sources/{}", "source_unknown"),
        ("DELETE", "sources/{}", "source_unknown"),
        ("GET", "sources/{}/tools", "source_unknown"),
        ("DELETE", "sources/nobody/tools/{}", "source_unknown"),
        ("GET", "tools/{}", "tool_not_found"),
        ("GET", "tools/nobody/{}", "tool_not_found"),
    ],
)
def test_a_name_that_nothing_has_is_not_found(
    provider: RunningProvider, admin: Headers, method: str, path: str, code: str, name: str
) -> None:
    started = time.monotonic()
    answer = provider.http.request(method, f"/api/v1/{path.format(name)}", headers=admin)
    assert answer.status_code == 404, answer.text[:300]
    assert answer.json()["code"] in {code, "route_not_found"}
    assert len(answer.content) < 2_000
    assert time.monotonic() - started < 2


def test_a_cursor_of_any_length_is_refused_over_mcp(provider: RunningProvider, admin: Headers) -> None:
    for cursor in ("x" * 1_000_000, "\x00", "é", cursor_of("before:1")):
        error = post(provider, admin, "tools/list", cursor=cursor).json()["error"]
        assert "not one of ours" in error["message"]


def test_a_tool_that_somebody_asks_for_hides_nothing_from_an_auditor(provider: RunningProvider, admin: Headers) -> None:
    asked = "pizza\u202e/\u200bget\x9b2J\x7f\u2028"
    shown = r"pizza\u202e/\u200bget\u009b2J\u007f\u2028"
    assert provider.execute(admin, asked).status_code == 404
    post(provider, admin, "tools/call", LEGACY, name=asked, arguments={})
    page = provider.http.get("/api/v1/audit", params={"tool": asked}, headers=admin)
    assert {(record["door"], record["tool"]) for record in page.json()["items"]} == {("rest", shown), ("mcp", shown)}
    assert page.text.isprintable()


def test_a_refusal_that_repeats_a_name_writes_out_what_hides(provider: RunningProvider, admin: Headers) -> None:
    body = {"tool_id": "a/b", "x\u202ey\x9b": 1}
    answer = provider.http.post("/api/v1/tools/execute", json=body, headers=admin)
    assert answer.json()["violations"][0]["pointer"] == r"/x\u202ey\u009b"
    source = {"name": "x", "url": "https://example.com/", "z\u2066": 1}
    assert provider.http.post("/api/v1/sources", json=source, headers=admin).text.isprintable()


def test_our_own_document_says_the_bounds(provider: RunningProvider) -> None:
    document = provider.http.get("/openapi.json").json()

    def lengths(path: str) -> dict[str, int]:
        found = {}
        for each in document["paths"][path]["get"]["parameters"]:
            for schema in (each["schema"], *each["schema"].get("anyOf", ())):
                if "maxLength" in schema:
                    found[each["name"]] = schema["maxLength"]
        return found

    assert lengths("/api/v1/tools") == {"source": 32, "q": 200, "cursor": 256}
    assert lengths("/api/v1/sources") == {"cursor": 256}
    texts = ("subject", "preferred_username", "client_id", "tool", "source", "outcome")
    assert lengths("/api/v1/audit") == {**dict.fromkeys(texts, 1_000), "cursor": 256}
