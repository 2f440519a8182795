"""Server Objects (OAS 3.1.1 section 4.8.5) as addresses, with the defaults of their variables."""

import re

from openapi_pydantic.v3.v3_1 import Server

from app.openapi.parts import Unusable, parse
from app.operation.operation import Json, Value
from app.operation.pointers import join

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f\\]")


def server_addresses(raw: Value, pointer: str, notes: list[str]) -> tuple[str, ...]:
    """Return the usable servers of a `servers` list, in its order; relative ones stay relative."""
    addresses = []
    for number, each in enumerate(raw if isinstance(raw, list) else ()):
        try:
            address = _expanded(parse(Server, _with_text_defaults(each), join(pointer, number), notes))
        except Unusable:
            continue
        if address is not None and not _UNSENDABLE.search(address):
            addresses.append(address)
    return tuple(dict.fromkeys(addresses))


def _with_text_defaults(raw: Value) -> Value:
    """YAML reads `default: 8443` as a number."""
    if not isinstance(raw, dict) or not isinstance(raw.get("variables"), dict):
        return raw
    variables = {name: _with_text_default(each) for name, each in raw["variables"].items() if isinstance(each, dict)}
    return {**raw, "variables": variables}


def _with_text_default(variable: Json) -> Json:
    values = variable.get("enum")
    allowed = [str(value) for value in values] if isinstance(values, list) else []
    default = variable.get("default", allowed[0] if allowed else None)
    return {"default": None if default is None else str(default), "enum": allowed or None}


def _expanded(server: Server) -> str | None:
    variables = server.variables or {}
    address = _VARIABLE.sub(lambda match: _value(variables, match), server.url.strip())
    return None if _VARIABLE.search(address) else address


def _value(variables: Json, match: re.Match[str]) -> str:
    variable = variables.get(match.group(1))
    return match.group(0) if variable is None else str(variable.default)
