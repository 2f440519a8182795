"""Every style in every location, for every type: what a caller says is what another implementation reads.

The cells are those of the tables in OAS 3.1.1 section 4.8.12.2.3; where a cell is `n/a` there, it is not here.
"""

import string
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import Invalid
from app.openapi.conversion import convert
from app.operation.operation import Json, Operation
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import build_request, plan_request
from tests.round_trip.conftest import Tally
from tests.round_trip.judging import ORIGIN, Judge, described

FEWEST = 20  # accepted examples of a cell
EXAMPLES = 40

# The reader joins the names of nested members by U+001F.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f"), min_size=1, max_size=12)
HEADER_TEXT = st.text(string.ascii_letters + string.digits + "/?%&=+;:@ .-_~", min_size=1, max_size=12).map(str.strip)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
NUMBERS = st.floats(-1e15, 1e15).map(lambda number: round(number, 3)).filter(lambda number: not number.is_integer())

STYLES = {
    "path": ["simple", "label", "matrix"],
    "query": ["form", "spaceDelimited", "pipeDelimited", "deepObject"],
    "header": ["simple"],
    "cookie": ["form"],
}
SCHEMAS: dict[str, Json] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "integers": {"type": "array", "items": {"type": "integer"}},
    "object": {
        "type": "object",
        "properties": {"first": {"type": "string"}, "2nd-one": {"type": "integer"}, "third": {"type": "boolean"}},
    },
    "nested": {
        "type": "object",
        "properties": {
            "first": {"type": "string"},
            "inner": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}},
        },
    },
    "objects": {
        "type": "object",
        "properties": {
            "all": {
                "type": "array",
                "items": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}},
            },
        },
    },
}
WITHOUT = {"form": "", "spaceDelimited": " ", "pipeDelimited": "|"}  # what items may not hold, where it is not exploded


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the tables: how a parameter is written, and the type of its value."""

    location: str
    style: str
    explode: bool
    kind: str

    @property
    def defined(self) -> bool:
        """Whether the specification says what this looks like, and a reader of it exists."""
        if self.kind in {"nested", "objects"} or self.style == "deepObject":
            return self.style == "deepObject" and self.explode and self.kind in {"object", "nested", "objects"}
        if self.style in {"spaceDelimited", "pipeDelimited"}:
            return not self.explode and self.kind in {"texts", "integers", "object"}
        exploded_cookie = self.location == "cookie" and self.explode and self.kind in {"texts", "integers", "object"}
        return not exploded_cookie  # cannot be told from several cookies, says section 4.8.12.2.4

    @property
    def parameter(self) -> Json:
        return {
            "name": "value",
            "in": self.location,
            "style": self.style,
            "explode": self.explode,
            "required": True,
            "schema": SCHEMAS[self.kind],
        }

    @property
    def path(self) -> str:
        return "/things/{value}/parts" if self.location == "path" else "/things"

    def operation(self) -> Operation:
        document = {
            "openapi": "3.1.0",
            "paths": {self.path: {"get": {"operationId": "read", "parameters": [self.parameter]}}},
        }
        (operation,) = convert(document, slug="t").operations
        return operation

    def values(self) -> st.SearchStrategy[Any]:
        text = self._texts()
        simple: dict[str, st.SearchStrategy[Any]] = {
            "string": text,
            "integer": INTEGERS,
            "number": NUMBERS,
            "boolean": st.booleans(),
            "texts": st.lists(text, min_size=1, max_size=4),
            "integers": st.lists(INTEGERS, min_size=1, max_size=4),
        }
        if self.kind in simple:
            return simple[self.kind]
        members: dict[str, st.SearchStrategy[Any]] = {"first": text}
        if self.kind == "objects":
            each = st.fixed_dictionaries({"a": text, "b": INTEGERS})
            return st.fixed_dictionaries({"all": st.lists(each, min_size=1, max_size=3)})
        if self.kind == "nested":
            members["inner"] = st.fixed_dictionaries({"a": text}, optional={"b": INTEGERS})
            return st.fixed_dictionaries(members)
        return st.fixed_dictionaries(members, optional={"2nd-one": INTEGERS, "third": st.booleans()})

    def _texts(self) -> st.SearchStrategy[str]:
        inside = self.kind in {"texts", "object"}
        if self.location == "header":
            return HEADER_TEXT.filter(lambda text: text != "" and not (inside and "=" in text))
        forbidden = WITHOUT.get(self.style, "") if inside and not self.explode else ""
        # This reader takes a comma for one also where it is percent-encoded.
        comma = "," if inside and self.location == "query" and self.style == "form" and not self.explode else ""
        # … and a dot in an exploded label, which RFC 6570 does not encode, is one more item to any reader.
        dot = "." if inside and self.style == "label" and self.explode else ""
        return ANY_TEXT.filter(lambda text: not set(text) & set(forbidden + comma + dot))


CELLS = [
    cell
    for location, styles in STYLES.items()
    for style in styles
    for explode in (False, True)
    for kind in SCHEMAS
    if (cell := Cell(location, style, explode, kind)).defined
]


def name_of(cell: Cell) -> str:
    return f"{cell.location}-{cell.style}-{'exploded' if cell.explode else 'plain'}-{cell.kind}"


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_what_a_caller_says_is_what_another_implementation_reads(cell: Cell, judge: Judge, tally: Tally) -> None:
    operation = cell.operation()
    rules = ArgumentRules(operation.input_schema)

    @given(cell.values())
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    def one(value: Any) -> None:
        try:
            request = build_request(plan_request(operation, ORIGIN), rules.check({"value": value}))
        except Invalid:
            tally.discarded += 1
            return
        tally.judged += 1
        if isinstance(value, bool):  # this reader takes any spelling of it
            assert str(value) not in f"{request.url} {request.headers}"
        assert judge.refusal(request, described(cell.path, "get", [(cell.parameter, value)])) is None

    one()
    assert tally.judged >= min(FEWEST, 2 if cell.kind == "boolean" else FEWEST)


@pytest.mark.parametrize("location", ["path", "query", "header"])
def test_a_whole_number_is_read_as_the_integer_that_it_is(location: str, judge: Judge, tally: Tally) -> None:
    cell = Cell(location, STYLES[location][0], explode=False, kind="integers")
    request = build_request(plan_request(cell.operation(), ORIGIN), {"value": [5.0, -1e16]})
    assert judge.refusal(request, described(cell.path, "get", [(cell.parameter, [5, -(10**16)])])) is None
    tally.judged += 1


def test_the_judge_refuses_what_was_not_said(judge: Judge) -> None:
    cell = Cell("query", "form", explode=True, kind="texts")
    request = build_request(plan_request(cell.operation(), ORIGIN), {"value": ["a", "b"]})
    assert judge.refusal(request, described(cell.path, "get", [(cell.parameter, ["a", "b"])])) is None
    refusal = judge.refusal(request, described(cell.path, "get", [(cell.parameter, ["a", "c"])]))
    assert refusal is not None
    assert "not one of the allowed values" in refusal
