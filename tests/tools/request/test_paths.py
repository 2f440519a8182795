"""Values in the path: what leads below what the template says, and what could lead elsewhere."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from tests.tools.builders import a_parameter
from tests.tools.request.test_parameters import path_with, refusal_of

DOTS = "must not have `.` or `..` between slashes, in any spelling: it would change the path"
SEGMENTS = "must not begin or end with a slash, or have two of them together: it would change the path"
SPELLINGS = "must not have backslashes, encoded slashes or control characters: they could change the path"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a/b", "a/b"),
        ("a b/c?d#e/é", "a%20b/c%3Fd%23e/%C3%A9"),
        (".config/..rc/a.b/...", ".config/..rc/a.b/..."),
        ("100%/x", "100%25/x"),
        (["a/b", "c"], "a/b,c"),
    ],
)
def test_slashes_that_are_allowed_divide_segments(value: Any, written: str) -> None:
    assert path_with(value, "simple", allow_slashes=True) == written


@pytest.mark.parametrize(
    "value",
    [
        "../x",
        "a/../x",
        "a/./x",
        "a/..",
        "a/.. /x",
        "a/..;/x",
        "a/..;v=1/x",
        "a/..\0/x",
        "a/%2e%2e/x",
        "a/%252E./x",
        "a/\uff0e\uff0e/x",
        "..\\x",
        "%2e%2e%2fx",
        "..%5cx",
        "%2e%2e",
        "a/%c0%ae%c0%ae/b",
        "a/%u002e%u002e/b",
        "..?x",
        "a/..%23",
        ".\t.",
        ".%250a.",
        "..\u200b/x",
        ". ./x",
        "%c0%ae%c0%ae%c0%afx",
        "%e0%80%ae.",
        "%25f0%2580%2580%25ae.",
        "%u002e%uff0e",
        "..%uff3cx",
    ],
)
@pytest.mark.parametrize("allow_slashes", [False, True])
def test_no_spelling_of_dot_segments_is_sent(value: str, allow_slashes: bool) -> None:
    assert refusal_of(a_parameter("color", "path", "simple", allow_slashes=allow_slashes), value) == DOTS


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/a", SEGMENTS),
        ("a/", SEGMENTS),
        ("a//b", SEGMENTS),
        ("//evil.example", SEGMENTS),
        ("a\\b", SPELLINGS),
        ("a%5cb", SPELLINGS),
        ("a%2fb", SPELLINGS),
        ("a%252Fb", SPELLINGS),
        ("a/%25C0%25AF", SPELLINGS),
        ("a\uff0fb", SPELLINGS),
        ("a\nb", SPELLINGS),
        ("a\0b", SPELLINGS),
    ],
)
def test_allowed_slashes_are_those_that_every_server_sees(value: str, reason: str) -> None:
    assert refusal_of(a_parameter("color", "path", "simple", allow_slashes=True), value) == reason


def test_what_no_slash_divides_is_one_segment_as_before() -> None:
    assert path_with("https://a.example//b/", "simple") == "https%3A%2F%2Fa.example%2F%2Fb%2F"
    assert path_with("main...feature", "simple") == "main...feature"


@given(
    st.lists(
        st.sampled_from(
            [".", "..", "/", "\\", "%", "2e", "2f", "5c", "25", ";", " ", "a", "\uff0e", "\uff0f", "?", "#"]
        ),
        max_size=8,
    ).map("".join)
)
def test_a_value_stays_below_its_template_however_often_it_is_decoded(value: str) -> None:
    try:
        sent = path_with(value, "simple", allow_slashes=True)
    except Invalid:
        return
    number = sent.count("/")
    for _ in range(4):
        segments = re.split(r"[/\\]", sent)
        assert len(segments) == number + 1
        assert not {"", ".", ".."} & {segment.partition(";")[0].strip() or segment for segment in segments}
        sent = unquote(sent)
