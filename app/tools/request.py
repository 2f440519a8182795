"""Builds the request of one call. Pure: the operation says where each argument goes, and none can leave its place.

The arguments have been checked against the tool's schema before, but nothing here relies on it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from app.errors import Violation
from app.openapi.media_types import kind_of
from app.openapi.operation import Operation, Parameter, Value
from app.openapi.path_template import split_template
from app.openapi.pointers import join
from app.tools.content import blaming, encode_body, refuse_names
from app.tools.styles import (
    Unencodable,
    checked_header,
    header_text,
    json_of,
    pairs,
    path_text,
    percent_encoded,
    text_of,
)
from app.tools.violations import invalid_arguments

_LITERAL = "/?%:@!$&'()*+,;=~"  # besides letters, digits and `_.-`: what a template may hold as it is
_NO_SEGMENT = {"", ".", ".."}
_ANY_ANSWER = "application/json, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to an upstream, complete but for the token."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None


def build_request(operation: Operation, base_url: str, arguments: Mapping[str, Any]) -> UpstreamRequest:
    """Return the request. Raises Invalid("invalid_arguments") with every violation."""
    building = _Building(operation, arguments)
    building.check_names()
    target = building.target()
    query = building.query()
    headers = building.headers()
    body = None if operation.body is None else encode_body(operation.body, arguments, building.violations)
    if building.violations:
        raise invalid_arguments(building.violations)
    if body is not None:
        headers.append(("content-type", body.media_type))
    url = _address(urljoin(base_url, operation.server or base_url), target, query)
    return UpstreamRequest(operation.method.upper(), url, tuple(headers), None if body is None else body.data)


class _Building:
    def __init__(self, operation: Operation, arguments: Mapping[str, Any]) -> None:
        self.violations: list[Violation] = []
        self._operation = operation
        self._arguments = arguments

    def check_names(self) -> None:
        """Refuse arguments that nobody declared and note required ones that are not there."""
        operation = self._operation
        known = {parameter.argument for parameter in operation.parameters}
        if operation.body is not None:
            known |= operation.body.arguments
        for name in self._arguments:
            if name not in known:
                self.violations.append(Violation(join("", name), "is unknown"))
        for parameter in operation.parameters:
            if parameter.required and self._arguments.get(parameter.argument) is None:
                self.violations.append(Violation(join("", parameter.argument), "is required"))

    def target(self) -> str:
        """Return path and query of the template with the path parameters in them."""
        literals, names = split_template(self._operation.path)
        values = {parameter.name: self._path_value(parameter) for parameter in self._given("path")}
        written = quote(literals[0], safe=_LITERAL)
        for name, literal in zip(names, literals[1:], strict=True):
            written += values.get(name, "") + quote(literal, safe=_LITERAL)
        return written

    def _path_value(self, parameter: Parameter) -> str:
        with blaming(parameter.argument, self.violations):
            value = self._arguments[parameter.argument]
            if parameter.content_type is not None:
                text = percent_encoded(_content_text(parameter.content_type, value))
            else:
                text = path_text(parameter.name, value, parameter.style, explode=parameter.explode)
            if text in _NO_SEGMENT:
                raise Unencodable("must not be empty, `.` or `..`: it would change the path")
            return text
        return ""

    def query(self) -> list[str]:
        """Return the pairs of the query, as they are sent."""
        return [f"{name}={value}" for name, value in self._pairs("query")]

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers but for the body's."""
        headers = [("accept", _accept(self._operation.accept))]
        for parameter in self._given("header"):
            with blaming(parameter.argument, self.violations):
                headers.append((parameter.name, self._header_value(parameter)))
        if cookies := self._pairs("cookie"):
            headers.append(("cookie", "; ".join(f"{name}={value}" for name, value in cookies)))
        return headers

    def _header_value(self, parameter: Parameter) -> str:
        value = self._arguments[parameter.argument]
        if parameter.content_type is None:
            return header_text(value, explode=parameter.explode)
        if kind_of(parameter.content_type) == "json":
            return checked_header(json.dumps(json.loads(json_of(value)), separators=(",", ":")))
        return checked_header(text_of(value))

    def _pairs(self, location: str) -> list[tuple[str, str]]:
        names = {parameter.name for parameter in self._operation.parameters if parameter.location == location}
        if location == "query":
            names |= _query_names(self._operation.path)
        written: list[tuple[str, str]] = []
        for parameter in self._given(location):
            with blaming(parameter.argument, self.violations):
                written += self._parameter_pairs(parameter, names - {parameter.name})
        return written

    def _parameter_pairs(self, parameter: Parameter, others: set[str]) -> list[tuple[str, str]]:
        value = self._arguments[parameter.argument]
        if parameter.content_type is not None:
            return [(percent_encoded(parameter.name), percent_encoded(_content_text(parameter.content_type, value)))]
        if parameter.explode and parameter.style != "deepObject" and isinstance(value, dict):
            refuse_names(value, others)
        return pairs(
            parameter.name,
            value,
            parameter.style,
            explode=parameter.explode,
            allow_reserved=parameter.allow_reserved,
        )

    def _given(self, location: str) -> list[Parameter]:
        return [
            parameter
            for parameter in self._operation.parameters
            if parameter.location == location and self._arguments.get(parameter.argument) is not None
        ]


def _content_text(content_type: str, value: Value) -> str:
    if kind_of(content_type) == "json":
        return json_of(value).decode()
    return text_of(value)


def _query_names(path: str) -> set[str]:
    query = path.partition("#")[0].partition("?")[2]
    return {unquote(pair.partition("=")[0]) for pair in query.split("&")} if query else set()


def _accept(media_types: tuple[str, ...]) -> str:
    if not media_types:
        return _ANY_ANSWER
    first, *others = media_types
    return ", ".join([first, *(f"{each};q=0.8" for each in others), "*/*;q=0.1"])


def _address(base: str, target: str, query: list[str]) -> str:
    parts = urlsplit(base)
    path, _, own_query = target.partition("?")
    path = parts.path.rstrip("/") + path
    query_text = "&".join(filter(None, [parts.query, own_query, *query]))
    return f"{parts.scheme}://{parts.netloc}{path}{'?' if query_text else ''}{query_text}"
