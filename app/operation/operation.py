"""One operation of a document, ready to be called, and what became of all of them: the product's own description.

The size of a tool is that in a list: bytes of JSON, as programs write it that escape all but ASCII.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

Location = Literal["path", "query", "header", "cookie", "querystring"]
Style = Literal["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject", "cookie"]
Json = dict[str, Any]
Value = Any  # one JSON value of any type
Status = Literal["ready", "degraded", "skipped"]
Slot = tuple[str, str]  # where a value goes: a location or `body`, and the name that the document has for it there

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})  # RFC 9110 section 9.2.1; OAS 3.2 `query`
_REPEATABLE_METHODS = frozenset({"PUT", "DELETE"})  # idempotent, but not safe: section 9.2.2
_EXPRESSION = re.compile(r"\{([^{}/]*)\}")
_OPERATORS = "+#./;?&"
_BYTES_A_TOKEN = 4  # the usual rule of thumb for English and JSON
_FRAME = 240  # bytes of the slug, the members' names, annotations
_FRAME_OF_OUTPUT = 128  # bytes around an output schema


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where one argument goes (OAS 3.1.1 section 4.8.12). `content_type` is set for `content`-typed parameters.

    `allow_slashes`: those in its value divide segments of the path. One of the path that is not required is at its end,
    and the path ends before it if there is no value.

    A `querystring` (OAS 3.2.0 section 4.12.1) is the whole query in its media type, and has no other beside it.
    """

    argument: str
    name: str
    location: Location
    required: bool
    style: Style
    explode: bool
    allow_reserved: bool = False
    content_type: str | None = None
    allow_slashes: bool = False


@dataclass(frozen=True, slots=True)
class BodyField:
    """One property of a body that was flattened into arguments of its own, with its Encoding Object if any.

    `binary`: it is a file, or several. `or_text`: where a text is said for it, that text is sent.
    """

    argument: str
    name: str
    content_type: str | None = None
    style: Style | None = None
    explode: bool | None = None
    binary: bool = False
    or_text: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The request body: either one argument holds it whole (`argument`), or several do (`fields`).

    `binary`: it is bytes. In a form that one argument holds whole, `fields` only say how members of that name are
    encoded, and `binary` that all others are files. `read_only`: names in a form that no request has. `with_files` is
    the media type that is sent where a file is given among the fields. `defaults` are arguments of a body that may be
    left out: they are sent with it unless a caller gives others.
    """

    media_type: str
    required: bool
    argument: str | None = None
    fields: tuple[BodyField, ...] = ()
    binary: bool = False
    read_only: tuple[str, ...] = ()
    with_files: str | None = None
    defaults: Json = field(default_factory=dict)

    @property
    def arguments(self) -> frozenset[str]:
        """The names of the arguments that make up the body."""
        if self.argument is not None:
            return frozenset({self.argument})
        return frozenset(field.argument for field in self.fields)


@dataclass(frozen=True, slots=True)
class Hints:
    """What a caller may expect of an operation (RFC 9110 section 9.2), for the annotations of its tool."""

    read_only: bool
    destructive: bool
    idempotent: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One path and method, with what a caller may say and where each argument goes.

    `name` is the part after `slug__`; `path` is the template as the document has it, and `template` the same in the
    notation of OpenAPI, where the document has another. `input_schema` is JSON Schema
    2020-12, self-contained, root type object, `additionalProperties: false`. `server` is set only where the operation
    or path states servers of its own: the first of `servers`, until one that may be called is chosen (absolute URL).
    `notes` say what was degraded and why. `hidden`: the document wants no tool for it. `stated_hints` correct what the
    method promises. `preset` holds values of arguments that are sent unless the caller gives others; those that are not
    in `input_schema` cannot be given. `portable_schema` is what lists show in place of `input_schema`, if anything; it
    follows from that and is not stored. `filling` says what is filled in below arguments (filling.py).
    """

    name: str
    method: str
    path: str
    operation_id: str | None
    title: str | None
    description: str
    tags: tuple[str, ...]
    deprecated: bool
    input_schema: Json
    output_schema: Json | None
    parameters: tuple[Parameter, ...]
    body: Body | None
    accept: tuple[str, ...]
    server: str | None
    notes: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    hidden: bool = False
    stated_hints: dict[str, bool] = field(default_factory=dict)
    preset: Json = field(default_factory=dict)
    filling: Json = field(default_factory=dict, compare=False)
    portable_schema: Json | None = field(default=None, compare=False)
    template: str | None = None

    @property
    def called(self) -> str:
        """The path template of its calls."""
        return self.path if self.template is None else self.template

    @property
    def listed_schema(self) -> Json:
        """The input schema as lists show it."""
        return self.input_schema if self.portable_schema is None else self.portable_schema

    @property
    def slots(self) -> dict[str, Slot]:
        """Where each argument goes; one that holds the body whole has the name `body` there."""
        slots: dict[str, Slot] = {each.argument: (each.location, each.name) for each in self.parameters}
        if self.body is not None and self.body.argument is not None:
            slots[self.body.argument] = ("body", "body")
        elif self.body is not None:
            slots.update({each.argument: ("body", each.name) for each in self.body.fields})
        return slots

    @property
    def hints(self) -> Hints:
        """What was stated, else what the method promises; only a hint of its own makes a POST read-only."""
        method, stated = self.method.upper(), self.stated_hints
        read_only = stated.get("read_only", method in _SAFE_METHODS)
        return Hints(
            read_only=read_only,
            destructive=stated.get("destructive", not read_only),
            idempotent=stated.get("idempotent", read_only or method in _REPEATABLE_METHODS),
        )


@dataclass(frozen=True, slots=True)
class ReportItem:
    """What became of one operation."""

    method: Annotated[str, Field(description="The HTTP method of the operation.")]
    path: Annotated[str, Field(description="Its path template; empty where the entry is not about one operation.")]
    pointer: Annotated[
        str,
        Field(
            description="Where it is in the document: a JSON Pointer. In another file of the document, the file's name "
            "and a `#` come first."
        ),
    ]
    status: Annotated[
        Status, Field(description="`ready`: a tool; `degraded`: a tool with something lost; `skipped`: not a tool.")
    ]
    reason: Annotated[str | None, Field(description="Why it is not `ready`.")]
    name: Annotated[
        str | None, Field(description="What the tool is called, behind the slug; null if it is not a tool.")
    ]
    bytes: Annotated[int, Field(description="The size of the tool in lists of tools.")]
    estimated_tokens: Annotated[int, Field(description="About how many tokens that is for a model.")]
    refused_examples: Annotated[
        str | None, Field(description="Examples in the document that the tool refuses, why, and where.")
    ] = None


@dataclass(frozen=True, slots=True)
class Examples:
    """How many examples of requests in a document were tried, and how many of them its tools take."""

    tried: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a document holds. Servers have their variables filled in; relative ones stay relative."""

    title: str | None
    description: str | None
    version: str | None
    servers: tuple[str, ...]
    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]
    examples: Examples = Examples()


def operation_to_json(operation: Operation) -> bytes:
    """Return the operation as one JSON object on one line."""
    return kept_json(operation)


def operation_from_json(data: bytes | memoryview) -> Operation:
    """Return the operation that `operation_to_json` wrote, without loss."""
    state: dict[str, Any] = orjson.loads(data)
    return Operation(
        **{
            **state,
            "tags": tuple(state["tags"]),
            "accept": tuple(state["accept"]),
            "notes": tuple(state["notes"]),
            "servers": tuple(state.get("servers", ())),
            "parameters": tuple(Parameter(**parameter) for parameter in state["parameters"]),
            "body": _body(state["body"]),
        }
    )


def _body(state: dict[str, Any] | None) -> Body | None:
    if state is None:
        return None
    fields = tuple(BodyField(**field) for field in state["fields"])
    return Body(**{**state, "fields": fields, "read_only": tuple(state.get("read_only", ()))})


def split_template(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the literals of a path template (OAS 3.1.1 section 4.8.8.2), one more than names, and the names.

    Some documents write RFC 6570 operators and modifiers around a name, as in `{;id*}`; a `#…` is not part of a
    request.
    """
    pieces = _EXPRESSION.split(path.partition("#")[0])
    names = (expression.lstrip(_OPERATORS).removesuffix("*").strip() for expression in pieces[1::2])
    return tuple(pieces[::2]), tuple(names)


def estimated_tokens(size: int) -> int:
    """Return about how many tokens of a model so many bytes of a tool take."""
    return -(-size // _BYTES_A_TOKEN)


def kept_json(value: object, option: int = 0) -> bytes:
    """Return JSON of which much is held at a time: what orjson returns takes many times its length (3.13)."""
    return b"".join((orjson.dumps(value, option=option), b""))


def size_of(value: Value) -> int:
    """Return the bytes of a value."""
    written = orjson.dumps(value)
    return len(written) if written.isascii() else len(json.dumps(value, separators=(",", ":")))


def size_without_schemas(operation: Operation, name: str) -> int:
    """Return the most bytes that a tool has without its input and output schemas; MCP shows the title twice."""
    return size_of([name, operation.description, operation.title, operation.title]) + _FRAME


def size_of_output(schema: Json | None) -> int:
    """Return the bytes that an output schema adds to its tool."""
    return 0 if schema is None else size_of(schema) + _FRAME_OF_OUTPUT


def size_of_tool(operation: Operation) -> int:
    """Return the most bytes that the whole tool has."""
    without = size_without_schemas(operation, operation.name)
    return without + size_of(operation.listed_schema) + size_of_output(operation.output_schema)
