"""Which operations an admin chooses: rules by tag, path, method and operation."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.curation.selection import Rule, Selection, path_fits
from tests.effort import at_most
from tests.tools.builders import an_operation


def chosen(
    selection: Any, method: str = "GET", path: str = "/orders/{id}", tags: tuple[str, ...] = ("orders",)
) -> bool:
    operation = replace(an_operation("get_order", method, path), tags=tags)
    return Selection.model_validate(selection).reason_against(operation, {"getOrder", "get_order"}) is None


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, True),
        ({"read_only": True}, True),
        ({"include": [{"tags": ["orders", "x"]}]}, True),
        ({"include": [{"tags": ["x"]}]}, False),
        ({"include": [{"tags": ["x"]}, {"operations": ["getOrder"]}]}, True),
        ({"include": [{"tags": ["orders"], "methods": ["post"]}]}, False),
        ({"include": [{"tags": ["orders"], "methods": ["post", "get"], "paths": ["/orders/*"]}]}, True),
        ({"exclude": [{"operations": ["get_order"]}]}, False),
        ({"exclude": [{"methods": ["DELETE"]}]}, True),
        ({"include": [{"tags": ["orders"]}], "exclude": [{"paths": ["/**"]}]}, False),
    ],
)
def test_one_rule_asks_for_all_it_states_and_several_are_alternatives(selection: Any, expected: bool) -> None:
    assert chosen(selection) is expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [("GET", True), ("HEAD", True), ("QUERY", True), ("POST", False), ("PUT", False), ("DELETE", False)],
)
def test_read_only_is_one_word(method: str, expected: bool) -> None:
    assert chosen({"read_only": True}, method) is expected


def test_read_only_goes_by_what_the_operation_does_where_that_was_stated() -> None:
    selection = Selection(read_only=True)
    search = replace(an_operation("search", "POST"), stated_hints={"read_only": True})
    trap = replace(an_operation("logout", "GET"), stated_hints={"read_only": False})
    assert selection.reason_against(search, {"search"}) is None
    assert selection.reason_against(trap, {"logout"}) is not None


def test_the_reason_names_the_rule() -> None:
    operation = an_operation("a")
    rules = [Rule(operations=["b"]), Rule(methods=["GET"])]
    assert "selection.exclude[1]" in str(Selection(exclude=rules).reason_against(operation, {"a"}))
    assert "selection.include" in str(Selection(include=rules[:1]).reason_against(operation, {"a"}))


@pytest.mark.parametrize(
    ("glob", "fitting", "others"),
    [
        ("/orders", ["/orders"], ["/orders/", "/orders/1", "/Orders", "/order"]),
        ("/orders/*", ["/orders/{id}", "/orders/"], ["/orders", "/orders/{id}/items"]),
        ("/orders/**", ["/orders", "/orders/{id}", "/orders/{id}/items"], ["/ordersets", "/v1/orders"]),
        ("/**", ["/", "/a", "/a/b"], []),
        ("**", ["/", "/a", "/a/b"], []),
        ("/**/items", ["/items", "/a/items", "/a/b/items"], ["/items/a", "/aitems"]),
        ("/v*/**/items/*", ["/v1/items/x", "/v2/a/b/items/x"], ["/v1/items", "/items/x", "/v1/a/items/x/y"]),
        ("/**/a/**/a/**", ["/a/a", "/x/a/y/a/z"], ["/a", "/x/a/y"]),
        ("/get*By*Id", ["/getUserById", "/getById"], ["/getUserByIdentity", "/getId"]),
        ("/a.b", ["/a.b"], ["/axb"]),
        ("/*a*a", ["/aa", "/bacada"], ["/a"]),
    ],
)
def test_globs(glob: str, fitting: list[str], others: list[str]) -> None:
    assert [path for path in fitting if not path_fits(glob, path)] == []
    assert [path for path in others if path_fits(glob, path)] == []


SEGMENT = st.text("ab*", max_size=4).map(lambda text: re.sub(r"\*+", "*", text))


@given(
    st.lists(SEGMENT | st.just("**"), max_size=5),
    st.lists(st.text("ab", max_size=4), max_size=6),
)
def test_globs_mean_what_a_regular_expression_says(pattern: list[str], path: list[str]) -> None:
    parts = [r"(?:/[^/]*)*" if each == "**" else "/" + re.escape(each).replace(r"\*", "[^/]*") for each in pattern]
    expected = re.fullmatch("".join(parts), "".join(f"/{each}" for each in path)) is not None
    assert path_fits("".join(f"/{each}" for each in pattern), "".join(f"/{each}" for each in path)) is expected


def test_what_a_selection_lists_makes_no_operation_slower() -> None:
    lists = {
        "tags": [[f"t{rule}-{number}" for number in range(1_000)] for rule in range(50)],
        "paths": [[f"/p{rule}-{number}" for number in range(1_000)] for rule in range(50)],
        "operations": [[f"o{rule}-{number}" for number in range(1_000)] for rule in range(50)],
    }
    operation = replace(an_operation("a", "GET", "/orders"), tags=("a", "b"))
    for kind, rules in lists.items():
        selection = Selection.model_validate({"exclude": [{kind: values} for values in rules]})
        assert selection.reason_against(operation, {"a", "b"}) is None
        with at_most(0.05):
            for _ in range(100):
                selection.reason_against(operation, {"a", "b"})


def test_a_path_too_long_for_wildcards_is_left_out_and_the_reason_says_so() -> None:
    selection = Selection.model_validate({"exclude": [{"paths": ["/**" + "/a" * 300 + "/b/**"]}]})
    with at_most(0.1):
        for path in ("/a" * 4_000, "/" + "a" * 1_000):
            operation = an_operation("a", "GET", path)
            assert "wildcard" in str(selection.reason_against(operation, {"a"}))
            assert Selection(exclude=[Rule(tags=["x"])]).reason_against(operation, {"a"}) is None
        assert selection.reason_against(an_operation("a", "GET", "/a" * 32), {"a"}) is None


def test_no_glob_takes_long() -> None:
    with at_most(2):
        assert not path_fits("/" + "*a" * 900 + "b", "/" + "a" * 2_000)
        assert not path_fits("/**/a" * 300 + "/b", "/a" * 900)


@pytest.mark.parametrize(
    "selection",
    [
        {"include": [{}]},
        {"include": [{"tags": []}]},
        {"include": {"tags": ["a"]}},
        {"include": [{"tag": ["a"]}]},
        {"include": [{"paths": ["orders"]}]},
        {"include": [{"paths": ["/orders**"]}]},
        {"include": [{"methods": ["GET POST"]}]},
        {"read_only": "maybe"},
        {"readonly": True},
        {"include": [{"paths": [f"/{number}/*" for number in range(60)]}] * 2},
        {"include": [{"paths": ["/**" + "/*" * 170]}] * 3},
        {"exclude": [{"tags": ["a"]}] * 51},
    ],
)
def test_rules_that_mean_nothing_are_refused(selection: Any) -> None:
    with pytest.raises(ValidationError):
        Selection.model_validate(selection)
