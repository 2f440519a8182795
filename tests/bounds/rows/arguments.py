"""The arguments of a call, in each place and style, and what they are checked against."""

import base64
from collections.abc import Callable
from typing import Any

from tests.bounds.row import OK, Row
from tests.bounds.sending import call

REFUSED = ("invalid_arguments", "invalid_json", "request_too_large", "target_too_long", "body_too_large")


_MEMBERS = 990  # and at scale 100 nearly as many values as a body may have


def texts(scale: int) -> list[str]:
    return ["text"] * _MEMBERS * scale


def named(scale: int) -> dict[str, str]:
    return {f"name-{number}": "text" for number in range(_MEMBERS * scale)}


def long(scale: int) -> str:
    return "a/" * 3_000 * scale


def repeated(scale: int) -> dict[str, list[str]]:
    """One long name with many values: it is written for each of them."""
    return {"n" * 1_000 * scale: ["v"] * 20 * scale}


def deep(scale: int) -> dict[str, Any]:
    """Names inside of one another, each written again for everything inside."""
    inner: Any = "text"
    for _ in range(min(40, 4 * scale)):
        inner = {"n" * 100: inner, "m": ["text"] * scale}
    return {"outer": inner}


def coded(scale: int) -> str:
    return base64.b64encode(bytes(range(256)) * 80 * scale).decode()


_OF_PLACES: list[tuple[str, str, str, Callable[[int], object]]] = [
    ("query", "a long text", "query_text", long),
    ("query", "many texts, a pair for each", "query_texts", texts),
    ("query", "many texts joined by commas", "query_joined", texts),
    ("query", "many texts joined by spaces", "query_spaced", texts),
    ("query", "many texts joined by bars", "query_piped", texts),
    ("query", "texts with bars, joined by bars", "query_piped", lambda scale: ["a|b"] * 900 * scale),
    ("query", "an object of many members, a pair for each", "query_object", named),
    ("query", "an object of a long name with many values", "query_object", repeated),
    ("query", "a deep object of many members", "query_deep", named),
    ("query", "a deep object of a long name with many values", "query_deep", repeated),
    ("query", "a deep object that is deep", "query_deep", deep),
    ("query", "an object as JSON", "query_json", named),
    ("path", "a long text", "path_text", long),
    ("path", "many texts joined by commas", "path_texts", texts),
    ("path", "many texts, a matrix parameter for each", "path_matrix", texts),
    ("path", "many texts, a label for each", "path_label", texts),
    ("header", "a long text", "header_text", long),
    ("header", "many texts joined by commas", "header_texts", texts),
    ("cookie", "a long text", "cookie_text", long),
    ("cookie", "many texts", "cookie_texts", texts),
]
_OF_BODIES: list[tuple[str, str, str, Callable[[int], object]]] = [
    ("JSON", "many texts", "json_texts", texts),
    ("JSON", "a free object of many members", "json_free", named),
    ("a form", "a long text", "form", lambda scale: {"text": long(scale)}),
    ("a form", "many texts, a pair for each", "form", lambda scale: {"texts": texts(scale)}),
    ("a form", "free names, each with many values", "form_free", repeated),
    ("a form", "many free names", "form_free", named),
    ("a multipart form", "a long text", "multipart", lambda scale: {"text": long(scale)}),
    ("a multipart form", "many texts, a part for each", "multipart", lambda scale: {"texts": texts(scale)}),
    ("a multipart form", "free names, each with many values", "multipart_free", repeated),
    ("a multipart form", "many free names", "multipart_free", named),
    (
        "a multipart form",
        "a file",
        "multipart",
        lambda scale: {"file": {"content": coded(scale), "filename": "a" * scale}},
    ),
    ("text", "a long text", "text", lambda scale: "é" * 10_000 * scale),
    ("XML", "a long text", "xml", lambda scale: "<a>" * 10_000 * scale),
    ("bytes", "many", "binary", coded),
    ("bytes", "base64 that ends badly", "binary", lambda scale: f"{coded(scale)}="),
    ("bytes", "texts that are no base64", "binary", lambda scale: "-_!" * 10_000 * scale),
]


def _tree(scale: int) -> list[dict[str, Any]]:
    return [{"children": [{"children": []}] * 20}] * 20 * scale


_CHECKS: list[tuple[str, str, Callable[[int], object]]] = [
    ("a text that is none of two thousand", "enum", lambda scale: {"value": "option-" + "9" * 1_000 * scale}),
    ("a pattern made to hang", "pattern", lambda scale: {"value": "a" * 10_000 * scale + "!"}),
    (
        "many texts of a pattern made to hang",
        "texts_of_pattern",
        lambda scale: {"value": ["a1" * 20 + "!"] * 600 * scale},
    ),
    ("a text of a format", "email", lambda scale: {"value": "a@" * 5_000 * scale}),
    ("a number of many digits", "number", lambda scale: b'{"value":0.%b1}' % (b"1" * 10_000 * scale)),
    ("objects of one of thirty kinds, many", "json_kinds", lambda scale: {"body": [{"kind_29": ["a"]}] * 300 * scale}),
    ("objects of none of thirty kinds, many", "json_kinds", lambda scale: {"body": [{"kind": 1}] * 300 * scale}),
    (
        "objects of all of thirty kinds, many",
        "json_kinds",
        lambda scale: {"body": [{f"kind_{n}": [] for n in range(30)}] * 60 * scale},
    ),
    ("values of any of three kinds, many", "json_any", lambda scale: {"body": [1.5] * 900 * scale}),
    ("items that must differ, as integers", "json_unique", lambda scale: {"body": list(range(900 * scale))}),
    (
        "items that must differ, as objects",
        "json_unique",
        lambda scale: {"body": [{"a": {"b": n}} for n in range(300 * scale)]},
    ),
    (
        "items that must differ, and do in the last member",
        "json_unique",
        lambda scale: {"body": [[*[0] * 30, n] for n in range(30 * scale)]},
    ),
    (
        "members of another type, many",
        "json_strict",
        lambda scale: {"body": [{f"n{n}": "a" for n in range(30)}] * 30 * scale},
    ),
    ("a needle that is in no haystack", "json_contains", lambda scale: {"body": ["hay"] * 900 * scale}),
    ("a tree that is wide", "json_tree", lambda scale: {"children": _tree(scale)}),
    (
        "a tree whose leaves are wrong",
        "json_tree",
        lambda scale: {"children": [{"children": [{"children": 1}] * 20}] * 20 * scale},
    ),
    (
        "texts in the place of a list, many times",
        "json_many",
        lambda scale: {f"argument_{n % 400:03}_with_a_name_that_a_generator_made": [1] * scale for n in range(400)},
    ),
]

# Names that the tool does not have: each could be meant for one of those that it has.
_UNKNOWN: list[tuple[str, str, Callable[[int], object]]] = [
    (
        "many that are like those of four hundred others",
        "json_many",
        lambda scale: {f"argument_{n:05}_with_the_name_that_a_generator_made": "a" for n in range(30 * scale)},
    ),
    (
        "long ones that are like those of four hundred others",
        "json_many",
        lambda scale: {f"argument_{n}_with_a_name" * 12: "a" for n in range(5 * scale)},
    ),
    ("many that are like nothing", "json_many", lambda scale: {f"{n}" * 5: "a" for n in range(30 * scale)}),
    ("a very long one", "json_many", lambda scale: {"argument_" * 3_000 * scale: "a"}),
    ("many, of a tool of one argument", "query_text", lambda scale: {f"valu{n}": "a" for n in range(300 * scale)}),
    (
        "many with slashes and tildes, which pointers escape",
        "query_text",
        lambda scale: {f"{n}" + "~/" * 100: "a" for n in range(30 * scale)},
    ),
    (
        "many inside an argument",
        "json_strict",
        lambda scale: {"body": [{f"unknown{n}": None for n in range(30 * scale)}]},
    ),
]


def _placed(where: str, name: str, tool: str, value: Callable[[int], object]) -> Row:
    # Upstreams take heads of some length only: ours closes the connection.
    expected = (OK, "upstream_broken") if where in {"header", "cookie"} else (OK,)
    return call(f"argument in the {where}", name, tool, lambda scale: {"value": value(scale)}, *expected, *REFUSED)


def _sent(kind: str, name: str, tool: str, value: Callable[[int], object]) -> Row:
    whole = tool not in {"form", "multipart"}
    return call(
        f"argument in a body of {kind}",
        name,
        tool,
        lambda scale: {"body": value(scale)} if whole else value(scale),
        OK,
        *REFUSED,
    )


ROWS = [
    *(_placed(*each) for each in _OF_PLACES),
    *(_sent(*each) for each in _OF_BODIES),
    *(call("check of arguments", name, tool, given, OK, *REFUSED) for name, tool, given in _CHECKS),
    *(
        call("unknown arguments", name, tool, given, "invalid_arguments", "body_too_large")
        for name, tool, given in _UNKNOWN
    ),
]
