"""What the values of an `enum` are called: no standard keyword says it, and numbers alone tell a model nothing.

Generators write names and descriptions in extensions: lists in the order of the values (`x-enumNames` of NSwag,
`x-enum-varnames` and `x-enum-descriptions` of OpenAPI Generator), objects by value (`x-enumDescriptions` of Redocly) or
by name (`x-enum-comments` of swag), and `x-ms-enum` of AutoRest.
"""

import re
from collections.abc import Iterator

from app.operation.operation import Json, Value
from app.operation.text import LONGEST_DESCRIPTION, sentences, shortened

_NAMES = frozenset({"enumkeys", "enumlabels", "enumnames", "enumtitles", "enumvarnames"})
_DESCRIPTIONS = frozenset({"enumcomments", "enumdesc", "enumdescription", "enumdescriptions"})
_OF_AUTOREST = "msenum"
_LONGEST_WORDS = 200  # characters about one value
_MOST = 1_000  # … about all of them
_SIGNS = re.compile(r"[\W_]+")


def with_names(schema: Json, raw: Json) -> Json:
    """Return the converted schema, whose `enum` is stated in `raw`, with the names of its values in its description."""
    values = raw.get("enum")
    if not isinstance(values, list):
        return schema
    said = {_plain(key.removeprefix("x-")): stated for key, stated in raw.items() if key.startswith("x-")}
    names: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    for found, keywords in ((names, _NAMES), (descriptions, _DESCRIPTIONS)):
        for keyword in sorted(keywords & said.keys()):
            found.update(_by_value(said[keyword], values, names))
    for value, name, description in _of_autorest(said.get(_OF_AUTOREST)):
        names.setdefault(value, name)
        descriptions.setdefault(value, description)
    own = schema.get("description")
    return _told(schema, values, names, descriptions, own if isinstance(own, str) else "")


def _told(
    schema: Json, values: list[Value], names: dict[str, str], descriptions: dict[str, str], description: str
) -> Json:
    told = dict.fromkeys(words for each in values if (words := _words(_text(each), names, descriptions)))
    if all(words.partition(" = ")[2] in description for words in told):
        return schema
    words = shortened(f"Values: {'; '.join(told)}.", _MOST)
    return {**schema, "description": sentences(shortened(description, LONGEST_DESCRIPTION - len(words) - 2), words)}


def _words(value: str, names: dict[str, str], descriptions: dict[str, str]) -> str:
    """Return the value with what is said about it; nothing where that is only the value again."""
    name, description = names.get(value, ""), descriptions.get(value, "")
    if _plain(name) == _plain(value):
        name = ""
    meaning = f"{name} ({description})" if name and description else name or description
    return f"{value} = {meaning}" if meaning and _plain(meaning) != _plain(value) else ""


def _by_value(stated: Value, values: list[Value], names: dict[str, str]) -> Iterator[tuple[str, str]]:
    if isinstance(stated, list):
        yield from ((_text(value), _said(each)) for value, each in zip(values, stated, strict=False))
    elif isinstance(stated, dict):
        value_of: dict[str, str] = {name: value for value, name in names.items()}
        yield from ((value_of.get(key) or key, _said(each)) for key, each in stated.items())


def _of_autorest(stated: Value) -> Iterator[tuple[str, str, str]]:
    listed = stated.get("values") if isinstance(stated, dict) else None
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and "value" in each:
            yield _text(each["value"]), _said(each.get("name")), _said(each.get("description"))


def _said(words: Value) -> str:
    return shortened(words, _LONGEST_WORDS).rstrip(".") if isinstance(words, str) else ""


def _text(value: Value) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _plain(text: str) -> str:
    return _SIGNS.sub("", text).lower()
