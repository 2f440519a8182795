"""Members of arguments that are required and have a default: they are sent when a caller leaves them out.

A `Filling` is JSON, because it is stored with its operation: `members` are the values to fill in; `properties`, `items`
and `parts` are the fillings of members, of items and of the same value; `ref` names one of `definitions`.
"""

from app.operation.operation import Json, Value

Filling = Json


def filled(value: Value, filling: Filling, definitions: Json) -> Value:
    """Return the value with what it lacks; it is not changed itself."""
    if "ref" in filling:
        value = filled(value, definitions[filling["ref"]], definitions)
    for part in filling.get("parts", ()):
        value = filled(value, part, definitions)
    if isinstance(value, list) and "items" in filling:
        return [filled(each, filling["items"], definitions) for each in value]
    if not isinstance(value, dict):
        return value
    below = filling.get("properties", {})
    inner = {name: filled(value[name], each, definitions) for name, each in below.items() if name in value}
    return {**value, **inner, **{name: each for name, each in filling.get("members", {}).items() if name not in value}}
