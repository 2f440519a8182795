"""Builds the request of one call. Pure: the operation says where each argument goes, and none can go elsewhere.

The arguments have been checked against the tool's schema before, but nothing here relies on it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from app.errors import Violation
from app.operation.media_types import kind_of
from app.operation.operation import Location, Operation, Parameter, Value, split_template
from app.operation.pointers import join
from app.tools.arguments import invalid_arguments
from app.tools.request.content import blaming, encode_body, form_text, refuse_names
from app.tools.request.styles import (
    Unencodable,
    checked_header,
    header_text,
    json_of,
    pairs,
    path_text,
    percent_encoded,
    text_of,
)

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


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """How one operation is called: everything that no argument changes, worked out once by `plan_request`."""

    operation: Operation
    method: str
    base: str  # scheme, host and base path
    base_query: str
    beginning: str  # of the path, before any parameter
    pieces: tuple[tuple[str, str], ...]  # of the path: a parameter's name, which may be empty, and what follows it
    accept: str
    parameters: Mapping[Location, tuple[Parameter, ...]]
    known: frozenset[str]  # arguments
    names: Mapping[Location, frozenset[str]]  # that the query and the cookies have without any argument's members
    fixed: Mapping[str, str]  # what base and path say in the query, which is part of what is called


def plan_request(operation: Operation, base_url: str) -> RequestPlan:
    """Return the plan for calls of the operation at `base_url`, or at its own server."""
    base = urlsplit(urljoin(base_url, operation.server or base_url))
    literals, names = split_template(operation.path)
    beginning, *following = (quote(each, safe=_LITERAL) for each in literals)
    parameters: dict[Location, tuple[Parameter, ...]] = {}
    for parameter in operation.parameters:
        parameters[parameter.location] = (*parameters.get(parameter.location, ()), parameter)
    in_body = operation.body.arguments if operation.body is not None else frozenset[str]()
    return RequestPlan(
        operation,
        operation.method.upper(),
        f"{base.scheme}://{base.netloc}{quote(base.path.rstrip('/'), safe=_LITERAL)}",
        quote(base.query, safe=_LITERAL),
        beginning,
        tuple(zip(names, following, strict=True)),
        _accept(operation.accept),
        parameters,
        in_body.union(parameter.argument for parameter in operation.parameters),
        {
            "query": _query_names(operation.path).union(parameter.name for parameter in parameters.get("query", ())),
            "cookie": frozenset(parameter.name for parameter in parameters.get("cookie", ())),
        },
        {name: value for name, value in parse_qsl(f"{base.query}&{_query_of(operation.path)}") if "{" not in value},
    )


def build_request(plan: RequestPlan, arguments: Mapping[str, Any]) -> UpstreamRequest:
    """Return the request. Raises Invalid("invalid_arguments") with every violation."""
    building = _Building(plan, arguments)
    building.check_names()
    target = building.target()
    query = building.query()
    headers = building.headers()
    stated = plan.operation.body
    body = None if stated is None else encode_body(stated, arguments, building.violations)
    if building.violations:
        raise invalid_arguments(building.violations)
    if body is not None:
        headers.append(("content-type", body.media_type))
    path, _, own_query = target.partition("?")
    query_text = "&".join(filter(None, [plan.base_query, own_query, *query]))
    url = f"{plan.base}{path}{'?' if query_text else ''}{query_text}"
    return UpstreamRequest(plan.method, url, tuple(headers), None if body is None else body.data)


class _Building:
    def __init__(self, plan: RequestPlan, arguments: Mapping[str, Any]) -> None:
        self.violations: list[Violation] = []
        self._plan = plan
        self._arguments = arguments

    def check_names(self) -> None:
        """Refuse undeclared arguments and note required ones that are missing."""
        for name in self._arguments:
            if name not in self._plan.known:
                self.violations.append(Violation(join("", name), "is unknown"))
        for parameter in self._plan.operation.parameters:
            if parameter.required and self._arguments.get(parameter.argument) is None:
                self.violations.append(Violation(join("", parameter.argument), "is required"))

    def target(self) -> str:
        """Return path and query of the template with the path parameters in them."""
        values = {parameter.name: self._path_value(parameter) for parameter in self._given("path")}
        return "".join([self._plan.beginning, *(values.get(name, "") + literal for name, literal in self._plan.pieces)])

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
        """Return the parts of the query, as they are sent."""
        written = [f"{name}={value}" for name, value in self._pairs("query")]
        for parameter in self._given("querystring"):
            with blaming(parameter.argument, self.violations):
                written.append(self._whole_query(parameter))
        return written

    def _whole_query(self, parameter: Parameter) -> str:
        value, content_type = self._arguments[parameter.argument], parameter.content_type or ""
        if kind_of(content_type) != "form":
            return percent_encoded(_content_text(content_type, value))
        if not isinstance(value, dict):
            raise Unencodable("must be an object: it is sent as a form")
        refuse_names(value, self._plan.names["query"])
        return form_text(value)

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers except the body's."""
        headers = [("accept", self._plan.accept)]
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

    def _pairs(self, location: Location) -> list[tuple[str, str]]:
        written: list[tuple[str, str]] = []
        for parameter in self._given(location):
            with blaming(parameter.argument, self.violations):
                if location != "query" or not self._is_fixed(parameter):
                    written += self._parameter_pairs(parameter)
        return written

    def _is_fixed(self, parameter: Parameter) -> bool:
        """Whether the query has that value without it, and may not have another one beside or instead of it."""
        fixed = self._plan.fixed.get(parameter.name)
        if fixed is not None and text_of(self._arguments[parameter.argument]) != fixed:
            raise Unencodable(f"must be {fixed!r}: the path of this operation says so")
        return fixed is not None

    def _parameter_pairs(self, parameter: Parameter) -> list[tuple[str, str]]:
        value = self._arguments[parameter.argument]
        if parameter.content_type is not None:
            return [(percent_encoded(parameter.name), percent_encoded(_content_text(parameter.content_type, value)))]
        if parameter.explode and parameter.style != "deepObject" and isinstance(value, dict):
            refuse_names(value, self._plan.names[parameter.location] - {parameter.name})
        return pairs(
            parameter.name,
            value,
            parameter.style,
            explode=parameter.explode,
            allow_reserved=parameter.allow_reserved,
        )

    def _given(self, location: Location) -> list[Parameter]:
        return [
            parameter
            for parameter in self._plan.parameters.get(location, ())
            if self._arguments.get(parameter.argument) is not None
        ]


def _content_text(content_type: str, value: Value) -> str:
    if kind_of(content_type) == "json":
        return json_of(value).decode()
    return text_of(value)


def _query_of(path: str) -> str:
    return path.partition("#")[0].partition("?")[2]


def _query_names(path: str) -> frozenset[str]:
    query = _query_of(path)
    return frozenset(unquote(pair.partition("=")[0]) for pair in query.split("&")) if query else frozenset()


def _accept(media_types: tuple[str, ...]) -> str:
    if not media_types:
        return _ANY_ANSWER
    first, *others = media_types
    return ", ".join([first, *(f"{each};q=0.8" for each in others), "*/*;q=0.1"])
