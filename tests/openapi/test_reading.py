"""Bytes to a tree: what is read, how, and what is refused before it costs anything."""

import time
from typing import Any

import pytest

from app.errors import Invalid
from app.openapi.document.reading import File, Limits, read_root
from tests.effort import at_most

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
)


def read(text: str | bytes, content_type: str | None = None, limits: Limits | None = None) -> Any:
    data = text.encode() if isinstance(text, str) else text
    return read_root(File(data, content_type), limits or Limits())[0]


def refusal(text: str | bytes, **options: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read(text, **options)
    assert caught.value.code == "invalid_document"
    assert caught.value.violations
    return caught.value


def test_json_and_yaml_give_the_same_tree() -> None:
    tree = {"openapi": "3.1.0", "paths": {"/a": {"get": {"deprecated": True, "x": [1, 2.5, None, "t"]}}}}
    yaml = "openapi: 3.1.0\npaths:\n  /a:\n    get: {deprecated: true, x: [1, 2.5, null, t]}\n"
    assert read('{"openapi":"3.1.0","paths":{"/a":{"get":{"deprecated":true,"x":[1,2.5,null,"t"]}}}}') == tree
    assert read(yaml) == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-07-28", "2026-07-28"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("on", "on"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("190:20:30", "190:20:30"),
        ("1_000", "1_000"),
        ("007", 7),
        ("0o17", 15),
        ("0xFF", 255),
        ("-12", -12),
        ("+1.5e3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("3.0.1", "3.0.1"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("!!timestamp 2026-07-28", "2026-07-28"),
        ("|\n  on\n  two\n", "on\ntwo\n"),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    result = read(f"a: {text}\n")["a"]
    assert (result, type(result)) == (value, type(value))


def test_keys_are_texts_whatever_they_look_like() -> None:
    assert read("200: a\ntrue: b\n2026-07-28: c\n~: d\n1.5: e\n") == {
        "200": "a",
        "true": "b",
        "2026-07-28": "c",
        "~": "d",
        "1.5": "e",
    }


@pytest.mark.parametrize("kind", ["string", "[string, 'null']"])
def test_values_of_a_schema_for_texts_are_texts_as_they_are_written(kind: str) -> None:
    schema = read(f"enum: [1.0, 01, true, 1.10, 0x1F, 'a', null]\ndefault: 1.10\nconst: 007\ntype: {kind}\nx: 01\n")
    assert schema["enum"] == ["1.0", "01", "true", "1.10", "0x1F", "a", None]
    assert (schema["default"], schema["const"], schema["x"]) == ("1.10", "007", 1)


def test_values_of_other_schemas_are_what_they_are() -> None:
    assert read("type: number\nenum: [1.0, 01]\ndefault: 1.10\n") == {
        "type": "number",
        "enum": [1.0, 1],
        "default": 1.1,
    }
    assert read("type: string\ndefault: 1\ndefault: a\nitems: {enum: [01]}\n")["default"] == "a"
    assert read("a: &a {enum: [01, {b: 02}]}\nb: {<<: *a, type: string}\n")["b"]["enum"] == [1, {"b": 2}]


def test_aliases_and_merged_keys_are_read() -> None:
    tree = read(
        "base: &b {x: 1, y: 2}\nlist: [*b, *b]\nmerged: {y: 3, <<: *b, z: 4}\n"
        "several: {<<: [*b, {w: 0}]}\nk: &k key\n*k : 1\n"
    )
    assert tree["list"] == [{"x": 1, "y": 2}, {"x": 1, "y": 2}]
    assert tree["merged"] == {"y": 3, "z": 4, "x": 1}
    assert tree["several"] == {"x": 1, "y": 2, "w": 0}
    assert tree["key"] == 1


def test_a_key_given_twice_counts_as_it_was_given_last() -> None:
    assert read('{"a": 1, "a": 2}') == {"a": 2}
    assert read("a: 1\na: 2\n") == {"a": 2}


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert read(b"\xef\xbb\xbfa: 1\n") == {"a": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("text", ['{"a": "\u00fc\U0001f355"}', "a: \u00fc\U0001f355\n"])
def test_what_a_byte_order_mark_says_of_the_encoding_holds(text: str, encoding: str) -> None:
    for order in (f"{encoding}-le", f"{encoding}-be"):
        assert read(f"\ufeff{text}".encode(order)) == {"a": "\u00fc\U0001f355"}


@pytest.mark.parametrize("text", ['{"a": 1}', "a: 1"])
def test_what_follows_much_white_space_is_read(text: str) -> None:
    assert read("\n" * 100_000 + text) == {"a": 1}


def test_json_that_calls_itself_yaml_is_read_as_json() -> None:
    text = '{\n\t"a": "\\ud83c\\udf55 \\/ ' + "b" * 2_000 + '"}'
    assert read(text, content_type="application/yaml") == {"a": "\U0001f355 / " + "b" * 2_000}


def test_what_calls_itself_yaml_is_read_as_yaml_even_if_it_looks_like_json() -> None:
    assert read("{a: 1,}", content_type="application/yaml") == {"a": 1}
    assert "JSON" in refusal("{a: 1,}", content_type="application/json").detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("<!DOCTYPE html><html></html>", "HTML"),
        ("[1, 2]", "a list"),
        ("- 1\n- 2\n", "a list"),
        ("just a text", "a single value"),
        ("---\n---\na: 1\n", "followed by another"),
        ('{"a": NaN}', "not valid JSON"),
        ('{"a": Infinity}', "not valid JSON"),
        ('{"a": 1e999}', "not valid JSON"),
        ('{"a": "\\ud800"}', "not valid JSON"),
        ('{"a": 1', "not valid JSON"),
        ("a: .nan\n", "which JSON does not have"),
        ("a: -.inf\n", "which JSON does not have"),
        ("a: 1e999\n", "which JSON does not have"),
        (f"a: {'9' * 400}\n", "which JSON does not have"),
        ("a: [b\n", "valid YAML"),
        ("a: !!python/object/apply:os.system ['id']\n", "tag"),
        ("a: !!set {b}\n", "tag"),
        ("a: !Ref b\n", "tag"),
        ("? [a, b]\n: 1\n", "a key that is not text"),
        ("a: &a [1]\n? *a\n: 1\n", "a key that is not text"),
        ("a: &a [*a]\n", "not complete"),
        ("a: *b\n", "alias"),
        ("a: {<<: 1}\n", "not a mapping"),
        (b"a: \xff\xfe\n", "UTF-8"),
        (b'{"a": "\xe9"}', "is not UTF-8 text: byte 7"),
        (b"\xff\xfea", "UTF-16"),
    ],
)
def test_what_is_no_document_is_refused_with_the_reason(text: str | bytes, reason: str) -> None:
    assert reason in refusal(text).detail


def test_a_yaml_problem_is_told_with_its_line() -> None:
    assert "line 3" in refusal("a: 1\nb: 2\nc: [\n").detail or "line 4" in refusal("a: 1\nb: 2\nc: [\n").detail


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &a "
        + "[" * 150
        + "x"
        + "]" * 150
        + "\nb: [*a, *a]\nc: &c [*a, *a, *a, *a]\nd: ["
        + "*c, " * 1000
        + "*c]\n",
    ],
)
def test_an_alias_bomb_is_refused_before_it_grows(text: str) -> None:
    before = time.monotonic()
    assert "aliases" in refusal(text).detail
    assert time.monotonic() - before < 2


def test_real_anchors_stay_within_the_budget_of_aliases() -> None:
    assert len(read("a: &a {b: [1, 2, 3]}\nc: [" + "*a, " * 999 + "*a]\n")["c"]) == 1000


@pytest.mark.parametrize(
    "text", ['{"a": ' * 201 + "1" + "}" * 201, "[" * 100_000, "a: " + "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900]
)
def test_nesting_without_end_is_refused(text: str) -> None:
    detail = refusal(text).detail
    assert "nest" in detail or "depth" in detail


def test_the_deepest_permitted_nesting_is_read() -> None:
    text = '{"a": ' * 200 + "1" + "}" * 200
    assert read(text) == read(text, content_type="application/yaml")


def test_a_json_limit_of_depth_points_to_the_place() -> None:
    assert refusal('{"b": {"a": [[1]]}}', limits=Limits(depth=3)).violations[0].pointer == "/b/a/0"


@pytest.mark.parametrize(
    "text", ['{"a": [' + "1, " * 99 + "1]}", "a:\n" + "- 1\n" * 100, '{"a": [' + "{}," * 99 + "{}]}"]
)
def test_too_many_values_are_refused(text: str) -> None:
    assert "more than 100 values" in refusal(text, limits=Limits(nodes=100)).detail
    assert len(read(text, limits=Limits(nodes=102))["a"]) == 100


def test_commas_and_brackets_in_texts_are_no_values() -> None:
    text = '{"a": "' + ",[{" * 500 + '", "b\\",,,": "\\\\", "c": ["' + ',\\",' * 300 + '"]}'
    assert read(text, limits=Limits(nodes=10))["a"] == ",[{" * 500


def test_counting_does_not_build_what_it_refuses() -> None:
    with at_most(4):
        refusal(b'{"a":[' + b"{}," * 5_000_000 + b"{}]}")
        refusal(b'{"a":[' + b'"\\"",' * 3_000_000 + b'""]}')
