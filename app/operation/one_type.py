"""Schemas that say of which type the values are whose members or items they describe, as Gemini demands it.

There `properties` and `required` stand only beside `type: object`, `items` only beside `type: array`, and what is
required is among the members (docs/decisions/0024).
"""

from app.operation.keywords import ALTERNATIVES
from app.operation.operation import Json, Value
from app.operation.schemas import ANNOTATIONS

_ONLY_OF = {
    "array": frozenset({"contains", "items", "maxContains", "maxItems", "minContains", "minItems", "prefixItems"})
    | {"unevaluatedItems", "uniqueItems"},
    "object": frozenset({"additionalProperties", "dependentRequired", "dependentSchemas", "maxProperties"})
    | {"minProperties", "patternProperties", "properties", "propertyNames", "required", "unevaluatedProperties"},
}
_CONTAINERS = _ONLY_OF["array"] | _ONLY_OF["object"]
_OF_OTHER_KINDS = frozenset({"$ref", "const", "else", "enum", "if", "maximum", "maxLength", "minimum", "minLength"}) | {
    "pattern",
    "then",
}


def stands_alone(keyword: str, schema: Json) -> bool:
    """Whether what the keyword holds has a type of its own, or that of the schema if this is one type."""
    return keyword != "allOf" and (keyword not in ALTERNATIVES or schema.get("type").__class__ is not list)


def of_one_type(form: Json) -> tuple[Json, bool]:
    """Return it with the type that it is about, and what it requires among its members; and whether it accepts more.

    What states no type is taken for what its keywords are about: literally it accepts texts and numbers too, which
    nobody means.
    """
    if form.keys().isdisjoint(_CONTAINERS):
        return form, False
    form = _of_one_kind(form)
    known = form.get("properties", {})
    missing = [name for name in form.get("required", ()) if name not in known]
    if form.get("type") != "object" or not missing:
        return form, False
    further = form.get("additionalProperties")
    named = {name: further if isinstance(further, dict) else {} for name in missing}
    return {**form, "properties": {**known, **named}}, further is False or "unevaluatedProperties" in form


def _of_one_kind(form: Json) -> Json:
    """Return it without what is about members or items of other types; what is about these alone has their type."""
    stated = form.get("type")
    if isinstance(stated, str) or not any(isinstance(each, dict | list) for each in form.get("enum", ({},))):
        other = _CONTAINERS - _ONLY_OF.get(str(stated), frozenset())
        return form if form.keys().isdisjoint(other) else {key: each for key, each in form.items() if key not in other}
    kinds = [kind for kind, keywords in _ONLY_OF.items() if not form.keys().isdisjoint(keywords)]
    if stated is not None or len(kinds) > 1 or not form.keys().isdisjoint(_OF_OTHER_KINDS):
        return form
    (kind,), parts = kinds, form.get("allOf", ())
    branches = [each for keyword in ALTERNATIVES for each in form.get(keyword, ())]
    if any(_type_of(each) != kind for each in branches) or any(_type_of(each, kind) != kind for each in parts):
        return form
    return {**form, "type": kind, **({"allOf": [{**each, "type": kind} for each in parts]} if parts else {})}


def _type_of(part: Value, otherwise: str | None = None) -> Value:
    """Return the type that a part states; `otherwise` for one that may be about any."""
    if not isinstance(part, dict) or not part.keys().isdisjoint(_OF_OTHER_KINDS | {*ALTERNATIVES, "allOf"}):
        return None
    return part.get("type", otherwise)


def apart(form: Json) -> Json:
    """Return one alternative for each type whose keywords say something about its members or items."""
    types = form["type"]
    own = [name for name in types if name == "array" or not form.keys().isdisjoint(_ONLY_OF.get(name, ()))]
    if not own:
        return form
    said = {keyword: value for keyword, value in form.items() if keyword in ANNOTATIONS}
    rest = {keyword: value for keyword, value in form.items() if keyword not in {*ANNOTATIONS, "type"}}
    plain = {
        keyword: value for keyword, value in rest.items() if not any(keyword in each for each in _ONLY_OF.values())
    }
    branches = [
        with_items(
            {"type": name, **{key: value for key, value in rest.items() if key in _ONLY_OF[name] or key in plain}}
        )
        for name in own
    ]
    if others := [name for name in types if name not in {*own, "null"}]:
        branches.append({"type": others[0] if len(others) == 1 else others, **plain})
    if "null" in types:
        branches.append({"type": "null", **plain})
    return {**said, "anyOf": branches} if len(branches) > 1 else {**said, **branches[0]}


def with_items(form: Json) -> Json:
    """Return it with `items` that are an object, if it is about an array."""
    items = form.get("items")
    if isinstance(items, dict) or (form.get("type") != "array" and form.keys().isdisjoint({"items", "prefixItems"})):
        return form
    result = {**form, "items": {}}
    if items is False:
        first = len(form.get("prefixItems", ()))
        result["maxItems"] = min(first, form.get("maxItems", first))
    return result
