"""Bodies of requests: JSON, forms, multipart, texts and bytes, from arguments of their own or from a whole."""

import base64
import hashlib
from dataclasses import replace
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest

from app.errors import Invalid, Violation
from app.operation.operation import Body, BodyField
from app.tools.request.plan import build_request, plan_request
from tests.tools.builders import an_operation

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
NOT_JSON = "cannot be written as JSON: it has lone surrogates, integers over 64 bits or more than 250 levels"
NOT_BASE64 = "must be bytes in base64, with padding, without line ends or a `data:` prefix"
NO_SURROGATES = "must be Unicode text without lone surrogates"


def sent(body: Body, arguments: dict[str, Any]) -> tuple[str, bytes] | None:
    """Media type and bytes of the body, or None where there is none."""
    request = build_request(plan_request(an_operation("send", "post", body=body), "http://api"), arguments)
    media_types = [value for name, value in request.headers if name == "content-type"]
    if request.content is None:
        assert media_types == []
        return None
    (media_type,) = media_types
    return media_type, request.content


def refusals_of(body: Body, arguments: dict[str, Any]) -> tuple[Violation, ...]:
    with pytest.raises(Invalid) as refused:
        sent(body, arguments)
    return refused.value.violations


def whole(media_type: str, *fields: BodyField, **changes: Any) -> Body:
    return Body(media_type, required=True, argument="body", fields=fields, **changes)


def flat(media_type: str, *fields: BodyField, required: bool = True) -> Body:
    return Body(media_type, required, fields=fields)


def form_of(body: Body, arguments: dict[str, Any]) -> str:
    found = sent(body, arguments)
    assert found is not None
    assert found[0] == FORM
    return found[1].decode()


def parts_of(body: Body, arguments: dict[str, Any]) -> list[Message]:
    """The parts as another reader of multipart understands them, who finds nothing to complain about."""
    found = sent(body, arguments)
    assert found is not None
    parsed = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {found[0]}\r\n\r\n".encode() + found[1])
    assert parsed.defects == []
    assert parsed.preamble is None
    assert parsed.epilogue == ""
    return list(parsed.iter_parts())


def test_members_of_a_json_body_come_from_arguments_of_their_own() -> None:
    body = flat("application/merge-patch+json", BodyField("a", "A"), BodyField("b", "b/~"), BodyField("c", "c"))
    expected = b'{"A":[1,null,{"x":"\xc3\xa9"}],"b/~":null}'
    assert sent(body, {"b": None, "a": [1, None, {"x": "é"}]}) == ("application/merge-patch+json", expected)


@pytest.mark.parametrize(
    ("media_type", "nothing"), [("application/json", b"{}"), (FORM, b""), (MULTIPART, b"--%b--\r\n")]
)
def test_a_body_of_which_nothing_is_given_is_sent_only_where_it_is_required(media_type: str, nothing: bytes) -> None:
    field = BodyField("a", "a")
    assert sent(flat(media_type, field, required=False), {}) is None
    found = sent(flat(media_type, field), {})
    assert found is not None
    boundary = hashlib.sha256(b"").hexdigest().encode()
    assert found[1] == (nothing % boundary if b"%b" in nothing else nothing)


def test_a_whole_body_may_be_left_out_unless_it_is_required() -> None:
    assert sent(replace(whole("application/json"), required=False), {}) is None
    assert refusals_of(whole("application/json"), {}) == (Violation("/body", "is required"),)
    assert refusals_of(replace(whole("application/json"), argument="a/b"), {})[0].pointer == "/a~1b"


@pytest.mark.parametrize(
    ("media_type", "value", "expected"),
    [
        ("application/json", {"a": 1}, b'{"a":1}'),
        ("application/json", None, b"null"),
        ("application/json", "text", b'"text"'),
        ("application/vnd.api+json; version=1", [1.5], b"[1.5]"),
        ("text/plain", "a text", b"a text"),
        ("text/plain; charset=utf-8", "é", "é".encode()),
        ("application/xml", "<é/>", "<é/>".encode()),
        ("application/pdf", "as it is", b"as it is"),
        ("application/pdf", {"a": 1}, b'{"a":1}'),
    ],
)
def test_a_whole_body_is_written_as_its_media_type_asks(media_type: str, value: Any, expected: bytes) -> None:
    assert sent(whole(media_type), {"body": value}) == (media_type, expected)


def test_only_a_text_that_needs_one_gets_a_charset() -> None:
    assert sent(whole("text/plain"), {"body": "é"}) == ("text/plain; charset=utf-8", "é".encode())
    assert sent(whole("TEXT/CSV"), {"body": "é"}) == ("TEXT/CSV; charset=utf-8", "é".encode())
    assert sent(whole("text/csv; header=present"), {"body": "é"}) == ("text/csv; header=present", "é".encode())


@pytest.mark.parametrize("value", [b"\xfb\xff\xfe\x00", b"", b"a"])
def test_bytes_are_given_in_either_alphabet_of_base64(value: bytes) -> None:
    body = whole("image/png", binary=True)
    assert sent(body, {"body": base64.b64encode(value).decode()}) == ("image/png", value)
    assert sent(body, {"body": base64.urlsafe_b64encode(value).decode()}) == ("image/png", value)


@pytest.mark.parametrize(
    "value", ["a", "YQ", "YWJj\nYWJj", "data:image/png;base64,YQ==", "é", "Y Q==", 1, None, ["YQ=="]]
)
def test_what_is_no_base64_is_refused(value: Any) -> None:
    assert refusals_of(whole("image/png", binary=True), {"body": value}) == (Violation("/body", NOT_BASE64),)


@pytest.mark.parametrize(
    ("media_type", "value", "reason"),
    [
        ("text/plain", {"a": 1}, "must be text"),
        ("text/plain", [1], "must be text"),
        (FORM, "a=b", "must be an object: it is sent as a form"),
        (MULTIPART, ["a"], "must be an object: it is sent as a form"),
        ("text/plain", "\ud800", NO_SURROGATES),
        ("application/json", {"a": "\ud800"}, NOT_JSON),
        ("application/json", 2**64, NOT_JSON),
        ("application/json", [{"a": float("nan")}], "must hold finite numbers only"),
        ("application/pdf", float("inf"), "must hold finite numbers only"),
    ],
)
def test_what_cannot_be_written_in_the_media_type_is_refused(media_type: str, value: Any, reason: str) -> None:
    assert refusals_of(whole(media_type), {"body": value}) == (Violation("/body", reason),)


@pytest.mark.parametrize("media_type", ["application/json", FORM, MULTIPART])
def test_each_argument_of_the_body_that_cannot_be_written_is_named(media_type: str) -> None:
    body = flat(media_type, *(BodyField(name, f"{name}_in_body") for name in "abc"))
    violations = refusals_of(body, {"a": [[float("nan")]], "b": 1, "c": [[float("inf")]]})
    assert violations == (
        Violation("/a", "must hold finite numbers only"),
        Violation("/c", "must hold finite numbers only"),
    )


@pytest.mark.parametrize("media_type", [FORM, MULTIPART])
def test_what_a_whole_form_cannot_say_is_blamed_on_the_whole(media_type: str) -> None:
    violations = refusals_of(whole(media_type, BodyField("a", "a")), {"body": {"a": float("nan"), "b": float("inf")}})
    assert violations == (Violation("/body", "must be a finite number"),) * 2


def test_a_form_is_encoded_and_lists_repeat_their_name() -> None:
    body = flat(FORM, BodyField("a", "a b"), BodyField("c", "c"), BodyField("d", "d"), BodyField("e", "e"))
    arguments = {"a": "x y&=é+", "c": [1, None, True], "d": {"k": [1]}, "e": None}
    assert form_of(body, arguments) == "a%20b=x%20y%26%3D%C3%A9%2B&c=1&c=true&d=%7B%22k%22%3A%5B1%5D%7D"


def test_members_of_a_form_may_have_a_media_type() -> None:
    json = BodyField("a", "a", "application/json")
    text = BodyField("b", "b", "text/plain")
    assert form_of(flat(FORM, json, text), {"a": [1, 2], "b": [1, 2]}) == "a=%5B1%2C2%5D&b=1&b=2"
    assert form_of(flat(FORM, json, text), {"a": True, "b": True}) == "a=true&b=true"
    assert form_of(flat(FORM, json, text), {"a": "x", "b": "x"}) == "a=%22x%22&b=x"


def test_members_of_a_form_may_have_a_style() -> None:
    body = flat(
        FORM,
        BodyField("a", "A", style="deepObject", explode=True),
        BodyField("b", "b", style="form", explode=True),
        BodyField("c", "c", style="pipeDelimited", explode=False),
        BodyField("d", "d", style="form"),
    )
    arguments = {"a": {"x": 1}, "b": {"b": 2, "y": 3}, "c": ["m", "n"], "d": ["m", "n"]}
    assert form_of(body, arguments) == "A%5Bx%5D=1&b=2&y=3&c=m%7Cn&d=m,n"
    assert form_of(body, {"b": [1, 2], "a": None}) == "b=1&b=2"
    assert form_of(body, {"b": "m/n?"}) == "b=m%2Fn%3F"


def test_a_whole_form_has_the_encodings_of_its_members() -> None:
    body = whole(FORM, BodyField("a", "a", style="deepObject", explode=True), BodyField("j", "j", "application/json"))
    given = {"a": {"x": 1}, "j": [1], "other": [1, 2], "null": None}
    assert form_of(body, {"body": given}) == "a%5Bx%5D=1&j=%5B1%5D&other=1&other=2"
    assert refusals_of(body, {"body": {"a": {"[": 1}}}) == (Violation("/body", "must not have brackets in its names"),)


def test_a_multipart_body_is_exactly_this() -> None:
    body = flat(
        "Multipart/Form-Data; boundary=x", BodyField("a", "name"), BodyField("f", "file", "image/png", binary=True)
    )
    found = sent(body, {"a": "é", "f": {"content": "AP8=", "filename": "a.png"}})
    parts = [
        'Content-Disposition: form-data; name="name"\r\n\r\né'.encode(),
        b'Content-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x00\xff',
    ]
    boundary = hashlib.sha256(b"\0".join(parts)).hexdigest()
    line = f"--{boundary}".encode()
    assert found == (
        f"multipart/form-data; boundary={boundary}",
        line + b"\r\n" + parts[0] + b"\r\n" + line + b"\r\n" + parts[1] + b"\r\n" + line + b"--\r\n",
    )


def test_another_reader_understands_the_parts() -> None:
    body = flat(
        MULTIPART,
        BodyField("t", "text"),
        BodyField("n", "none"),
        BodyField("l", "list"),
        BodyField("o", "object"),
        BodyField("j", "json", "application/json"),
        BodyField("x", "xml", "application/xml"),
        BodyField("v", "vendor", "application/vnd.x+json"),
    )
    arguments = {
        "t": True,
        "n": None,
        "l": ["a", None, 2],
        "o": {"k": 1},
        "j": [1, None],
        "x": "<x/>",
        "v": {"k": 1},
    }
    written = [
        (part.get_param("name", header="content-disposition"), part["content-type"], part.get_payload(decode=True))
        for part in parts_of(body, arguments)
    ]
    assert written == [
        ("text", None, b"true"),
        ("list", None, b"a"),
        ("list", None, b"2"),
        ("object", "application/json", b'{"k":1}'),
        ("json", "application/json", b"[1,null]"),
        ("xml", "application/xml", b"<x/>"),
        ("vendor", "application/vnd.x+json", b'{"k":1}'),
    ]


@pytest.mark.parametrize(
    ("value", "stated", "filename", "media_type"),
    [
        ("AP8=", None, "file", "application/octet-stream"),
        ("AP8=", "image/png", "file", "image/png"),
        ({"content": "AP8="}, "image/png", "file", "image/png"),
        ({"content": "AP8=", "content_type": "image/gif", "filename": "a.gif"}, "image/png", "a.gif", "image/gif"),
        ({"content": "AP8=", "content_type": "", "filename": ""}, None, "file", "application/octet-stream"),
    ],
)
def test_a_file_says_its_name_and_type_or_the_documents(
    value: Any, stated: str | None, filename: str, media_type: str
) -> None:
    for body, arguments in (
        (flat(MULTIPART, BodyField("f", "file", stated, binary=True)), {"f": value}),
        (whole(MULTIPART, BodyField("f", "file", stated, binary=True)), {"body": {"file": value}}),
    ):
        (part,) = parts_of(body, arguments)
        assert part.get_payload(decode=True) == b"\x00\xff"
        assert part.get_filename() == filename
        assert part["content-type"] == media_type


def test_several_files_are_several_parts() -> None:
    body = flat(MULTIPART, BodyField("f", "file", binary=True))
    parts = parts_of(body, {"f": ["YQ==", None, {"content": "Yg==", "filename": "b"}]})
    assert [(part.get_filename(), part.get_payload(decode=True)) for part in parts] == [("file", b"a"), ("b", b"b")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"content": "YQ==", "content_type": "png"}, "must have a media type like image/png in `content_type`"),
        ({"content": "YQ==", "content_type": 1}, "must have a media type like image/png in `content_type`"),
        ({"content": "YQ==", "content_type": "a/b\r\nX: y"}, "must have a media type like image/png in `content_type`"),
        (
            {"content": "YQ==", "content_type": "a/b;\r\n\r\nc=d"},
            "must have a media type like image/png in `content_type`",
        ),
        ({"content": "YQ==", "content_type": "a/b\r\n"}, "must have a media type like image/png in `content_type`"),
        (
            {"content": "YQ==", "content_type": "a/b\u2028;c=d"},
            "must have a media type like image/png in `content_type`",
        ),
        (
            {"content": "YQ==", "content_type": 'a/b;c="\U0001f355"'},
            "must have a media type like image/png in `content_type`",
        ),
        (
            {"content": "YQ==", "filename": "a.php\0.png"},
            "must not have control characters in the names of parts or files",
        ),
        ({"content": "YQ==", "filename": 1}, "must have text in `filename`"),
        ({"content": "YQ==", "filename": "\ud800"}, NO_SURROGATES),
        ({"filename": "a"}, NOT_BASE64),
        ("?", NOT_BASE64),
    ],
)
def test_a_file_that_is_described_wrongly_is_refused(value: Any, reason: str) -> None:
    body = flat(MULTIPART, BodyField("f", "file", binary=True))
    assert refusals_of(body, {"f": value}) == (Violation("/f", reason),)


def test_names_cannot_end_their_quotes() -> None:
    odd, encoded = 'a"\r\nX: "', "a%22%0D%0AX: %22"
    found = sent(flat(MULTIPART, BodyField("f", odd, binary=True)), {"f": {"content": "YQ==", "filename": odd}})
    assert found is not None
    assert f'form-data; name="{encoded}"; filename="{encoded}"\r\nContent-Type: application/octet'.encode() in found[1]
    assert found[1].count(b"X: ") == 2


def test_no_part_has_a_name_with_control_characters() -> None:
    detail = "must not have control characters in the names of parts or files"
    assert refusals_of(whole(MULTIPART), {"body": {"tenant\0x": "a"}}) == (Violation("/body", detail),)


def test_bytes_are_sent_in_a_media_type_that_is_one_line() -> None:
    body = whole("image/*", binary=True)
    assert sent(body, {"body": {"content": "YQ==", "content_type": "image/x ; a=b"}}) == ("image/x ; a=b", b"a")
    for media_type in ("image/x\n", "image/x\r\n;a=b", "image/x;\x0ba=b"):
        (violation,) = refusals_of(body, {"body": {"content": "YQ==", "content_type": media_type}})
        assert violation.detail == "must have a media type like image/png in `content_type`"


def test_a_text_in_a_part_is_in_the_charset_of_the_part() -> None:
    body = flat(MULTIPART, BodyField("t", "t", "text/plain; charset=iso-8859-1"))
    (part,) = parts_of(body, {"t": "é"})
    assert part.get_payload(decode=True) == b"\xe9"
    detail = "must be text in iso-8859-1, as its media type says"
    assert refusals_of(body, {"t": "€"}) == (Violation("/t", detail),)


def test_a_backslash_escapes_no_quote() -> None:
    file = {"content": "YQ==", "filename": "b; name=tenant\\"}
    found = sent(whole(MULTIPART, binary=True), {"body": {"a\\": file}})
    assert found is not None
    assert b'form-data; name="a%5C"; filename="b; name=tenant%5C"\r\n' in found[1]


def test_a_part_that_looks_like_a_boundary_ends_nothing() -> None:
    body = flat(MULTIPART, BodyField("a", "a"), BodyField("b", "b"))
    first = sent(body, {"a": "x", "b": "y"})
    assert first is not None
    boundary = first[0].removeprefix("multipart/form-data; boundary=")
    parts = parts_of(body, {"a": f"x\r\n--{boundary}--", "b": "y"})
    assert [part.get_payload() for part in parts] == [f"x\r\n--{boundary}--", "y"]


def test_members_that_the_document_does_not_name_are_files_where_it_says_so_of_all() -> None:
    (part,) = parts_of(whole(MULTIPART, binary=True), {"body": {"photo": base64.b64encode(b"\x89PNG").decode()}})
    assert part.get_payload(decode=True) == b"\x89PNG"
    (text,) = parts_of(whole(MULTIPART), {"body": {"photo": "iVBORw=="}})
    assert text.get_payload(decode=True) == b"iVBORw=="
