"""What a request may say: all that its document could mean."""

import json
from typing import Any

import pytest

from app.errors import Invalid
from app.operation.operation import Operation
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import build_request, plan_request
from tests.effort import at_most
from tests.openapi.documents import Json, a_document, a_post, only

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
NO_OTHERS = {"additionalProperties": False}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(*required: str, **members: Any) -> Json:
    needed: Json = {"required": list(required)} if required else {}
    return {"type": "object", "properties": members, **needed}


def a_tool(schema: Any, **schemas: Json) -> Operation:
    """The tool of an operation that takes the schema as a member and in a list, below the top of its body."""
    body = an_object(value=schema, values={"type": "array", "items": schema})
    return only(a_document({"/a": a_post(body)}, schemas=schemas, version="3.0.3"))[0]


def arguments_of(operation: Operation, body: Any) -> Json:
    assert operation.body is not None
    if operation.body.argument is not None:
        return {operation.body.argument: body}
    names = {field.name: field.argument for field in operation.body.fields}
    return {names.get(name, name): value for name, value in body.items()}


def arrived(operation: Operation, body: Any) -> Any:
    """The JSON that the upstream is sent."""
    given = ArgumentRules(operation.input_schema, operation.preset).check(arguments_of(operation, body))
    content = build_request(plan_request(operation, "http://api"), given).content
    assert content is not None
    return json.loads(content)


def takes(operation: Operation, *values: Any) -> bool:
    """Whether the tool takes each value wherever it stands, and sends it as it is."""
    bodies = [*({"value": value} for value in values), *({"values": [value]} for value in values)]
    return [arrived(operation, body) for body in bodies] == bodies


def why_not(operation: Operation, value: Any) -> str:
    """Why the tool refuses the value, wherever it stands."""
    for body in ({"values": [value]}, {"value": value}):
        with pytest.raises(Invalid) as refused:
            arrived(operation, body)
    return refused.value.detail


def shown_in(operation: Operation, *words: str) -> bool:
    shown = json.dumps(operation.input_schema)
    return all(json.dumps(word) in shown for word in words)


DATES = {"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
HOSTS = {"oneOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "hostname"}]}
NUMBERS = {"oneOf": [{"type": "integer"}, {"type": "number"}]}
CHANNELS = {"oneOf": [an_object(channel=TEXT, device=TEXT), an_object(channel=TEXT, client=TEXT)]}
PREFIXES = {"oneOf": [{"type": "string", "pattern": "^(?!tmp)[a-z]+$"}, {"type": "string", "pattern": "^tmp_[0-9]+$"}]}


@pytest.mark.parametrize(
    ("schema", "values", "wrong"),
    [
        pytest.param(DATES, ["2026-03-01", "2026-03-01T10:00:00Z"], 5, id="formats"),
        pytest.param(HOSTS, ["10.0.0.1", "a.example.com"], 5, id="formats-of-hosts"),
        pytest.param(NUMBERS, [5, 5.5], "5", id="numbers"),
        pytest.param(CHANNELS, [{"channel": "c"}, {"channel": "c", "client": "x"}], {"channel": 1}, id="optional"),
        pytest.param(PREFIXES, ["abc", "tmp_12"], 5, id="unreadable-pattern"),
        pytest.param({"oneOf": [ref("Absent"), an_object("id", id=WHOLE)]}, [{"id": 5}], None, id="absent"),
        pytest.param({**DATES, "anyOf": [{"maxLength": 12}, {"minLength": 30}]}, ["2026-03-01"], "x" * 20, id="both"),
    ],
)
def test_what_fits_any_branch_of_a_request_is_taken(schema: Json, values: list[Any], wrong: Any) -> None:
    operation = a_tool(schema)
    assert takes(operation, *values)
    if wrong is not None:
        assert "none of these types" in (why := why_not(operation, wrong)) or "the value is" in why


def test_a_base_and_what_extends_it_are_branches_of_one_request() -> None:
    person = an_object("type", "name", type=TEXT, name=TEXT)
    schemas = {
        "Person": {**person, "discriminator": {"propertyName": "type"}},
        "Employee": {"allOf": [ref("Person"), an_object(number=WHOLE)]},
    }
    operation = a_tool({"oneOf": [ref("Person"), ref("Employee")]}, **schemas)
    assert takes(operation, {"type": "Person", "name": "A"}, {"type": "Employee", "name": "A", "number": 3})
    why_not(operation, {"type": "Person"})


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param({"type": "string", "pattern": "^(?=.*test)"}, id="pattern"),
        pytest.param(ref("Absent"), id="reference"),
        pytest.param({"type": "string", "format": "uuid"}, id="format"),
        pytest.param({"oneOf": [TEXT, {"type": "string", "maxLength": 9}]}, id="one-of"),
        pytest.param({"allOf": [ref("Dated")]}, id="format-behind-a-reference"),
    ],
)
def test_nothing_is_refused_for_what_could_not_be_read(lost: Json) -> None:
    dated = {"type": "string", "format": "date"}
    assert takes(a_tool({"type": "string", "not": lost}, Dated=dated), "PROD")
    assert takes(a_tool({"type": "string", "if": lost, "then": {"maxLength": 1}}, Dated=dated), "PROD")
    several = {"type": "array", "contains": lost, "maxContains": 1}
    assert takes(a_tool(several, Dated=dated), ["PROD", "TEST"])


def test_what_is_read_without_a_loss_is_refused_as_the_document_says() -> None:
    operation = a_tool({"type": "string", "not": {"enum": ["a"]}, "if": {"minLength": 3}, "then": {"pattern": "^x"}})
    assert takes(operation, "b", "xyz")
    why_not(operation, "a")
    why_not(operation, "abc")


def test_where_a_part_could_not_be_read_its_members_are_not_unknown() -> None:
    known = {"allOf": [an_object(a=TEXT), ref("B")], "unevaluatedProperties": False}
    assert takes(a_tool(known), {"a": "x", "b": 1})
    why_not(a_tool(known, B=an_object(b=WHOLE)), {"a": "x", "c": 1})
    unreadable = {"type": "object", "patternProperties": {"^(?=x)": {}}, "additionalProperties": False}
    assert takes(a_tool(unreadable), {"x-1": 1})
    chosen = {"if": {"required": ["a"], "properties": {"a": {"format": "date"}}}, "then": an_object(c=TEXT)}
    assert takes(a_tool({**chosen, "unevaluatedProperties": False, "properties": {"a": TEXT}}), {"a": "x", "c": "y"})


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"type": "string", "nullable": True}, {"type": "integer", "nullable": True}]},
        {"oneOf": [{"type": "number", "nullable": True}, {"type": "string", "enum": ["INF"], "nullable": True}]},
        {"anyOf": [{"type": "string", "nullable": True}, {"type": "null"}]},
    ],
)
def test_a_null_that_several_branches_allow_is_a_value(schema: Json) -> None:
    assert takes(a_tool(schema), None)


def test_a_text_that_is_also_one_of_the_names_is_taken() -> None:
    texts = [{"type": "string"}, {"type": "string", "enum": ["INF", "NaN"]}]
    assert takes(a_tool({"oneOf": [{"type": "number"}, *texts]}), "INF", "other", 5)


ITEM = {**an_object(id=WHOLE), **NO_OTHERS}
CLOSED_LINE = {"allOf": [ref("Item"), {**an_object(name=TEXT), **NO_OTHERS}]}
OPEN_LINE = {"allOf": [ref("Item"), an_object(name=TEXT)]}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(CLOSED_LINE, id="both"),
        pytest.param(OPEN_LINE, id="the-base"),
        pytest.param({"allOf": [ref("Item")], **an_object(name=TEXT), **NO_OTHERS}, id="beside"),
        pytest.param({"allOf": [{"allOf": [ref("Item"), {}]}, {"allOf": [OPEN_LINE]}]}, id="deeper"),
        pytest.param({**ref("Item"), **an_object(name=TEXT)}, id="beside-a-reference"),
        pytest.param({**an_object(name=TEXT), "oneOf": [ref("Item"), {**an_object(x=TEXT), **NO_OTHERS}]}, id="one-of"),
    ],
)
def test_what_closed_schemas_say_together_is_closed_over_the_members_of_all(line: Json) -> None:
    operation = a_tool(line, Item=ITEM)
    assert takes(operation, {"id": 1, "name": "x"}, {"name": "x"}, {"id": 1})
    why_not(operation, {"id": "x"})
    assert "other" in why_not(operation, {"id": 1, "name": "x", "other": 1})


def test_a_closed_schema_alone_is_closed_beside_its_use_as_a_part() -> None:
    operation = a_tool({"oneOf": [ref("Item"), {"type": "array", "items": CLOSED_LINE}]}, Item=ITEM)
    assert takes(operation, {"id": 1}, [{"id": 1, "name": "x"}])
    why_not(operation, {"id": 1, "name": "x"})


def test_an_object_is_closed_over_the_members_of_the_branches_beside_it() -> None:
    branches = [an_object("text", text=TEXT), an_object("range", range={"type": "array", "items": WHOLE})]
    operation = a_tool({"type": "object", **NO_OTHERS, "oneOf": branches})
    assert takes(operation, {"text": "x"}, {"range": [1, 2]})
    for wrong in ({}, {"text": 5}, {"text": "x", "other": 1}):
        why_not(operation, wrong)


def test_branches_that_are_open_stay_open_beside_a_closed_one() -> None:
    branches = [{**an_object("a", a=TEXT), **NO_OTHERS}, an_object("b", b=TEXT)]
    operation = a_tool({**an_object(kind=TEXT), "oneOf": branches})
    assert takes(operation, {"kind": "k", "a": "x"}, {"kind": "k", "b": "x", "more": 1})


ENTITY = an_object(id={"type": "string", "readOnly": True}, at={"type": "string", "readOnly": True})


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({"allOf": [ref("Entity"), an_object("id", "sku", sku=TEXT)]}, id="another-part"),
        pytest.param({"required": ["id", "sku"], "allOf": [ref("Entity")], "properties": {"sku": TEXT}}, id="beside"),
        pytest.param({"allOf": [{"allOf": [ref("Entity")]}, ref("Needs")]}, id="behind-references"),
        pytest.param({"allOf": [an_object("id", "sku", sku=TEXT), {"oneOf": [ref("Entity"), {}]}]}, id="in-a-branch"),
        pytest.param(
            {"properties": {"id": {"allOf": [ref("Id")]}, "sku": TEXT}, "required": ["id", "sku"]}, id="wrapped"
        ),
        pytest.param({**ENTITY, "required": ["sku"], "minProperties": 3}, id="counted"),
    ],
)
def test_members_only_for_answers_are_required_nowhere_in_a_request(line: Json) -> None:
    needs = an_object("id", "sku", sku=TEXT)
    operation = a_tool(line, Entity=ENTITY, Needs=needs, Id={"type": "string", "readOnly": True})
    assert takes(operation, {"sku": "a"})
    assert "sku" in why_not(operation, {})


def test_what_one_part_need_not_have_another_use_of_it_still_needs() -> None:
    schemas = {"Entity": ENTITY, "Needs": an_object("id", sku=TEXT, id={})}
    operation = a_tool(
        {"oneOf": [{"type": "array", "items": {"allOf": [ref("Entity"), ref("Needs")]}}, ref("Needs")]}, **schemas
    )
    assert takes(operation, [{"sku": "a"}], {"id": 1})
    why_not(operation, {"sku": "a"})


MAPPING = {"cat": ref("Cat")["$ref"], "dog": "Dog"}
TOLD = {"discriminator": {"propertyName": "kind", "mapping": MAPPING}}
ANIMALS: dict[str, Json] = {
    "Animal": {**an_object("kind", kind=TEXT), **TOLD},
    "Cat": {"allOf": [ref("Animal"), an_object(lives=WHOLE)]},
    "Dog": {"allOf": [ref("Animal"), an_object(barks={"type": "boolean"})]},
}
CLOSED_ANIMALS = {
    "Animal": {**ANIMALS["Animal"], **NO_OTHERS},
    "Cat": {"allOf": [ref("Animal"), {**an_object(lives=WHOLE), **NO_OTHERS}]},
    "Dog": {"allOf": [ref("Animal"), an_object(barks={"type": "boolean"})]},
}
FLAT_ANIMALS = {
    "Animal": {"oneOf": [ref("Cat"), ref("Dog")], **TOLD},
    "Cat": {**an_object("kind", kind=TEXT, lives=WHOLE), **NO_OTHERS},
    "Dog": {**an_object("kind", kind={"type": "string", "enum": ["dog", "cat"]}, barks={"type": "boolean"})},
}
LOOPED_ANIMALS = {**ANIMALS, "Animal": {**ANIMALS["Animal"], "oneOf": [ref("Cat"), ref("Dog")]}}


@pytest.mark.parametrize("animals", [ANIMALS, CLOSED_ANIMALS, FLAT_ANIMALS, LOOPED_ANIMALS])
@pytest.mark.parametrize(
    "schema", [ref("Animal"), {"oneOf": [ref("Cat"), ref("Dog")], **TOLD}, {**ref("Animal"), "nullable": True}]
)
def test_a_discriminator_says_what_each_branch_is_called(animals: dict[str, Json], schema: Json) -> None:
    operation = a_tool(schema, **animals)
    assert takes(operation, {"kind": "cat", "lives": 9}, {"kind": "dog", "barks": True})
    assert shown_in(operation, "cat", "dog", "lives", "barks")
    assert '/value/kind is required: one of "cat", "dog"' in why_not(operation, {"lives": 9})
    assert '/value/kind the value is not one of "cat", "dog"' in why_not(operation, {"kind": "bird"})
    assert "/value/lives the value is not of type" in why_not(operation, {"kind": "cat", "lives": "x"})


def at_the_top(schema: Json, **schemas: Json) -> Operation:
    return only(a_document({"/a": a_post(schema)}, schemas=schemas, version="3.0.3"))[0]


@pytest.mark.parametrize("animals", [ANIMALS, CLOSED_ANIMALS, FLAT_ANIMALS, LOOPED_ANIMALS])
def test_a_base_stands_for_what_extends_it_at_the_top_of_a_body_too(animals: dict[str, Json]) -> None:
    operation = at_the_top(ref("Animal"), **animals)
    for animal in ({"kind": "cat", "lives": 9}, {"kind": "dog", "barks": True}):
        assert arrived(operation, animal) == animal
    with pytest.raises(Invalid, match="/kind is required"):
        arrived(operation, {"lives": 9})


def test_a_base_of_swagger_2_stands_for_what_extends_it() -> None:
    pet = {**an_object("petType", petType=TEXT), "discriminator": "petType"}
    cat = {"allOf": [{"$ref": "#/definitions/Pet"}, an_object("skill", skill={"type": "string", "enum": ["lazy"]})]}
    lion = {"allOf": [{"$ref": "#/definitions/Cat"}, an_object(mane={"type": "boolean"})]}
    body = {"in": "body", "name": "pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    operation, item = only(
        {
            "swagger": "2.0",
            "paths": {"/pets": {"post": {"parameters": [body]}}},
            "definitions": {"Pet": pet, "Cat": cat, "Lion": lion},
        }
    )
    for value in ({"petType": "Cat", "skill": "lazy"}, {"petType": "Lion", "skill": "lazy", "mane": True}):
        assert arrived(operation, value) == value
    assert shown_in(operation, "Cat", "Lion", "skill", "lazy", "mane")
    assert item.status == "ready"


def test_a_value_that_no_mapping_states_is_shown_and_not_insisted_on() -> None:
    kinds = {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}}
    flat = {name: an_object("kind", kind=TEXT, **{name: WHOLE}) for name in ("Cat", "Dog")}
    operation = a_tool(kinds, **flat)
    assert takes(operation, {"kind": "Cat", "Cat": 1}, {"kind": "CAT", "Cat": 1})
    assert shown_in(operation, "Cat", "Dog")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ({"type": "string", "enum": ["CAT"]}, "CAT"),
        ({"type": "integer"}, "integer"),
        ({"const": "cat"}, "cat"),
        ({"type": "string", "enum": ["cat", "kitten"]}, "kitten"),
    ],
)
def test_what_a_branch_says_of_its_own_kind_is_not_contradicted(kind: Json, shown: str) -> None:
    mapping = {"cat": "Cat", "kitten": "Cat", "dog": "Dog"}
    schema = {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind", "mapping": mapping}}
    operation = a_tool(schema, Cat=an_object("kind", kind=kind), Dog=an_object("kind", kind=TEXT))
    own = {"CAT": "CAT", "integer": 5}.get(shown, shown)
    assert takes(operation, {"kind": own}, {"kind": "dog"})
    assert shown_in(operation, shown)


@pytest.mark.parametrize(
    "broken", [5, {}, {"propertyName": 5}, {"propertyName": "kind", "mapping": {"x": 5, "y": "Z"}}]
)
def test_a_discriminator_that_says_nothing_costs_nothing(broken: Any) -> None:
    operation = a_tool({"oneOf": [ref("Cat"), TEXT], "discriminator": broken}, Cat=an_object("kind", kind=TEXT))
    assert takes(operation, {"kind": "any"}, "a text")


@pytest.mark.parametrize("others", [True, {}])
def test_a_body_that_is_open_in_so_many_words_takes_further_members(others: Any) -> None:
    operation = at_the_top({**an_object("email", email=TEXT), "additionalProperties": others})
    body = {"email": "a@example.com", "first": "A", "more": {"x": [1]}}
    assert arrived(operation, body) == body
    with pytest.raises(Invalid, match="email is required"):
        arrived(operation, {"first": "A"})


def test_further_members_of_a_body_are_what_their_schema_says() -> None:
    operation = at_the_top({**an_object(email=TEXT), "additionalProperties": TEXT})
    assert arrived(operation, {"email": "a", "phone": "1"}) == {"email": "a", "phone": "1"}
    with pytest.raises(Invalid, match="/quota the value is not of type"):
        arrived(operation, {"email": "a", "quota": 5})


def test_a_misspelt_name_at_the_top_of_a_body_that_says_nothing_is_told() -> None:
    operation = at_the_top(an_object(email=TEXT))
    with pytest.raises(Invalid, match="/emial is unknown; did you mean 'email'"):
        arrived(operation, {"emial": "a"})


def test_an_object_below_the_top_that_says_nothing_is_open() -> None:
    assert takes(a_tool(an_object(email=TEXT)), {"email": "a", "more": 1})


@pytest.mark.parametrize(
    "shown",
    [
        {"media": {"example": {"name": "a", "size": 2}}},
        {
            "media": {
                "examples": {"one": {"value": {"name": "a"}}, "two": {"value": {"size": 2}}, "no": {"$ref": "#/x"}}
            }
        },
        {"schema": {"example": {"size": 2}}},
        {"schema": {"examples": [{"size": 2}, 5]}},
    ],
)
def test_a_member_that_only_an_example_has_is_a_member(shown: Json) -> None:
    schema = {**an_object(name=TEXT), **shown.get("schema", {})}
    media = shown.get("media", {})
    operation, item = only(a_document({"/a": a_post(schema, **media)}, version="3.0.3"))
    assert arrived(operation, {"name": "a", "size": 2}) == {"name": "a", "size": 2}
    assert operation.input_schema["properties"]["size"]["examples"] == [2]
    assert item.status == "ready"
    closed, _ = only(a_document({"/a": a_post({**schema, **NO_OTHERS}, **media)}, version="3.0.3"))
    with pytest.raises(Invalid, match="/size is unknown"):
        arrived(closed, {"size": 2})


def a_search(**schemas: Json) -> Operation:
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
    return only(a_document({"/a": {"get": {"parameters": parameters, "responses": {}}}}, version="3.0.3"))[0]


def queried(operation: Operation, **arguments: Any) -> str:
    given = ArgumentRules(operation.input_schema, operation.preset).check(arguments)
    return build_request(plan_request(operation, "http://api"), given).url.partition("?")[2]


@pytest.mark.parametrize(
    ("schema", "shown", "value", "sent"),
    [
        ({"type": "string", "enum": [0, 1, True]}, ["0", "1", "true"], "1", "v=1"),
        ({"type": "string", "enum": [1.0, 1.5]}, ["1.0", "1.5"], "1.0", "v=1.0"),
        ({"type": "integer", "enum": ["10", "-20"]}, [10, -20], 10, "v=10"),
        ({"type": "number", "enum": ["0.5", "2", 2, 2.0]}, [0.5, 2], 0.5, "v=0.5"),
        ({"type": "boolean", "enum": ["true", "False"]}, [True, False], True, "v=true"),
        ({"type": "string", "enum": ["up", "down", "up"]}, ["up", "down"], "up", "v=up"),
        ({"enum": [1, True, "1", 1, {"a": 1}, {"a": 1}]}, [1, True, "1", {"a": 1}], "1", "v=1"),
        ({"type": "integer", "enum": [1, "many"]}, [1, "many"], "many", "v=many"),
    ],
)
def test_listed_values_are_values_of_their_type_and_each_is_there_once(
    schema: Json, shown: list[Any], value: Any, sent: str
) -> None:
    operation = a_search(v=schema)
    listed = operation.input_schema["properties"]["v"]["enum"]
    assert json.dumps(listed) == json.dumps(shown)
    assert queried(operation, v=value) == sent
    with pytest.raises(Invalid, match="/v the value is not"):
        queried(operation, v="7x")


def test_a_null_among_listed_values_is_one_of_them() -> None:
    operation = a_tool({"type": "string", "enum": ["a", None]})
    assert takes(operation, "a", None)
    why_not(operation, "b")


def test_values_listed_for_a_list_are_those_of_its_items() -> None:
    operation = a_tool({"type": "array", "enum": ["a", "b"], "nullable": True})
    assert takes(operation, ["a", "b"], [], None)
    why_not(operation, ["c"])


def test_a_default_is_a_value_of_its_type() -> None:
    operation = a_search(v={"type": "string", "default": 3600}, w={"type": "integer", "default": "5"})
    shown = operation.input_schema["properties"]
    assert (shown["v"]["default"], shown["w"]["default"]) == ("3600", 5)


@pytest.mark.parametrize(
    ("pattern", "meant", "fits", "fits_not"),
    [
        ("/^[a-z]+$/", "^[a-z]+$", "abc", "ABC"),
        (r"/^a\/b$/u", "^a/b$", "a/b", "a"),
        ("^[[:alpha:]_]+$", "^[a-zA-Z_]+$", "aB_", "1"),
        (r"\A[[:digit:]]{2}\z", "^[0-9]{2}$", "12", "123"),
        ("/api/", "/api/", "/api/x", "x"),
        (r"^\\Z$", r"^\\Z$", "\\Z", "Z"),
    ],
)
def test_a_pattern_of_another_language_is_one_of_ours(pattern: str, meant: str, fits: str, fits_not: str) -> None:
    operation = a_tool({"type": "string", "pattern": pattern})
    assert operation.input_schema["properties"]["value"]["pattern"] == meant
    assert takes(operation, fits)
    why_not(operation, fits_not)


@pytest.mark.parametrize("pattern", ["/^[a-z]+$/i", "^[[:punct:]]$", "^[[:^alpha:]]$", "/^x$/m"])
def test_a_pattern_that_is_not_sure_to_mean_the_same_is_left_out_and_reported(pattern: str) -> None:
    operation, item = only(a_document({"/a": a_post(an_object(v={"type": "string", "pattern": pattern}))}))
    assert arrived(operation, {"v": "X1"}) == {"v": "X1"}
    assert "is no regular expression of JSON Schema" in str(item.reason)
    assert pattern in str(item.reason)


def test_a_required_value_with_a_default_may_be_left_out_and_is_sent() -> None:
    parameters = [
        {"name": "size", "in": "query", "required": True, "schema": {"type": "integer", "default": 20}},
        {"name": "v", "in": "path", "required": True, "schema": {"type": "string", "default": "v1"}},
        {"name": "wrong", "in": "query", "required": True, "schema": {"type": "integer", "default": "many"}},
    ]
    operation, _ = only(a_document({"/{v}": {"get": {"parameters": parameters, "responses": {}}}}))
    assert operation.input_schema["required"] == ["wrong"]
    assert queried(operation, wrong=1) == "size=20&wrong=1"
    assert queried(operation, wrong=1, size=5, v="v2") == "size=5&wrong=1"
    body = an_object("mode", "name", mode={"type": "string", "default": "fast"}, name=TEXT)
    assert arrived(at_the_top(body), {"name": "a"}) == {"mode": "fast", "name": "a"}
    optional, _ = only(a_document({"/a": a_post(an_object("mode", mode={"default": "fast"}), required=False)}))
    assert ArgumentRules(optional.input_schema, optional.preset).check({}) == {}


@pytest.mark.extended
def test_schemas_that_all_refer_to_each_other_cost_little() -> None:
    closed = {**an_object(a=TEXT), **NO_OTHERS}
    mesh: dict[str, Json] = {f"S{n}": {"allOf": [*(ref(f"S{m}") for m in range(40)), closed]} for n in range(40)}
    with at_most(2):
        a_tool({"type": "object", "properties": {name: ref(name) for name in mesh}}, **mesh)
