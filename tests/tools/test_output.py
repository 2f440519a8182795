"""What it may cost to tell whether an answer has the documented shape."""

from typing import Any

import pytest

from app.tools.output import OutputRules
from tests.effort import at_most

SECONDS = 0.5  # of this process; the first four took two to twenty-six before
LISTED: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "integers that share their hashes": ({"uniqueItems": True}, [2**63 + each for each in range(40_000)]),
    "multiples of next to nothing": ({"items": {"multipleOf": 1e-300}}, [1e300] * 99_000),
    "texts for a large automaton": ({"items": {"pattern": "^[ab]*a[ab]{900}"}}, ["ab" * 500] * 900),
    "names for a large automaton": (
        {"items": {"patternProperties": {"^[ab]*a[ab]{900}": {}}}},
        [{"ab" * 400 + str(each): 1} for each in range(900)],
    ),
    "alternatives": ({"items": {"anyOf": [{"required": [f"p{each}"]} for each in range(400)] + [{}]}}, [{}] * 49_000),
}


@pytest.mark.parametrize(("shape", "answer"), LISTED.values(), ids=LISTED)
def test_whether_an_answer_fits_is_told_at_once(shape: dict[str, Any], answer: list[Any]) -> None:
    rules = OutputRules({"type": "array", **shape})
    rules.kept_by([])
    with at_most(SECONDS):
        rules.kept_by(answer)


def test_what_would_take_long_to_check_is_not_promised() -> None:
    shape = {
        "type": "object",
        "required": ["names"],
        "properties": {"names": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": "^a"}}},
    }
    rules = OutputRules(shape)
    assert rules.published["anyOf"][0] == {
        "type": "object",
        "required": ["names"],
        "properties": {"names": {"type": "array", "items": {"type": "string"}}},
    }
    assert rules.kept_by({"names": ["b", "b"]})
    assert not rules.kept_by({"names": [1]})
    assert not rules.kept_by({})


def test_of_many_alternatives_an_answer_of_few_values_keeps_what_it_promises_and_one_of_many_is_another() -> None:
    rules = OutputRules({"type": "array", "items": {"anyOf": [{"const": each} for each in range(400)]}})
    assert rules.kept_by([399] * 1_000)
    assert not rules.kept_by([400])
    assert not rules.kept_by([399] * 49_000)


def test_of_few_alternatives_an_answer_of_many_values_keeps_what_it_promises() -> None:
    rules = OutputRules({"type": "array", "items": {"anyOf": [{"const": each} for each in range(40)]}})
    assert rules.kept_by([39] * 49_000)
