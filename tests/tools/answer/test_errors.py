"""The forms in which APIs say what went wrong, and what an agent reads of each."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.answer.errors import summary_of

PROBLEM = {
    "type": "https://example.com/out-of-stock",
    "title": "Out of stock",
    "status": 422,
    "detail": "There is no basil.",
    "errors": [{"pointer": "/items/0", "detail": "must be in stock"}, {"detail": "try tomorrow"}],
}
FORMS: dict[str, tuple[Any, list[str]]] = {
    "problem details": (
        PROBLEM,
        [
            "Out of stock. There is no basil (type: https://example.com/out-of-stock)",
            "- /items/0: must be in stock",
            "- try tomorrow",
        ],
    ),
    "a blank type, another status": ({"type": "about:blank", "title": "Down", "status": 503}, ["Down (status: 503)"]),
    "OAuth": ({"error": "invalid_scope", "error_description": "No."}, ["No. invalid_scope"]),
    "an error object": ({"error": {"message": "Quota exceeded.", "code": 429}}, ["Quota exceeded (code: 429)"]),
    "a message with errors": (
        {"message": "Validation Failed", "errors": [{"field": "title", "code": "missing", "message": "is missing"}]},
        ["Validation Failed", "- title: is missing (code: missing)"],
    ),
    "JSON:API": (
        {"errors": [{"title": "Invalid", "detail": "too short", "source": {"pointer": "/data/name"}}]},
        ["- /data/name: Invalid. too short"],
    ),
    "locations": (
        {"detail": [{"loc": ["body", "price", 0], "msg": "must be positive", "type": "greater_than"}]},
        ["- body/price/0: must be positive (type: greater_than)"],
    ),
    "by field": (
        {"errors": {"email": ["is taken", "is short"], "name": ["is blank"]}},
        ["- email: is taken; is short", "- name: is blank"],
    ),
    "texts": ({"errors": ["one", "two"]}, ["- one", "- two"]),
    "a list": ([{"message": "one"}], ["- one"]),
    "a fault": ({"fault": {"faultstring": "Invalid key"}}, ["Invalid key"]),
}


@pytest.mark.parametrize(("body", "summary"), FORMS.values(), ids=FORMS)
def test_each_form_is_read(body: Any, summary: list[str]) -> None:
    assert (summary_of(body, status=422) or "").split("\n") == summary


@pytest.mark.parametrize("body", [None, 5, "text", True, [], {}, {"data": 1}, {"detail": ""}, {"code": 7}, [[], {}]])
def test_what_says_nothing_has_no_summary(body: Any) -> None:
    assert summary_of(body, status=400) is None


def test_a_summary_is_short_whatever_the_error_holds() -> None:
    many = {"errors": [{"field": f"f{number}", "message": "x" * 5_000} for number in range(1_000)]}
    assert len(summary_of(many, status=400) or "") <= 2_000
    few = {"errors": [f"e{number}" for number in range(1_000)]}
    assert (summary_of(few, status=400) or "").splitlines()[-2:] == ["- e9", "- and 990 more"]


def test_nothing_hidden_comes_through() -> None:
    assert summary_of({"title": "a\u202eb\x1b[31mc\nd"}, status=400) == "abc d"


NAMES = st.sampled_from(["title", "detail", "errors", "error", "status", "type", "loc", "source", "pointer", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=30,
)


@given(JSON)
def test_any_json_has_a_summary_or_none(body: Any) -> None:
    summary = summary_of(body, status=400)
    assert summary is None or 0 < len(summary) <= 2_000
