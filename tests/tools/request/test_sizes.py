"""How large a request may grow: what is written is counted while it is written, and nothing larger is made."""

import base64
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from time import process_time
from typing import Any
from urllib.parse import quote

import pytest

from app.errors import Invalid, TooLarge
from app.operation.operation import Body, BodyField, Parameter
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.tools.builders import a_parameter, an_operation

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
MEBIBYTE = 2**20
BOUND = 8 * MEBIBYTE
TARGET, HEADERS = 16_384, 32_768
DEEP = BodyField("d", "d", style="deepObject", explode=True)
EXPLODED = BodyField("d", "d", style="form", explode=True)


def whole(media_type: str, *fields: BodyField, binary: bool = False) -> Body:
    return Body(media_type, required=True, argument="body", fields=fields, binary=binary)


def flat(media_type: str, *fields: BodyField) -> Body:
    return Body(media_type, required=True, fields=fields)


def sent(
    body: Body | None, arguments: dict[str, Any], *parameters: Parameter, path: str = "/", most: int = BOUND
) -> UpstreamRequest:
    operation = an_operation("send", "post", path, properties={name: {} for name in arguments}, body=body)
    operation = replace(operation, parameters=parameters)
    return build_request(plan_request(operation, "http://api"), arguments, most)


def refusal(body: Body | None, arguments: dict[str, Any], *parameters: Parameter, **further: Any) -> str:
    with pytest.raises(TooLarge) as refused:
        sent(body, arguments, *parameters, **further)
    assert refused.value.code == "request_too_large"
    return refused.value.detail


def with_parameter(value: Any, name: str = "q", location: Any = "query", style: Any = "form", **changes: Any) -> str:
    """The one part of the request that has the parameter: path and query, or the headers."""
    parameter = a_parameter(name, location, style, **changes)
    path = f"/{{{name}}}" if location == "path" else "/"
    request = sent(None, {parameter.argument: value}, parameter, path=path)
    if location in {"path", "query"}:
        return request.url.removeprefix("http://api")
    return "".join(f"{name}: {text}\r\n" for name, text in request.headers[1:])


def nested(levels: int, name: str, inside: Any) -> Any:
    for _ in range(levels):
        inside = {name: inside}
    return inside


# Each of these would be far larger on the wire than the few megabytes that callers may send.
LONG_NAME = "n" * 50_000
GROWING: dict[str, tuple[Body, Any]] = {
    "names of a form": (whole(FORM), {LONG_NAME: [""] * 2_000}),
    "names of parts": (whole(MULTIPART), {LONG_NAME: [""] * 2_000}),
    "names of files": (whole(MULTIPART, binary=True), {LONG_NAME: [{"content": "", "filename": "f"}] * 2_000}),
    "parts": (whole(MULTIPART), {"n": [""] * 90_000}),
    "names of an exploded field": (flat(FORM, BodyField("d", LONG_NAME, style="form", explode=True)), [""] * 2_000),
    "names of a field": (flat(FORM, BodyField("d", LONG_NAME)), [""] * 2_000),
    "names in names": (flat(FORM, DEEP), nested(100, "n" * 10_000, {f"{each}": 1 for each in range(1_000)})),
    "a list below a name": (flat(FORM, DEEP), {LONG_NAME: [""] * 2_000}),
    "percent signs": (whole(FORM), {"n": "%" * 3_000_000}),
    "a text": (whole("text/plain"), "é" * 4_200_000),
    "JSON": (whole("application/json"), ["é" * 4_200] * 1_000),
    "members": (flat("application/json", BodyField("d", "d")), ["é" * 4_200] * 1_000),
    "JSON as bytes": (whole("application/pdf"), ["é" * 4_200] * 1_000),
    "bytes": (whole("image/png", binary=True), base64.b64encode(bytes(BOUND + 1)).decode()),
}


@pytest.mark.parametrize("case", GROWING)
def test_what_grows_beyond_the_bound_is_refused_and_never_made(case: str) -> None:
    body, value = GROWING[case]
    (argument,) = body.arguments
    tracemalloc.start()
    try:
        detail = refusal(body, {argument: value})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert detail == (
        "Nothing was sent: the body would have more than 8,388,608 bytes (UPSTREAM_REQUEST_BYTES). "
        "Send less, or send it in several calls."
    )
    assert peak < 4 * BOUND


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (whole(FORM), {"n": "a b" * 500_000}),
        (whole(MULTIPART), {"n": ["a b"] * 20_000}),
        (flat(FORM, DEEP), nested(100, "n" * 1_000, {f"{each}": 1 for each in range(50)})),
        (whole("application/json"), {"n": ["a b c d e f g h"] * 90_000}),
        (whole("image/png", binary=True), "AAAA" * 1_000_000),
    ],
)
def test_what_is_within_the_bound_is_made_in_a_small_multiple_of_it(body: Body, value: Any) -> None:
    (argument,) = body.arguments
    tracemalloc.start()
    try:
        content = sent(body, {argument: value}).content
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert content is not None
    assert 1_000_000 < len(content) <= BOUND
    assert peak < 4 * BOUND


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (whole("text/plain"), "a" * 5_000),
        (whole("application/json"), ["a" * 5_000]),
        (whole("application/pdf"), ["a" * 5_000]),
        (whole("image/png", binary=True), base64.b64encode(bytes(5_000)).decode()),
        (whole(MULTIPART), {"n": ["a" * 1_000] * 5}),
        (whole(MULTIPART, BodyField("f", "f", binary=True)), {"f": base64.b64encode(bytes(5_001)).decode()}),
        (flat(MULTIPART, BodyField("d", "d")), ["é"] * 50),
        (whole(FORM), {"n": ["a b"] * 500, "e": "", "j": {"a": 1}}),
        (flat(FORM, EXPLODED), {"a b": "é", "c": 1}),
        (flat(FORM, EXPLODED), ["é"] * 500),
        (flat(FORM, BodyField("d", "d", style="pipeDelimited", explode=False)), ["é", "a"] * 300),
        (flat(FORM, BodyField("d", "d", style="form", explode=False)), "%" * 500),
        (flat(FORM, DEEP), {"a": {"b": [1, "é"]}, "c": "x"}),
        (flat("application/json", BodyField("d", "é")), ["a"] * 300),
    ],
)
def test_exactly_the_bound_is_sent_and_a_byte_more_is_not(body: Body, value: Any) -> None:
    (argument,) = body.arguments
    content = sent(body, {argument: value}).content
    assert content is not None
    assert sent(body, {argument: value}, most=len(content)).content == content
    assert f"more than {len(content) - 1:,} bytes" in refusal(body, {argument: value}, most=len(content) - 1)


@pytest.mark.parametrize(
    ("location", "style", "explode", "value"),
    [
        ("query", "form", False, "a" * 20_000),
        ("query", "form", False, "%" * 6_000),
        ("query", "form", True, ["a"] * 10_000),
        ("query", "form", False, ["a"] * 10_000),
        ("query", "form", True, {f"name{each}": 1 for each in range(2_000)}),
        ("query", "form", True, {"%" * 6_000: 1}),
        ("query", "pipeDelimited", False, ["a"] * 5_000),
        ("query", "deepObject", True, {"a" * 5_000: [1, 2, 3, 4]}),
        ("query", "deepObject", True, nested(120, "a" * 200, 1)),
        ("path", "simple", False, ["a"] * 10_000),
        ("path", "simple", True, {f"{each}": 1 for each in range(4_000)}),
        ("path", "label", True, "a" * 20_000),
        ("path", "matrix", True, ["a"] * 10_000),
        ("path", "matrix", False, ["a"] * 10_000),
    ],
)
def test_path_and_query_have_a_bound_of_their_own(location: Any, style: Any, explode: bool, value: Any) -> None:
    with pytest.raises(TooLarge) as refused:
        with_parameter(value, "q", location, style, explode=explode)
    assert refused.value.detail == (
        "Nothing was sent: path and query would have more than 16,384 bytes, which servers do not accept. "
        "Send less, or send it in several calls."
    )


@pytest.mark.parametrize(
    "value", [{"%" * 3_000_000: 1}, nested(100, "a" * 10_000, 1), {"a" * 10_000: ["b" * 7_000] * 500}]
)
def test_a_name_that_does_not_fit_is_never_put_together(value: Any) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            with_parameter(value, style="deepObject", explode=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * MEBIBYTE


def test_a_file_that_does_not_fit_is_never_decoded() -> None:
    content = "AAAA" * 1_000_000
    tracemalloc.start()
    try:
        refusal(whole("image/png", binary=True), {"body": content}, most=2_999_997)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEBIBYTE


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("location", ["path", "query", "querystring"])
def test_a_value_in_a_media_type_counts_as_well(location: Any, content_type: str) -> None:
    parameter = a_parameter("q", location, "simple", content_type=content_type)
    assert "path and query" in refusal(
        None, {parameter.argument: "é" * 3_000}, parameter, path="/{q}" * (location == "path")
    )


def test_a_target_may_have_sixteen_kibibytes() -> None:
    assert len(with_parameter("a" * (TARGET - len("/?q=")))) == TARGET
    with pytest.raises(TooLarge):
        with_parameter("a" * (TARGET - len("/?q=") + 1))
    in_form = a_parameter("w", "querystring", content_type=FORM)
    assert len(sent(None, {in_form.argument: {"a": "b" * 16_000}}, in_form).url) > 16_000
    refusal(None, {in_form.argument: {"a": ["b"] * 5_000}}, in_form)


def test_the_address_itself_is_a_part_of_the_target() -> None:
    for path in (f"/{'a' * TARGET}", f"/?{'a' * TARGET}", f"/{{x}}{'a' * TARGET}"):
        parameters = (a_parameter("x", "path", "simple"),) if "{x}" in path else ()
        refusal(None, {parameter.argument: 1 for parameter in parameters}, *parameters, path=path)
    base_url = f"http://api/{'a' * 10_000}?{'b' * 6_500}"
    with pytest.raises(TooLarge):
        build_request(plan_request(an_operation(), base_url), {})


def test_a_value_that_a_path_repeats_counts_each_time() -> None:
    parameter = a_parameter("x", "path", "simple")
    assert sent(None, {parameter.argument: "a" * 1_000}, parameter, path="/{x}" * 16).url.count("a" * 1_000) == 16
    refusal(None, {parameter.argument: "a" * 1_000}, parameter, path="/{x}" * 17)


def test_a_long_name_of_the_document_counts_for_every_item() -> None:
    name = "n" * 4_000
    assert len(with_parameter(["a"] * 4, name, explode=True)) == 4 * (4_000 + len("?n=a") - 1) + 1
    with pytest.raises(TooLarge):
        with_parameter(["a"] * 5, name, explode=True)


def test_headers_and_cookies_have_a_bound_together() -> None:
    said = "headers and cookies would have more than 32,768 bytes"
    header, cookie = a_parameter("X-A", "header", "simple"), a_parameter("c", "cookie", explode=True)
    fits = HEADERS - len("X-A: \r\n")
    assert len(with_parameter("a" * fits, "X-A", "header", "simple")) == HEADERS
    assert said in refusal(None, {header.argument: "a" * (fits + 1)}, header)
    assert said in refusal(None, {header.argument: ["a"] * 20_000}, header)
    assert said in refusal(None, {cookie.argument: "a" * HEADERS}, cookie)
    assert said in refusal(None, {cookie.argument: {f"{each}": 1 for each in range(20_000)}}, cookie)
    cookies = {cookie.argument: {"a": "b" * 10, "c": 1, "d": 2}}
    (_, (_, text)) = sent(None, cookies, cookie).headers
    fits -= len(f"cookie: {text}\r\n")
    assert sent(None, {header.argument: "a" * fits, **cookies}, header, cookie).headers[2] == ("cookie", text)
    assert said in refusal(None, {header.argument: "a" * (fits + 1), **cookies}, header, cookie)
    assert said in refusal(None, {header.argument: "a" * 20_000, cookie.argument: "a" * 20_000}, header, cookie)


@pytest.mark.extended
def test_time_grows_no_faster_than_what_is_sent() -> None:
    def seconds(number: int) -> float:
        value = nested(50, "n", {f"{each}": [each] for each in range(number)})
        started = process_time()
        sent(flat(FORM, DEEP), {"d": value})
        return process_time() - started

    seconds(100)
    taken = [min(seconds(number) for _ in range(3)) for number in (500, 1_000, 2_000, 4_000)]
    assert all(later < 4 * earlier for earlier, later in pairwise(taken))


def test_a_form_with_very_many_wrong_members_names_no_more_than_fifty() -> None:
    with pytest.raises(Invalid) as refused:
        sent(whole(FORM), {"body": {f"{each}": float("inf") for each in range(1_000)}})
    assert len(refused.value.violations) == 50


@pytest.mark.parametrize("length", [16_384, 16_385, 40_000])
def test_long_texts_are_encoded_as_short_ones_are(length: int) -> None:
    text = ("a%b é~/\x00&+%25" * length).encode()[:length].decode(errors="ignore")
    content = sent(whole(FORM), {"body": {"n": text}}).content
    assert content == f"n={quote(text, safe='')}".encode()
