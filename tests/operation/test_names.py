"""Names of tools: readable, within what model APIs take, and no operation's depends on the others more than it must."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.operation.text import operation_names
from tests.openapi.documents import Json, a_document, converted


def names_of(
    *identified: tuple[str, str, str | None], slug: str = "shop", **options: Any
) -> dict[tuple[str, str], str]:
    return operation_names(
        {(method, path): identifier for method, path, identifier in identified}, slug=slug, **options
    )


@pytest.mark.parametrize(
    ("method", "path", "identifier", "expected"),
    [
        ("GET", "/a", "listPets", "listPets"),
        ("GET", "/a", "repos/get-all", "repos_get-all"),
        ("GET", "/a", "a.b: c", "a_b_c"),
        ("GET", "/pets/{id}/toys", None, "get_pets_id_toys"),
        ("POST", "/", "", "post"),
        ("GET", "/a", "日本", "get_a"),
        ("GET", "/a", "__proto__", "proto"),
    ],
)
def test_names_are_readable(method: str, path: str, identifier: str | None, expected: str) -> None:
    assert names_of((method, path, identifier)) == {(method, path): expected}


def test_names_that_collide_or_are_too_long_all_carry_a_hash() -> None:
    names = names_of(
        ("GET", "/a", "list"), ("GET", "/b", "List"), ("GET", "/c", "other"), ("GET", "/d", "x" * 90), slug="s" * 32
    )
    assert names["GET", "/c"] == "other"
    assert {name.rsplit("_")[0].lower() for name in list(names.values())[:2]} == {"list"}
    assert all(len(name) <= 64 - 34 for name in names.values())
    assert len({name.lower() for name in names.values()}) == 4


def test_assigned_names_are_kept_and_newcomers_give_way() -> None:
    old, new = ("GET", "/a"), ("GET", "/b")
    names = names_of((*old, "renamed"), (*new, "kept"), assigned={old: "kept", ("GET", "/gone"): "gone"})
    assert names[old] == "kept"
    assert names[new].startswith("kept_")
    assert set(names) == {old, new}


KEYS = st.tuples(st.sampled_from(["GET", "POST"]), st.text("ab/{}é", max_size=4).map(lambda text: f"/{text}"))
IDENTIFIERS = st.none() | st.text("aA_/b ", max_size=4) | st.sampled_from(["x" * 70, "list_6b51d431"])


@given(st.dictionaries(KEYS, IDENTIFIERS, min_size=1, max_size=30), st.randoms())
def test_names_are_unique_fit_and_do_not_depend_on_the_order(
    wanted: dict[tuple[str, str], str | None], random: Any
) -> None:
    names = operation_names(wanted, slug="shop")
    assert len({name.lower() for name in names.values()}) == len(wanted)
    assert all(
        0 < len(f"shop__{name}") <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in names.values()
    )
    items = list(wanted.items())
    random.shuffle(items)
    assert operation_names(dict(items), slug="shop") == names


@given(st.dictionaries(KEYS, IDENTIFIERS, min_size=2, max_size=20))
def test_a_refresh_renames_nothing_whatever_comes_or_goes(wanted: dict[tuple[str, str], str | None]) -> None:
    half = dict(list(wanted.items())[: len(wanted) // 2])
    before = operation_names(half, slug="shop")
    after = operation_names(wanted, slug="shop", assigned=before)
    assert {key: after[key] for key in half} == before
    assert len({name.lower() for name in after.values()}) == len(wanted)


@given(st.dictionaries(KEYS, IDENTIFIERS, min_size=2, max_size=20), st.integers(1, 19))
def test_without_what_was_assigned_only_who_meets_a_namesake_is_renamed(
    wanted: dict[tuple[str, str], str | None], kept: int
) -> None:
    some = dict(list(wanted.items())[:kept])
    alone, together = operation_names(some, slug="shop"), operation_names(wanted, slug="shop")
    newcomers = {name.lower() for key in wanted.keys() - some.keys() for name in names_of((*key, wanted[key])).values()}
    for key, name in alone.items():
        assert together[key] == name or name.lower() in newcomers


def paths_of(wanted: dict[tuple[str, str], str | None]) -> Json:
    paths: Json = {}
    for (method, path), identifier in wanted.items():
        paths.setdefault(path, {})[method.lower()] = {"operationId": identifier}
    return paths


def names_in(document: Json, **options: Any) -> dict[tuple[str, str], str]:
    return {(each.method, each.path): each.name for each in converted(document, **options).operations}


@settings(max_examples=50)
@given(st.dictionaries(KEYS, IDENTIFIERS, min_size=1, max_size=12), st.randoms(), st.integers(0, 11))
def test_shuffling_a_document_or_taking_from_it_renames_no_tool(
    wanted: dict[tuple[str, str], str | None], random: Any, gone: int
) -> None:
    paths = paths_of(wanted)
    names = names_in(a_document(paths))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", f"shop__{name}") for name in names.values())
    shuffled = list(paths.items())
    random.shuffle(shuffled)
    assert names_in(a_document(dict(shuffled))) == names
    left = dict(shuffled[gone:])
    after = names_in(a_document(left), assigned=names)
    assert after == {key: name for key, name in names.items() if key[1] in left}
    assert names_in(a_document(paths), assigned=after | names) == names
