"""`tools-provider call`: a tool executed over REST, with arguments as a shell writes them."""

import base64
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from app.cli.asking import content_of, stop
from app.cli.client import (
    DEFAULT_SERVER,
    PasswordFileOption,
    ServerOption,
    TokenFileOption,
    UserOption,
    connect,
)
from app.operation.media_types import kind_of
from app.operation.pointers import LONGEST_CHAIN, References, Unresolvable
from app.operation.text import OPERATION_NAME, cleaned, is_slug

_UPSTREAM_REFUSED = 3  # exit status: the tool was called, and the upstream answered with an error
_PAIR = re.compile(r"(?P<name>[^=]+?)(?P<sign>:=|=@|=)(?P<text>.*)", re.DOTALL)


class _Tool(BaseModel):
    input_schema: dict[str, Any]


class _Called(BaseModel):
    is_error: bool
    upstream_status: int
    content_type: str | None
    result: Any
    truncated: bool


def call(
    tool_id: Annotated[str, typer.Argument(metavar="TOOL_ID", help="slug/operation", show_default=False)],
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE | KEY:=JSON | KEY=@FILE]…", help="Its arguments.", show_default=False),
    ] = None,
    as_json: Annotated[
        str, typer.Option("--json", metavar="JSON", help="All arguments as one object; - reads it from standard input.")
    ] = "",
    server: ServerOption = DEFAULT_SERVER,
    token_file: TokenFileOption = None,
    user: UserOption = "",
    password_file: PasswordFileOption = None,
) -> None:
    """Call a tool and print its result: JSON as JSON, text as text.

    KEY=VALUE is text where the tool takes text, else JSON (a number, true, a list).

    Ends with 0 when the tool answered, 1 when somebody refuses, 2 when nobody could be asked, 3 when the upstream
    answered with an error.
    """
    _check_tool_id(tool_id)
    if as_json and pairs:
        raise typer.BadParameter("give either --json or single arguments", param_hint="--json")
    given = _split(pairs or [])
    arguments = _object(sys.stdin.read() if as_json == "-" else as_json) if as_json else {}
    client = connect(server, token_file, user, password_file)
    if given:
        schema = client.get(f"/api/v1/tools/{tool_id}", _Tool).input_schema
        arguments = {name: _value(name, sign, text, schema) for name, (sign, text) in given.items()}
    _check_sendable(arguments)
    answer = client.post("/api/v1/tools/execute", _Called, json={"tool_id": tool_id, "arguments": arguments})
    _print(answer)
    if answer.is_error:
        stop(_UPSTREAM_REFUSED, f"The upstream answered {answer.upstream_status}.")


def _check_tool_id(tool_id: str) -> None:
    slug, _, operation = tool_id.partition("/")
    if not is_slug(slug) or not re.fullmatch(OPERATION_NAME, operation):
        raise typer.BadParameter("write slug/operation, as `register` shows it", param_hint="TOOL_ID")


def _check_sendable(arguments: dict[str, Any]) -> None:
    """Refuse what Python takes for JSON and others do not: NaN, infinite numbers, halves of characters."""
    try:
        json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise typer.BadParameter(f"these cannot be sent as JSON: {error}", param_hint="arguments") from None


def _split(pairs: list[str]) -> dict[str, tuple[str, str]]:
    """Return sign and text of each argument by its name."""
    given: dict[str, tuple[str, str]] = {}
    for pair in pairs:
        found = _PAIR.fullmatch(pair)
        if found is None:
            raise typer.BadParameter(f"{pair!r}: write KEY=VALUE, KEY:=JSON or KEY=@FILE", param_hint="arguments")
        if found["name"] in given:
            raise typer.BadParameter(f"{found['name']} is given twice; write a list as JSON", param_hint="arguments")
        given[found["name"]] = (found["sign"], found["text"])
    return given


def _object(text: str) -> dict[str, Any]:
    value = _parsed(text, "--json")
    if not isinstance(value, dict):
        raise typer.BadParameter("write an object of arguments by name", param_hint="--json")
    return value


def _value(name: str, sign: str, text: str, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    properties = schema.get("properties")
    wanted = properties.get(name, True) if isinstance(properties, dict) else True
    references = References(schema)
    if sign == "=@":
        content = content_of(Path(text))
        if _takes_bytes(wanted, references):
            return base64.b64encode(content).decode()
        text = content.decode(errors="replace")
    if sign != ":=" and _takes_text(wanted, references):
        return text
    return _parsed(text, name, "" if sign == ":=" else "the tool takes no text there, and ")


def _parsed(text: str, where: str, why: str = "") -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{why}this is not JSON: {error}", param_hint=where) from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same name twice")
    return found


def _takes_text(schema: Any, references: References, depth: int = 0) -> bool:  # noqa: ANN401 - JSON
    """Whether a value may be a text, by all that the schema says of types and values."""
    if not isinstance(schema, Mapping) or depth > LONGEST_CHAIN:
        return schema is not False
    types = schema.get("type", "string")
    values = schema.get("enum", [schema.get("const", "")])
    return (
        "string" in ([types] if isinstance(types, str) else types)
        and any(isinstance(value, str) for value in values)
        and all(_takes_text(each, references, depth + 1) for each in _required(schema, references))
        and all(
            any(_takes_text(each, references, depth + 1) for each in schema[keyword])
            for keyword in ("anyOf", "oneOf")
            if keyword in schema
        )
    )


def _takes_bytes(schema: Any, references: References, depth: int = 0) -> bool:  # noqa: ANN401 - JSON
    if not isinstance(schema, Mapping) or depth > LONGEST_CHAIN:
        return False
    inner = [*_required(schema, references), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return schema.get("contentEncoding") == "base64" or any(_takes_bytes(each, references, depth + 1) for each in inner)


def _required(schema: Mapping[str, Any], references: References) -> list[Any]:
    """Return the other schemas that a value must fit as well."""
    try:
        named = [references.find(schema["$ref"])[0]] if "$ref" in schema else []
    except Unresolvable:
        named = []
    return [*named, *schema.get("allOf", ())]


def _print(answer: _Called) -> None:
    result, truncated = answer.result, answer.truncated
    if isinstance(result, str) and (truncated or kind_of(answer.content_type or "") != "json"):
        text = result
    else:
        text = json.dumps(result, indent=2, ensure_ascii=False)
    shown = cleaned(text) if sys.stdout.isatty() else text
    sys.stdout.buffer.write(shown.encode(errors="replace"))
    sys.stdout.buffer.write(b"" if shown.endswith("\n") else b"\n")
    sys.stdout.buffer.flush()
    if truncated:
        sys.stderr.write("The upstream had more to say; this was cut.\n")
