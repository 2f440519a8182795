"""One operation of a document, converted but for what depends on the others: its name and the budget of its schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.openapi.operations import extensions, swagger2
from app.openapi.operations.answers import Answers
from app.openapi.operations.argument_names import ARGUMENT, argument_names, ways_of_sending
from app.openapi.operations.bodies import read_body
from app.openapi.operations.media import ReadBody
from app.openapi.operations.objects import OperationObject
from app.openapi.operations.parameters import Parameters
from app.openapi.operations.parts import (
    MOST_ARGUMENTS,
    Input,
    Place,
    ToolWishes,
    Unusable,
    missing_credentials,
    parse,
    server_addresses,
)
from app.openapi.operations.path_parameters import Placed, template_of
from app.openapi.operations.templates import UnreadableTemplate
from app.openapi.schema.definitions import Definition, Shown
from app.openapi.schema.schemas import Schemas
from app.operation.checking import UnusableSchema, validator_of
from app.operation.operation import Body, Json, Operation, Parameter, Slot, Value, split_template
from app.operation.pointers import Unresolvable, join, remark
from app.operation.text import (
    LONGEST_NAME,
    ONCE_GIVEN,
    Key,
    as_title,
    cleaned,
    deprecated,
    has_words,
    hides_something,
    shortened,
    summed_up,
    written_out,
)

_BODY = "body"
_OF_BODY = frozenset({"body", "formData"})  # what `in` of a parameter may say in Swagger 2.0 besides a location
_MOST_DEPENDENCIES = 400  # names in `dependentRequired`, which grow with the square of the number of fields
_TOO_MANY = f"a tool has at most {MOST_ARGUMENTS:,} arguments"
_MOST_TAGS = 20  # of one operation: they select tools, and real operations have one or two
_HEAD = ("operationId", "summary", "description", "tags", "deprecated")


@dataclass(frozen=True, slots=True)
class Draft:
    """An operation without a name, with the frame of its input schema, which the arguments will fill.

    `wanted_name` is what its name is made from, if the document says anything. `examples` are values of the arguments
    of these names, those of `of_body` of the body as a whole.
    """

    operation: Operation
    wanted_name: str | None
    arguments: dict[str, Definition]
    pointer: str
    examples: tuple[tuple[str, Shown], ...] = ()
    of_body: tuple[Shown, ...] = ()

    def filling(self, filling: Json) -> "Draft":
        """Return the draft of an operation that fills in that much below its arguments."""
        return replace(self, operation=replace(self.operation, filling=filling)) if filling else self


@dataclass(frozen=True, slots=True)
class PathItem:
    """What the operations of one path share: the Path Item Object and where it is."""

    path: str
    raw: Json
    pointer: str


@dataclass(slots=True)
class _Arguments:
    """The operation's inputs under the names that a caller gives them, and its path with their names in it."""

    path: str
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    inputs: dict[str, Input] = field(default_factory=dict)
    of_body: tuple[Shown, ...] = ()
    said: str = ""  # of the body


class Drafting:
    """Reads the operations of one document, each independently.

    `kept` are the names that arguments already have, by method and path and by where they go.
    """

    def __init__(
        self, document: Json, schemas: Schemas, servers: Sequence[str], kept: Mapping[Key, Mapping[Slot, str]]
    ) -> None:
        self._document = document
        self._schemas = schemas
        self._consumes = document.get("consumes")  # Swagger 2.0: where an operation has none
        self._parameters = Parameters(schemas)
        self._answers = Answers(document, schemas.references)
        self._servers = tuple(servers)
        self._kept = kept

    def draft(self, item: PathItem, method: str, raw: Value, pointer: str) -> Draft:
        """Return the operation. Raises Unusable if it cannot be called at all."""
        notes: list[str] = []
        try:
            node, place = self._schemas.references.follow(raw, pointer)
        except Unresolvable as error:
            raise Unusable(str(error), pointer) from None
        if not isinstance(node, dict):
            raise Unusable("it is not an Operation Object", place)
        if node is not raw:
            notes.append(remark("an operation that is a `$ref`, which OpenAPI does not allow, was followed", pointer))
        if written_out(item.path) != item.path:
            raise Unusable("its path has invisible characters or line breaks", item.pointer)
        head = parse(OperationObject, _head(node), place, notes)
        wishes = extensions.tool_wishes(node) if _is_extended(node) else ToolWishes()
        arguments = self._arguments(item, node, place, self._kept.get((method, item.path), {}), notes)
        notes += self._credentials(node, place, arguments)
        needed = {name: each for name, each in arguments.inputs.items() if each.required and _is_filled(each)}
        preset = {name: each.schema.schema["default"] for name, each in needed.items()}
        servers = self._own_servers(item, node, place, notes)
        accept, shape = self._answers.of(node)
        operation = Operation(
            name="",
            method=method,
            path=item.path,
            operation_id=cleaned(head.operation_id) if head.operation_id is not None else None,
            title=_title(wishes, head, item, method),
            description=_description(wishes, head, item, method, place, arguments.said, notes),
            tags=tuple(shortened(tag, LONGEST_NAME) for tag in (head.tags or [])[:_MOST_TAGS]),
            deprecated=head.deprecated,
            input_schema=_frame(arguments, preset),
            output_schema=shape,
            parameters=arguments.parameters,
            body=arguments.body,
            accept=accept,
            server=servers[0] if servers else None,
            servers=servers,
            notes=tuple(notes),
            hidden=wishes.hidden or (_is_extended(item.raw) and extensions.hides(item.raw, node)),
            stated_hints=wishes.hints,
            preset=preset,
            template=None if split_template(arguments.path) == split_template(item.path) else arguments.path,
        )
        schemas = {name: each.schema for name, each in arguments.inputs.items()}
        examples = tuple((name, shown) for name, each in arguments.inputs.items() for shown in each.examples)
        return Draft(operation, wishes.name or head.operation_id, schemas, place, examples, arguments.of_body)

    def _arguments(
        self, item: PathItem, node: Json, place: str, kept: Mapping[Slot, str], notes: list[str]
    ) -> _Arguments:
        lists = [
            (raw.get("parameters"), join(where, "parameters"))
            for raw, where in ((item.raw, item.pointer), (node, place))
        ]
        places = self._parameters.merged(lists, notes)
        if len(places) > MOST_ARGUMENTS:
            raise Unusable(f"it has {len(places):,} parameters; {_TOO_MANY}", place)
        of_body = [each for each in places if str(each.raw.get("in")) in _OF_BODY]
        try:
            template = template_of(item.path, [each.raw["name"] for each in places if each.raw.get("in") == "path"])
        except UnreadableTemplate as error:
            raise Unusable(str(error), item.pointer) from None
        read = self._parameters.read([each for each in places if each not in of_body], template, notes)
        body = self._body(node, place, of_body, notes)
        if body is not None and len(body.body.fields) > MOST_ARGUMENTS:
            raise Unusable(f"its form has {len(body.body.fields):,} files; {_TOO_MANY}", place)
        return _named(template.path, read, body, kept)

    def _credentials(self, node: Json, place: str, arguments: _Arguments) -> list[str]:
        requirements = node.get("security", self._document.get("security"))
        given = {(each.location, each.name) for each in arguments.parameters}
        wanted = missing_credentials(self._document, requirements, self._schemas.references, given)
        if not wanted:
            return []
        return [remark(f"calls carry a bearer token and no other credential, and this operation wants {wanted}", place)]

    def _body(self, node: Json, place: str, of_body: list[Place], notes: list[str]) -> ReadBody | None:
        if node.get("requestBody") is None:
            consumes = node.get("consumes") or self._consumes
            return swagger2.body_of(of_body, consumes, self._schemas, notes) if of_body else None
        notes += map(swagger2.another_body, of_body)
        return read_body(node["requestBody"], join(place, "requestBody"), self._schemas, notes)

    def _own_servers(self, item: PathItem, node: Json, place: str, notes: list[str]) -> tuple[str, ...]:
        """Return the servers of its own; none if the first is the document's first, where calls go anyway."""
        for raw, where in ((node, place), (item.raw, item.pointer)):
            own = server_addresses(raw.get("servers"), join(where, "servers"), notes)
            if own:
                return own if own[:1] != self._servers[:1] else ()
        return ()


def _is_extended(node: Json) -> bool:
    return any(key.startswith("x-") for key in node)


def _head(node: Json) -> Json:
    head = {name: node[name] for name in _HEAD if node.get(name) is not None}
    if isinstance(head.get("operationId"), int | float):
        head["operationId"] = str(head["operationId"])
    return head


def _description(
    wishes: ToolWishes, head: OperationObject, item: PathItem, method: str, place: str, of_body: str, notes: list[str]
) -> str:
    """What the author says of the body comes last, unless it is said already, or the tool has words of its own."""
    if hides_something(f"{wishes.title}{wishes.description}{head.summary}{head.description}"):
        notes.append(remark("invisible or control characters were taken out of its description", place))
    own = summed_up(shortened(head.summary or ""), shortened(head.description or ""))
    of_path = (item.raw.get("description"), item.raw.get("summary"))
    texts = (shortened(text) for text in (wishes.description, own, *of_path) if isinstance(text, str))
    description = next((text for text in texts if text), _request_line(method, item.path))
    if of_body and not wishes.description and not has_words(description, of_body):
        description = shortened(f"{description}\n\nThe body: {of_body}")
    return shortened(deprecated(description)) if head.deprecated else description


def _title(wishes: ToolWishes, head: OperationObject, item: PathItem, method: str) -> str:
    stated = shortened(wishes.title or head.summary or "", LONGEST_NAME)
    derived = stated or shortened(as_title(cleaned(head.operation_id or "")), LONGEST_NAME)
    return derived or _request_line(method, item.path)


def _request_line(method: str, path: str) -> str:
    return shortened(f"{method} {path}", LONGEST_NAME)


def _named(path: str, read: list[Placed], body: ReadBody | None, kept: Mapping[Slot, str]) -> _Arguments:
    inputs = [each for _, each in read] + list(body.inputs if body is not None else ())
    slots = [(each.location, each.name) for each in inputs]
    names = [name for _, name in slots]
    plain = len(set(names)) == len(names) and all(map(ARGUMENT.fullmatch, names))
    if not plain or (kept and any(kept.get(slot, slot[1]) != slot[1] for slot in slots)):
        names = argument_names(slots, kept)
        ways = ways_of_sending(slots, names, whole=body is not None and body.body.argument is not None)
        inputs = [_saying(way, each) for way, each in zip(ways, inputs, strict=True)]
    filled = {name: each for name, each in zip(names, inputs, strict=True) if each.once_given and _is_filled(each)}
    defaults = {name: each.schema.schema["default"] for name, each in filled.items()}
    known = {name: _told(each, name in filled) for name, each in zip(names, inputs, strict=True)}
    parameters = tuple(
        parameter if parameter.argument == name else replace(parameter, argument=name)
        for (parameter, _), name in zip(read, names, strict=False)
    )
    return _Arguments(
        path,
        parameters,
        None if body is None else _with_arguments(body.body, names[len(read) :], defaults),
        known,
        () if body is None else body.examples,
        "" if body is None else body.said,
    )


def _told(each: Input, is_filled: bool) -> Input:
    """Return what an optional body needs with words for that, unless it is sent anyway."""
    return replace(each, once_given=False) if is_filled else _saying(ONCE_GIVEN if each.once_given else "", each)


def _saying(sentence: str, each: Input) -> Input:
    return replace(each, schema=each.schema.opened(sentence)) if sentence else each


def _with_arguments(body: Body, names: list[str], defaults: Json) -> Body:
    if body.argument is not None:
        return replace(body, argument=names[0])
    body = replace(body, defaults=defaults) if defaults else body
    if [each.argument for each in body.fields] == names:
        return body
    fields = zip(body.fields, names, strict=True)
    return replace(body, fields=tuple(replace(each, argument=name) for each, name in fields))


def _is_filled(each: Input) -> bool:
    """Whether a value that is required may be left out: the document says what it is then, and its schema agrees."""
    schema = each.schema.schema
    if "default" not in schema or each.schema.references:
        return False
    try:
        return validator_of(schema).is_valid(schema["default"])
    except UnusableSchema:
        return False


def _frame(arguments: _Arguments, preset: Json) -> Json:
    schema: Json = {"type": "object", "additionalProperties": False}
    if required := [name for name, each in arguments.inputs.items() if each.required and name not in preset]:
        schema["required"] = required
    if dependencies := _dependencies(arguments):
        schema["dependentRequired"] = dependencies
    return schema


def _dependencies(arguments: _Arguments) -> dict[str, list[str]]:
    """Giving one field of an optional body makes those that the body requires necessary."""
    fields = [name for name, each in arguments.inputs.items() if each.location == _BODY]
    needed = [name for name in fields if arguments.inputs[name].once_given]
    if len(fields) * len(needed) > _MOST_DEPENDENCIES:
        return {}
    dependencies = {name: [other for other in needed if other != name] for name in fields}
    return {name: others for name, others in dependencies.items() if others}
