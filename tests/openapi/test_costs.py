"""What it may cost to convert a document that was made to cost much: about as much as its size."""

from collections.abc import Callable

import pytest

from app.operation.checking import validator_of
from tests.effort import at_most
from tests.openapi.documents import Json, a_document, a_post, converted

TEXT: Json = {"type": "string"}


def ref(name: object) -> Json:
    return {"$ref": f"#/components/schemas/S{name}"}


def an_object(**members: Json) -> Json:
    return {"type": "object", "properties": members}


def posted(schema: Json, media_type: str = "application/json", /, **schemas: Json) -> Json:
    return a_document({"/a": a_post(schema, media_type)}, schemas=schemas)


def examples_of_one_schema() -> Json:
    return posted(an_object(a={"type": "integer", "examples": [f"x{number}" for number in range(20_000)]}))


def enumerations_without_a_common_value() -> Json:
    lists = [[f"{letter}{number}" for number in range(8_000)] for letter in "ab"]
    return posted(an_object(a={"allOf": [{"enum": each} for each in lists]}))


def values_of_a_discriminator() -> Json:
    mapping = {f"m{number}": ref(number % 2)["$ref"] for number in range(20_000)}
    kind = {**TEXT, "enum": [f"n{number}" for number in range(20_000)]}
    tagged = {"oneOf": [ref(0), ref(1)], "discriminator": {"propertyName": "kind", "mapping": mapping}}
    return posted(tagged, S0=an_object(kind=kind), S1=an_object(kind=kind))


def a_form_of_alternatives_that_all_refer_to_each_other() -> Json:
    schemas: dict[str, Json] = {f"S{one}": {"anyOf": [ref(other) for other in range(12)]} for one in range(12)}
    return posted(an_object(a=ref(0)), "multipart/form-data", **schemas)


def a_whole_form_of_alternatives_that_all_refer_to_each_other() -> Json:
    schemas: dict[str, Json] = {f"S{one}": {"anyOf": [ref(other) for other in range(12)]} for one in range(12)}
    return posted(ref(0), "multipart/form-data", **schemas)


def members_that_nobody_else_knows() -> Json:
    closed: dict[str, Json] = {
        f"a{number}": {"allOf": [ref("All")], "unevaluatedProperties": False} for number in range(500)
    }
    return posted(an_object(**closed), SAll={"anyOf": [an_object(**{f"p{number}": TEXT}) for number in range(500)]})


@pytest.mark.parametrize(
    "document",
    [
        examples_of_one_schema,
        enumerations_without_a_common_value,
        values_of_a_discriminator,
        a_form_of_alternatives_that_all_refer_to_each_other,
        a_whole_form_of_alternatives_that_all_refer_to_each_other,
        pytest.param(members_that_nobody_else_knows, marks=pytest.mark.extended),
    ],
)
def test_a_document_costs_no_more_than_its_size_explains(document: Callable[[], Json]) -> None:
    made = document()
    with at_most(3):
        assert len(converted(made).operations) == 1


@pytest.mark.extended
def test_samples_of_many_large_values_are_made_up_to_a_number() -> None:
    levels: dict[str, Json] = {
        f"S{level}": {
            "allOf": [
                {**an_object(a=ref(level + 1), b=ref(level + 1)), "required": ["a", "b"]},
                {"minProperties": 1},
            ]
        }
        for level in range(9)
    }
    members: dict[str, Json] = {f"x{number}": {"allOf": [ref(0), {"minProperties": 2}]} for number in range(2_000)}
    with at_most(6):
        converted(posted(an_object(rest=an_object(**members)), **levels, S9={"allOf": [TEXT, {"minLength": 2}]}))


@pytest.mark.extended
def test_bases_of_more_subtypes_than_a_document_may_have_accept_any_value_and_the_report_says_so() -> None:
    base = {**an_object(kind=TEXT), "discriminator": {"propertyName": "kind"}, "additionalProperties": False}
    schemas: dict[str, Json] = {f"SBase{number}": base for number in range(110)}
    schemas |= {f"S{number}": {"allOf": [ref(f"Base{each}") for each in range(110)]} for number in range(110)}
    first = an_object(**{f"a{number}": ref(f"Base{number}") for number in range(109)})
    document = a_document({"/a": a_post(first), "/b": a_post(an_object(b=ref("Base109")))}, schemas=schemas)
    with at_most(6):
        _, last = converted(document).operations
    (note,) = last.notes
    assert "too many schemas of the document extend others; any value is accepted" in note
    assert validator_of(last.input_schema).is_valid({"b": {"other": 1}})
