"""What arrives is what the framework behind a document would read of it: their documented forms, as a table.

`frameworks.tsv` says for each how a value is sent, what the framework makes of that (a text is all that it sees of a
scalar), and where it is documented.
"""

import csv
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.openapi.documents import Json, a_document, a_get, a_post, only
from tests.round_trip.test_bodies import FORM, request_of

with Path(__file__).with_name("frameworks.tsv").open(encoding="utf-8", newline="") as lines:
    TABLE = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
Pairs = list[tuple[str, str]]


def document_of(place: str, parameter: Json) -> Json:
    if place == "query":
        return a_document({"/a": a_get({**parameter, "in": "query"})})
    name, schema = parameter["name"], {"type": "object", "properties": {parameter["name"]: parameter["schema"]}}
    encoding = {name: {"style": parameter["style"], "explode": True}} if "style" in parameter else {}
    return a_document({"/a": a_post(schema, FORM, encoding=encoding)})


def sent(row: dict[str, str]) -> Pairs:
    """The pairs of the one argument's value, as a recording upstream has them."""
    operation, item = only(document_of(row["in"], json.loads(row["parameter"])))
    assert item.status == "ready"
    (argument,) = operation.input_schema["properties"]
    request = request_of(operation, {argument: json.loads(row["value"])})
    written = request.url.partition("?")[2] if row["in"] == "query" else (request.content or b"").decode()
    return parse_qsl(written, keep_blank_values=True)


def dotted(name: str) -> list[str | int]:
    """The steps that the binders of Spring and ASP.NET see: `a.b`, `a[0].b`, `a[key]`; `a[]` is `a`."""
    steps = re.findall(r"[^.\[\]]+", name.removesuffix("[]"))
    return [int(step) if step.isdigit() else step for step in steps]


def in_brackets(name: str) -> list[str | int]:
    """The steps that Rack and qs see; an empty one is the end of a list."""
    root, _, rest = name.partition("[")
    return [root, *re.findall(r"([^\[\]]*)\]", rest)] if rest else [root]


def bound(pairs: Pairs) -> Any:
    """By a binder of Spring: what comes twice is a list, and what ends in empty brackets."""
    found: Any = {}
    for name, value in pairs:
        *inner, last = dotted(name)
        node = found
        for step, following in pairwise([*inner, last]):
            node = below(node, step, [] if isinstance(following, int) else {})
        before = node.get(last) if isinstance(node, dict) else None
        wanted = [value] if name.endswith("[]") else value
        node[last] = wanted if before is None else [*(before if isinstance(before, list) else [before]), value]
    return found


def below(node: Any, step: str | int, fresh: Any) -> Any:
    if isinstance(node, dict):
        return node.setdefault(step, fresh)
    if len(node) == step:
        node.append(fresh)
    return node[step]


def caseless(pairs: Pairs) -> Any:
    return bound([(name.lower(), value) for name, value in pairs])


def nested(pairs: Pairs) -> Any:
    """By Rack: numbers are names, and only empty brackets make a list."""
    found: Any = {}
    for name, value in pairs:
        *inner, last = in_brackets(name)
        if last == "":
            node = found
            for step in inner[:-1]:
                node = node.setdefault(step, {})
            node.setdefault(inner[-1], []).append(value)
            continue
        node = found
        for step in inner:
            node = node.setdefault(step, {})
        node[last] = value
    return found


def by_qs(pairs: Pairs) -> Any:
    """By qs: as Rack, but names that are all numbers make a list."""

    def listed(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        read = {name: listed(each) for name, each in node.items()}
        return list(read.values()) if list(read) == [str(number) for number in range(len(read))] and read else read

    return listed(nested(pairs))


def listed(pairs: Pairs) -> Any:
    """By Django's QueryDict: every name has a list of values."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


READERS: dict[str, Callable[[Pairs], Any]] = {
    "Spring": bound,
    "ASP.NET Core": caseless,
    "Rails": nested,
    "Express": by_qs,
    "Django": listed,
}


@pytest.mark.parametrize("row", TABLE, ids=[f"{row['framework']} {row['sent']}" for row in TABLE])
def test_what_is_sent_is_what_its_framework_reads(row: dict[str, str]) -> None:
    pairs = sent(row)
    assert "&".join(f"{name}={value}" for name, value in pairs) == row["sent"]
    assert READERS[row["framework"]](pairs) == json.loads(row["read"])
    assert row["source"]


def test_the_table_has_each_framework_in_query_and_form() -> None:
    assert {row["framework"] for row in TABLE} == READERS.keys()
    assert {row["framework"] for row in TABLE if row["in"] == "form"} >= READERS.keys() - {"ASP.NET Core"}
