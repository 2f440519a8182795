"""Arguments in path, query, headers and cookies: the styles of OAS 3.1.1, and what each of them has to refuse."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.operation.operation import Parameter
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.openapi.documents import a_document, a_get, only
from tests.tools.builders import a_parameter, an_operation

WORDS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}
ODD = "a b&c=d/e?f#g+h%i,jé"
ODD_ENCODED = "a%20b%26c%3Dd%2Fe%3Ff%23g%2Bh%25i%2Cj%C3%A9"


def request_with(path: str, given: Mapping[Parameter, Any]) -> UpstreamRequest:
    properties: dict[str, Any] = {parameter.argument: {} for parameter in given}
    operation = replace(an_operation(path=path, properties=properties), parameters=tuple(given))
    return build_request(
        plan_request(operation, "http://api"), {parameter.argument: value for parameter, value in given.items()}
    )


def path_with(value: Any, style: Any, **changes: Any) -> str:
    return request_with("/c/{color}", {a_parameter("color", "path", style, **changes): value}).url.removeprefix(
        "http://api/c/"
    )


def query_with(value: Any, style: Any = "form", **changes: Any) -> str:
    return request_with("/", {a_parameter("color", "query", style, **changes): value}).url.removeprefix("http://api/")


def header_with(value: Any, **changes: Any) -> str:
    sent = request_with("/", {a_parameter("X-Color", "header", "simple", **changes): value})
    assert sent.headers[0] == ("accept", "application/json, */*;q=0.1")
    ((name, text),) = sent.headers[1:]
    assert name == "X-Color"
    return text


def refusal_of(parameter: Parameter, value: Any) -> str:
    """Why this value cannot be sent, which has to be the only violation."""
    path = f"/{{{parameter.name}}}" if parameter.location == "path" else "/"
    with pytest.raises(Invalid) as refused:
        request_with(path, {parameter: value})
    (violation,) = refused.value.violations
    assert violation.pointer == f"/{parameter.argument}"
    return violation.detail


@pytest.mark.parametrize(
    ("style", "explode", "text", "words", "members"),
    [
        ("simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
    ],
)
def test_a_path_has_the_styles_of_the_specification(
    style: str, explode: bool, text: str, words: str, members: str
) -> None:
    assert path_with("blue", style, explode=explode) == text
    assert path_with(WORDS, style, explode=explode) == words
    assert path_with(RGB, style, explode=explode) == members


@pytest.mark.parametrize(
    ("style", "explode", "words", "members"),
    [
        ("form", False, "?color=blue,black,brown", "?color=R,100,G,200,B,150"),
        ("form", True, "?color=blue&color=black&color=brown", "?R=100&G=200&B=150"),
        ("spaceDelimited", False, "?color=blue%20black%20brown", "?color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, "?color=blue%7Cblack%7Cbrown", "?color=R%7C100%7CG%7C200%7CB%7C150"),
        (
            "deepObject",
            True,
            "?color%5B%5D=blue&color%5B%5D=black&color%5B%5D=brown",
            "?color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
        ),
    ],
)
def test_a_query_has_the_styles_of_the_specification(style: str, explode: bool, words: str, members: str) -> None:
    assert query_with("blue", style, explode=explode) == "?color=blue"
    assert query_with(WORDS, style, explode=explode) == words
    assert query_with(RGB, style, explode=explode) == members


@pytest.mark.parametrize(
    ("explode", "members"),
    [(False, "R,100,G,200,B,150"), (True, "R=100,G=200,B=150")],
)
def test_a_header_is_written_in_the_style_simple(explode: bool, members: str) -> None:
    assert header_with("blue", explode=explode) == "blue"
    assert header_with(WORDS, explode=explode) == "blue,black,brown"
    assert header_with(RGB, explode=explode) == members


def test_cookies_share_one_header() -> None:
    given = {
        a_parameter("session", "cookie"): "a;b",
        a_parameter("flags", "cookie", explode=True): RGB,
        a_parameter("seen", "cookie"): [1, 2],
    }
    assert request_with("/", given).headers[1:] == (("cookie", "session=a%3Bb; R=100; G=200; B=150; seen=1,2"),)


@pytest.mark.parametrize(
    ("explode", "words", "members"),
    [
        (False, "color=blue,black,brown", "color=R,100,G,200,B,150"),
        (True, "color=blue; color=black; color=brown", "R=100; G=200; B=150"),
    ],
)
def test_a_cookie_in_its_own_style_is_not_encoded(explode: bool, words: str, members: str) -> None:
    parameter = a_parameter("color", "cookie", "cookie", explode=explode)
    for value, expected in (("a%20b/c=d:{e}", "color=a%20b/c=d:{e}"), (WORDS, words), (RGB, members), (5, "color=5")):
        assert request_with("/", {parameter: value}).headers[1:] == (("cookie", expected),)


@pytest.mark.parametrize("value", ["a b", "a;b", "a,b", 'a"b', "a\\b", "ü", "a\r\nb", ["x", "a,b"], {"a": "b; c"}])
@pytest.mark.parametrize("explode", [True, False])
def test_what_no_cookie_can_hold_is_refused(value: Any, explode: bool) -> None:
    refusal = refusal_of(a_parameter("color", "cookie", "cookie", explode=explode), value)
    assert refusal == "must be ASCII without spaces, quotes, commas, semicolons and backslashes, as cookies are"


@pytest.mark.parametrize("name", ["a;", "a=b", "a b", "", "ü"])
def test_a_cookie_has_no_name_that_goes_on_as_a_value(name: str) -> None:
    parameter = a_parameter("color", "cookie", "cookie", explode=True)
    assert refusal_of(parameter, {name: "x"}) == "must have names that cookies can have"


def test_a_document_states_the_style_of_its_cookies() -> None:
    parameter = {"name": "color", "in": "cookie", "style": "cookie", "schema": {"type": "array"}}
    operation, item = only(a_document({"/": a_get(parameter)}, version="3.2.0"))
    request = build_request(plan_request(operation, "http://api"), {"color": ["a%20b", "c"]})
    assert (item.status, request.headers[1:]) == ("ready", (("cookie", "color=a%20b; color=c"),))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-5, "-5"),
        (2**70, "1180591620717411303424"),
        (1.5, "1.5"),
        (3.0, "3"),
        (-3.0, "-3"),
        (2.0**53 - 1, "9007199254740991"),
        (2.0**53, "9007199254740992.0"),
        (-(2.0**53), "-9007199254740992.0"),
        ("", ""),
        ("null", "null"),
        ([[1, "x"], {"y": None}], "%5B1%2C%22x%22%5D,%7B%22y%22%3Anull%7D"),
        ([1, None, True], "1,true"),
        ({"a": None, "b": 2}, "b,2"),
    ],
)
def test_values_are_written_as_texts(value: Any, text: str) -> None:
    assert query_with(value) == f"?color={text}"


def test_null_is_left_out_in_every_style() -> None:
    assert query_with({"a": None, "b": [None, 1]}, "deepObject", explode=True) == "?color%5Bb%5D%5B%5D=1"
    assert query_with({"a": None, "b": 2}, explode=True) == "?b=2"
    assert query_with([None, 2], explode=True) == "?color=2"
    assert path_with([None, 2], "matrix", explode=True) == ";color=2"
    assert header_with([None, 2]) == "2"
    optional = a_parameter("color"), a_parameter("X-Color", "header", "simple"), a_parameter("color", "cookie")
    assert request_with("/", dict.fromkeys(optional)) == request_with("/", {})


@pytest.mark.parametrize("explode", [False, True])
@pytest.mark.parametrize("value", [[], {}, [None]])
def test_an_empty_list_or_object_is_no_parameter(value: Any, explode: bool) -> None:
    assert query_with(value, explode=explode) == ""
    assert query_with(value, "deepObject", explode=explode) == ""


def test_deep_objects_go_on_in_brackets() -> None:
    value = {"a b": {"c": [1, {"d": ODD}]}, "z": ""}
    expected = f"color%5Ba%20b%5D%5Bc%5D%5B0%5D=1&color%5Ba%20b%5D%5Bc%5D%5B1%5D%5Bd%5D={ODD_ENCODED}&color%5Bz%5D="
    assert query_with(value, "deepObject", explode=True) == f"?{expected}"


def test_members_of_an_exploded_object_go_on_in_dots_and_lists_repeat_their_name() -> None:
    value = {
        "n": 1,
        "sort": ["a,desc", None, "b"],
        "a b": {"c": {"d": ODD}, "e": [1, 2]},
        "rows": [{"x": 1}, {"y": [2, 3]}],
    }
    expected = (
        f"n=1&sort=a%2Cdesc&sort=b&a%20b.c.d={ODD_ENCODED}&a%20b.e=1&a%20b.e=2"
        "&rows%5B0%5D.x=1&rows%5B1%5D.y=2&rows%5B1%5D.y=3"
    )
    assert query_with(value, explode=True) == f"?{expected}"
    assert query_with({"a": {}, "b": [], "c": [None], "d": {"e": None}}, explode=True) == ""


def test_objects_in_a_list_have_numbers_where_its_name_ends_in_brackets() -> None:
    sent = request_with("/", {a_parameter("rows[]", explode=True): [{"x": 1, "y": [2]}, None, {"x": 3}]})
    assert sent.url == "http://api/?rows%5B0%5D%5Bx%5D=1&rows%5B0%5D%5By%5D%5B%5D=2&rows%5B1%5D%5Bx%5D=3"
    sent = request_with("/", {a_parameter("rows[]", explode=True): [1, 2]})
    assert sent.url == "http://api/?rows%5B%5D=1&rows%5B%5D=2"


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
def test_what_has_a_meaning_in_a_path_is_encoded(style: str) -> None:
    before = {"simple": "", "label": ".", "matrix": ";color="}[style]
    assert path_with(ODD, style) == before + ODD_ENCODED
    assert path_with([ODD, "-._~"], style) == f"{before}{ODD_ENCODED},-._~"
    assert path_with({ODD: ODD}, style) == f"{before}{ODD_ENCODED},{ODD_ENCODED}"


def test_what_has_a_meaning_in_a_query_is_encoded() -> None:
    assert query_with(ODD) == f"?color={ODD_ENCODED}"
    assert query_with([ODD, "-._~"]) == f"?color={ODD_ENCODED},-._~"
    assert query_with({ODD: ODD}, explode=True) == f"?{ODD_ENCODED}={ODD_ENCODED}"
    assert query_with([ODD], "pipeDelimited", explode=True) == f"?color={ODD_ENCODED}"


def test_names_are_encoded_too() -> None:
    for style in ("form", "deepObject"):
        assert query_with("1", style, explode=True) == "?color=1"
        sent = request_with("/", {a_parameter("a[b]&c", style=style, explode=True): "1"})
        assert sent.url == "http://api/?a%5Bb%5D%26c=1"
    assert request_with("/", {a_parameter("a b"): [1, 2]}).url == "http://api/?a%20b=1,2"
    assert request_with("/{a b}", {a_parameter("a b", "path", "matrix"): 1}).url == "http://api/;a%20b=1"


def test_reserved_characters_stay_where_the_document_allows_them_but_for_those_that_end_a_value() -> None:
    kept, encoded = ":/?@!$'()*", "%26%3D%2B%23%3B%5B%5D"
    text = f"{kept}&=+#;[],"
    assert query_with(text, allow_reserved=True) == f"?color={kept}{encoded},"
    assert query_with([text], allow_reserved=True) == f"?color={kept}{encoded}%2C"
    assert query_with([text], allow_reserved=True, explode=True) == f"?color={kept}{encoded}%2C"
    name = "a:/"
    assert query_with({name: text}, allow_reserved=True, explode=True) == f"?a%3A%2F={kept}{encoded}%2C"
    assert query_with({name: text}, allow_reserved=True) == f"?color={name},{kept}{encoded}%2C"


@pytest.mark.parametrize(
    ("style", "value", "reason"),
    [
        ("spaceDelimited", ["a b"], "must not have ' ' in its items: it would be read as more items"),
        ("spaceDelimited", {"a b": 1}, "must not have ' ' in its items: it would be read as more items"),
        ("pipeDelimited", ["x", "a|b"], "must not have '|' in its items: it would be read as more items"),
        ("pipeDelimited", {"x": "a|b"}, "must not have '|' in its items: it would be read as more items"),
        ("deepObject", {"a": {"b]": 1}}, "must not have brackets in its names"),
        ("deepObject", {"[b": 1}, "must not have brackets in its names"),
    ],
)
def test_what_a_style_would_split_is_refused(style: Any, value: Any, reason: str) -> None:
    assert refusal_of(a_parameter("color", style=style), value) == reason


@pytest.mark.parametrize("name", ["b.c", "b[", "]"])
def test_dots_and_brackets_in_names_of_members_of_members_are_refused(name: str) -> None:
    refusal = refusal_of(a_parameter("color", explode=True), {"a.x": 1, "a": {name: 1}})
    assert refusal == "must not have dots or brackets in its names"


@pytest.mark.parametrize("style", ["spaceDelimited", "pipeDelimited"])
def test_delimiters_do_no_harm_in_a_text_or_where_each_item_stands_alone(style: str) -> None:
    assert query_with("a b|c", style) == "?color=a%20b%7Cc"
    assert query_with(["a b", "c|d"], style, explode=True) == "?color=a%20b&color=c%7Cd"


@pytest.mark.parametrize(
    ("style", "value"),
    [
        ("simple", ""),
        ("simple", "."),
        ("simple", ".."),
        ("simple", []),
        ("simple", {}),
        ("simple", [None]),
        ("label", ""),
        ("label", "."),
        ("label", []),
    ],
)
def test_no_argument_empties_a_segment_of_the_path_or_makes_dots_of_it(style: Any, value: Any) -> None:
    reason = "must not be empty, `.` or `..`: it would change the path"
    assert refusal_of(a_parameter("color", "path", style), value) == reason


@pytest.mark.parametrize(("value", "written"), [("", ";color"), ([], ";color"), (".", ";color=."), ("..", ";color=..")])
def test_in_the_style_matrix_an_empty_value_still_has_its_name(value: Any, written: str) -> None:
    assert path_with(value, "matrix") == written


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
@given(value=st.text(max_size=6) | st.lists(st.sampled_from([".", "/", "..", "", "%2e", "?", "#"]), max_size=3))
def test_a_value_never_leaves_its_place(content_type: str | None, value: Any) -> None:
    given = {
        a_parameter("a", "path", "simple", content_type=content_type): value,
        a_parameter("b", "path", "label"): value,
        a_parameter("c", "query"): value,
    }
    try:
        url = request_with("/x/{a}.{b}/y?z=1", given).url
    except Invalid:
        return
    path, _, query = url.removeprefix("http://api").partition("?")
    before, x, middle, y = path.split("/")
    assert (before, x, y) == ("", "x", "y")
    assert middle not in {"", ".", ".."}
    assert "#" not in url
    assert query.split("&", 1)[0] == "z=1"
    assert query.count("&") == query.count("c=") <= 1


@pytest.mark.parametrize(
    ("value", "explode"),
    [
        (["a,b"], False),
        (["a,b"], True),
        ({"a,b": "c"}, False),
        ({"a": "b,c"}, True),
        ({"a=b": "c"}, True),
        (["a=b"], True),
    ],
)
def test_a_header_has_no_items_that_would_be_read_as_more(value: Any, explode: bool) -> None:
    reason = "must not have commas in its items: they would be read as more items"
    assert refusal_of(a_parameter("X-Color", "header", "simple", explode=explode), value) == reason


def test_commas_and_equals_signs_do_no_harm_in_a_header_that_is_one_text() -> None:
    assert header_with("a,b=c", explode=True) == "a,b=c"
    assert header_with(["a=b"], explode=False) == "a=b"


@pytest.mark.parametrize("value", ["a\r\nb", "a\n", " a", "a ", "\ta", "é", "a\x00b", "a\x7f", ["a", "é"]])
def test_a_header_holds_printable_ascii_only(value: Any) -> None:
    reason = "must be printable ASCII without spaces at its ends: it is sent in a header"
    assert refusal_of(a_parameter("X-Color", "header", "simple"), value) == reason
    if isinstance(value, str):
        assert refusal_of(a_parameter("X-Color", "header", "simple", content_type="text/plain"), value) == reason


@pytest.mark.parametrize("value", ["", "a", "a b\tc", "!~"])
def test_a_header_may_be_empty_and_have_spaces_inside(value: str) -> None:
    assert header_with(value) == value


def test_parameters_with_a_media_type_are_written_in_it() -> None:
    value = {"a": [1, "é"]}
    in_url = "%7B%22a%22%3A%5B1%2C%22%C3%A9%22%5D%7D"
    json, text = {"content_type": "application/json"}, {"content_type": "text/plain"}
    assert query_with(value, explode=True, **json) == f"?color={in_url}"
    assert query_with("é", **json) == "?color=%22%C3%A9%22"
    assert query_with("é /", **text) == "?color=%C3%A9%20%2F"
    assert request_with("/", {a_parameter("a b", content_type="text/plain"): 1}).url == "http://api/?a%20b=1"
    assert path_with(value, "simple", **json) == in_url
    assert path_with("a/b", "simple", **text) == "a%2Fb"
    assert header_with(value, **json) == '{"a":[1,"\\u00e9"]}'
    assert header_with("a b", **text) == "a b"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("inf"), "must be a finite number"),
        (float("nan"), "must be a finite number"),
        ([float("-inf")], "must be a finite number"),
        ([[1, float("inf")]], "must hold finite numbers only"),
        ([{"a": [float("nan")]}], "must hold finite numbers only"),
        ([[2**64]], "cannot be written as JSON: it has lone surrogates, integers over 64 bits or more than 250 levels"),
        ("\ud800", "must be Unicode text without lone surrogates"),
        ({"\ud800": 1}, "must be Unicode text without lone surrogates"),
    ],
)
@pytest.mark.parametrize("location", ["path", "query"])
def test_what_no_text_can_say_is_refused(location: Any, value: Any, reason: str) -> None:
    assert refusal_of(a_parameter("color", location, "simple" if location == "path" else "form"), value) == reason
