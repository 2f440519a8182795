"""Which parameters stand for the names in a path, and how their values are written there."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote_plus

from app.openapi.operations.parts import Input, Unusable
from app.openapi.operations.templates import Template, Variable, may_have_slashes, read_template
from app.openapi.schema.definitions import Definition
from app.operation.operation import Json, Parameter, Value, split_template
from app.operation.pointers import remark

Placed = tuple[Parameter, Input]
_PLAIN = re.compile(r"(?:[\w./%@!$&'+,;=~-]|\{\w(?:[\w.-]*\w)?\})*", re.ASCII)  # in OpenAPI's notation
_TOLD = re.compile(r"/\.|\$\{|%7[BbDd]")  # not plain: dot segments, and braces in other spellings
_LISTS = {"array", "object"}
_DEFINITIONS = "#/$defs/"
_COMBINED = ("allOf", "anyOf", "oneOf")


def template_of(path: str, declared: Collection[str]) -> Template:
    """Return what the path means; `declared` are the names of its parameters. Raises UnreadableTemplate."""
    if path.startswith("/") and _PLAIN.fullmatch(path) and not _TOLD.search(path):  # as most are
        return Template(path, {name: Variable(name) for name in split_template(path)[1]}, ())
    return read_template(path, declared)


class PathParameters:
    """Puts the parameters of one operation where its path wants them."""

    def __init__(self, template: Template, declared: Collection[str], definition: Callable[[str], Definition]) -> None:
        self._template = template
        self._definition = definition
        self._by_name = {variable.declared_as or name: variable for name, variable in template.variables.items()}
        self._taken = self._by_name.keys() & set(declared)  # names that a parameter stands for
        pairs = [pair.partition("=") for pair in template.path.partition("?")[2].split("&")]
        self._in_query = {unquote_plus(name): split_template(value)[1] for name, _, value in pairs}

    def placed(
        self, parameter: Parameter, definition: Definition, pointer: str, notes: list[str], *, required: bool
    ) -> Placed:
        """Return the parameter as the path has it. `required`: the document says so. Raises Unusable."""
        name, query = parameter.name, self._template.query
        if parameter.location == "query" and self._in_query.get(name):
            return self._of_own_query(parameter, definition, pointer, notes)
        if parameter.location != "path":
            return _input(parameter, definition)
        if name not in self._by_name and name in query:
            notes.append(remark(f"taken for {{?{name}}}, which is in the query", pointer))
            moved = replace(parameter, location="query", required=required, style="form", explode=True)
            return _input(moved, definition)
        variable = self._by_name.get(name) or self._of_another_case(name, pointer, notes)
        said = list(_said(definition.schema, self._definition)) if definition.references else [definition.schema]
        changed, definition, spans = _shaped(parameter, definition, variable, said)
        if spans:
            notes.append(remark(_slashes(variable.name), pointer))
        required = required or not variable.optional
        return _input(changed if changed.required == required else replace(changed, required=required), definition)

    def undeclared(self, found: Collection[Placed], notes: list[str]) -> Iterator[Placed]:
        """Yield an argument for each name that no parameter stands for."""
        declared = {(parameter.location, parameter.name) for parameter, _ in found}
        for name, variable in self._template.variables.items():
            if ("path", name) not in declared:
                schema = variable.schema or {"type": "string"}
                kind = "text" if schema["type"] == "string" else schema["type"]
                notes.append(f"the path has {{{name}}}, which no parameter declares: taken as {kind}")
                if variable.spans:
                    notes.append(_slashes(name))
                definition = not_empty(Definition({**schema, "description": f"Part of the path: {{{name}}}"}))
                required = not variable.optional
                yield _input(Parameter(name, name, "path", required, variable.style or "simple", False), definition)
        for name in self._template.query:
            if ("query", name) not in declared:
                notes.append(f"the path has {{?{name}}}, which no parameter declares: taken as text")
                yield _input(Parameter(name, name, "query", False, "form", True), Definition({"type": "string"}))

    def _of_own_query(self, parameter: Parameter, definition: Definition, pointer: str, notes: list[str]) -> Placed:
        if self._in_query[parameter.name] != (parameter.name,) or parameter.name in self._taken:
            raise Unusable("the path has that name in its own query", pointer)
        notes.append(remark(f"taken for {{{parameter.name}}} in the path's own query", pointer))
        self._taken.add(parameter.name)
        in_path = Parameter(parameter.argument, parameter.name, "path", required=True, style="simple", explode=False)
        return _input(in_path, not_empty(definition))

    def _of_another_case(self, name: str, pointer: str, notes: list[str]) -> Variable:
        for meant, variable in self._by_name.items():
            if meant.lower() == name.lower() and meant not in self._taken:
                notes.append(remark(f"taken for {{{meant}}}, whose case differs", pointer))
                self._taken.add(meant)
                return variable
        raise Unusable(f"the path has no {{{name[:60]}}}", pointer)


def not_empty(definition: Definition) -> Definition:
    """Return the definition without an empty text, which would make it a different path."""
    if "string" not in (_types(definition.schema) or {"string"}) or "enum" in definition.schema:
        return definition
    return definition.described(minLength=max(definition.schema.get("minLength", 0), 1))


def _said(schema: Value, definition: Callable[[str], Definition]) -> Iterator[Json]:
    """Yield the converted schemas that say what a value is, those behind references included."""
    pending, met = [schema], set()
    while pending:
        each = pending.pop()
        if not isinstance(each, dict):
            continue
        yield each
        name = str(each.get("$ref", "")).removeprefix(_DEFINITIONS)
        if name and name not in met:
            met.add(name)
            pending.append(definition(name).schema)
        pending += (part for keyword in _COMBINED for part in each.get(keyword, ()))


def _shaped(
    parameter: Parameter, definition: Definition, variable: Variable, said: Sequence[Json]
) -> tuple[Parameter, Definition, bool]:
    """Return the parameter as the template writes it, and whether it may have slashes; `said` is of its value."""
    types = set[str]().union(*map(_types, said)) or {"string"}
    is_list = not _LISTS.isdisjoint(types) and "string" not in types
    if is_list and variable.is_list:
        definition = Definition({"type": "string", "minLength": 1, **_words(definition)})
    elif is_list and variable.several:
        parameter = replace(parameter, explode=True)
    patterns = [each["pattern"] for each in said if isinstance(each.get("pattern"), str)]
    spans = variable.spans or any(map(may_have_slashes, patterns))
    name, style = variable.name, variable.style or parameter.style
    if (name, name, style) != (parameter.argument, parameter.name, parameter.style):
        parameter = replace(parameter, argument=name, name=name, style=style)
    return parameter, definition, spans and ("string" in types or variable.is_list)


def _slashes(name: str) -> str:
    return f"slashes in {{{name}}} are sent as %2F, unless an override of the argument says `allow_slashes`"


def _words(definition: Definition) -> dict[str, str]:
    said = definition.schema.get("description", "")
    return {"description": f"{said} Several values with slashes between them, in one text.".strip()}


def _types(schema: Json) -> set[str]:
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _input(parameter: Parameter, definition: Definition) -> Placed:
    return parameter, Input(parameter.location, parameter.name, parameter.required, definition)
