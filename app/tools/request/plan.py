"""Builds the request of one call. Pure: the operation says where each argument goes, and none can go elsewhere.

The arguments have been checked against the tool's schema before, but nothing here relies on it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from app.errors import Violation
from app.operation.integers import names_integers, with_integers
from app.operation.media_types import kind_of
from app.operation.operation import Location, Operation, Parameter, Value, split_template
from app.operation.pointers import join
from app.tools.request.content import encode_body, form_pairs, in_header, in_media_type
from app.tools.request.names import Claims, Names, Place
from app.tools.request.paths import path_text, put_together, require_below
from app.tools.request.styles import pairs
from app.tools.request.writing import Content, Room, Unencodable, Writing, has_whole_floats, percent_encoded, text_of
from app.tools.violations import invalid_arguments

MOST_BYTES = 8_388_608  # of a body, unless the operator says otherwise
_MOST_OF_TARGET = 16_384  # bytes of path and query; common servers take 8 to 16 KiB
_MOST_OF_HEADERS = 32_768  # bytes of the arguments' headers; nginx and Kestrel take as many of all headers together
_LITERAL = "/?%:@!$&'()*+,;=~"  # besides letters, digits and `_.-`: what a template may hold as it is
_AROUND_A_HEADER = len(": \r\n")
_AROUND_COOKIES = len("cookie: \r\n") - len("; ")  # each is counted with one byte before it; two divide them
_LONG_TARGET = "path and query would have more than {:,} bytes, which servers do not accept"
_LONG_HEADERS = "headers and cookies would have more than {:,} bytes, which servers do not accept"
_LONG_BODY = "the body would have more than {:,} bytes (UPSTREAM_REQUEST_BYTES)"
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
    origin: str
    base_query: str
    beginning: str  # of the path with the base's, before any parameter
    pieces: tuple[tuple[str, str], ...]  # of the path: a parameter's name, which may be empty, and what follows it
    accept: str
    parameters: Mapping[Location, tuple[Parameter, ...]]
    known: frozenset[str]  # arguments
    names: Names
    fixed: Mapping[str, str]  # what base and path say in the query, which is part of what is called
    target_bytes: int  # what base and path have of the target
    has_integers: bool


def plan_request(operation: Operation, base_url: str) -> RequestPlan:
    """Return the plan for calls of the operation at `base_url`, or at its own server."""
    base = urlsplit(urljoin(base_url, operation.server or base_url))
    base_path, base_query = quote(base.path.rstrip("/"), safe=_LITERAL), quote(base.query, safe=_LITERAL)
    own_query = f"{base.query}&{operation.called.partition('#')[0].partition('?')[2]}"
    literals, names = split_template(operation.called)
    beginning, *following = (quote(each, safe=_LITERAL) for each in literals)
    parameters: dict[Location, tuple[Parameter, ...]] = {}
    for parameter in operation.parameters:
        parameters[parameter.location] = (*parameters.get(parameter.location, ()), parameter)
    in_body = operation.body.arguments if operation.body is not None else frozenset[str]()
    return RequestPlan(
        operation,
        operation.method.upper(),
        f"{base.scheme}://{base.netloc}",
        base_query,
        f"{base_path}{beginning}",
        tuple(zip(names, following, strict=True)),
        _accept(operation.accept),
        parameters,
        in_body.union(parameter.argument for parameter in operation.parameters),
        Names(operation, f"{base.path}{operation.called}", own_query),
        {name: value for name, value in parse_qsl(own_query, keep_blank_values=True) if "{" not in value},
        len("".join((base_path, base_query and f"?{base_query}", beginning, *following))),
        names_integers(operation.input_schema),
    )


def build_request(plan: RequestPlan, arguments: Mapping[str, Any], most_bytes: int = MOST_BYTES) -> UpstreamRequest:
    """Return the request. Its body has at most so many bytes.

    Raises Invalid (`invalid_arguments`) with every violation, and TooLarge (`request_too_large`) as soon as it is.
    """
    if plan.has_integers and has_whole_floats(arguments):
        arguments = with_integers(arguments, plan.operation.input_schema)
    building = _Building(plan, arguments)
    building.check_names()
    url = f"{plan.origin}{building.target()}"
    headers = building.headers()
    body = building.body(most_bytes)
    if building.violations:
        raise invalid_arguments(building.violations)
    if body is not None:
        headers.append(("content-type", body.media_type))
    return UpstreamRequest(plan.method, url, tuple(headers), None if body is None else body.data)


class _Building:
    def __init__(self, plan: RequestPlan, arguments: Mapping[str, Any]) -> None:
        self.violations: list[Violation] = []
        self._plan = plan
        self._arguments = arguments
        self._claims: Claims | None = None

    def check_names(self) -> None:
        """Refuse undeclared arguments, and those that have a name of what no caller gives; note missing ones."""
        for name in self._arguments:
            if name not in self._plan.known:
                self.violations.append(Violation(join("", name), "is unknown"))
        for parameter in self._plan.operation.parameters:
            if parameter.required and self._arguments.get(parameter.argument) is None:
                self.violations.append(Violation(join("", parameter.argument), "is required"))
        for argument, refusal in self._plan.names.refusals.items():
            value = self._arguments.get(argument)
            if value is not None and not (isinstance(value, dict) and argument in self._plan.names.spread):
                self.violations.append(Violation(join("", argument), refusal))

    def target(self) -> str:
        """Return path and query."""
        (room := Room(_MOST_OF_TARGET, _LONG_TARGET)).take(self._plan.target_bytes)
        values = {parameter.name: self._path_value(parameter, value) for parameter, value in self._given("path")}
        target = self._filled(values, room) if self._plan.pieces else self._plan.beginning
        path, _, own_query = target.partition("?")
        query = "&".join(filter(None, [self._plan.base_query, own_query, *self._query(room)]))
        return f"{path or '/'}?{query}" if query else path or "/"

    def _filled(self, values: Mapping[str, str], room: Room) -> str:
        optional = {each.name for each in self._plan.parameters.get("path", ()) if not each.required}
        room.take(sum(len(values.get(name, "")) for name, _ in self._plan.pieces))
        target, gaps = put_together(self._plan.beginning, self._plan.pieces, values, optional)
        self.violations += [Violation("", f"has {last!r}, and so must have {end!r}, before it") for end, last in gaps]
        return target

    def _path_value(self, parameter: Parameter, value: Value) -> str:
        writing = self._writing("path", Room(_MOST_OF_TARGET, _LONG_TARGET))
        with writing.blaming(parameter.argument):
            if parameter.content_type is not None:
                text = writing.room.encoded(in_media_type(parameter.content_type, value))
            elif parameter.style == "matrix":
                text = "".join(f";{each}" for each in self._parameter(parameter, value, writing))
                text = text if isinstance(value, dict | list) and parameter.explode else text.removesuffix("=")
            else:
                text = path_text(parameter, value, writing.room)
            require_below(text, allow_slashes=parameter.allow_slashes)
            return text
        return ""

    def _query(self, room: Room) -> list[str]:
        """Return the parts of the query, as they are sent."""
        writing = self._writing("query", room)
        written: list[str] = []
        for parameter, value in self._given("query"):
            with writing.blaming(parameter.argument):
                if not self._is_fixed(parameter, value):
                    written += self._parameter(parameter, value, writing)
        for parameter, value in self._given("querystring"):
            with writing.blaming(parameter.argument):
                written += self._whole_query(parameter, value, writing)
        return written

    def _whole_query(self, parameter: Parameter, value: Value, writing: Writing) -> list[str]:
        content_type = parameter.content_type or ""
        if kind_of(content_type) != "form":
            text = writing.room.encoded(in_media_type(content_type, value))
            writing.claim(text, parameter.argument)
            return [text]
        if not isinstance(value, dict):
            raise Unencodable("must be an object: it is sent as a form")
        return list(writing.named(form_pairs(value, writing.room), parameter.argument))

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers except the body's."""
        headers = [("accept", self._plan.accept)]
        given, cookies = self._given("header"), self._given("cookie")
        if not given and not cookies:
            return headers
        writing = self._writing("cookie", Room(_MOST_OF_HEADERS, _LONG_HEADERS))
        for parameter, value in given:
            with writing.blaming(parameter.argument):
                text = in_header(value, parameter.content_type, explode=parameter.explode)
                writing.room.take(len(parameter.name) + len(text) + _AROUND_A_HEADER)
                headers.append((parameter.name, text))
        written: list[str] = []
        for parameter, value in cookies:
            with writing.blaming(parameter.argument):
                written += self._parameter(parameter, value, writing)
        if written:
            writing.room.take(_AROUND_COOKIES + len(written))
            headers.append(("cookie", "; ".join(written)))
        return headers

    def body(self, most: int) -> Content | None:
        """Return the body, if there is one."""
        if (stated := self._plan.operation.body) is None:
            return None
        return encode_body(stated, self._arguments, self._writing("body", Room(most, _LONG_BODY)))

    def _is_fixed(self, parameter: Parameter, value: Value) -> bool:
        """Whether the query has that value without it, and may not have another one beside or instead of it."""
        fixed = self._plan.fixed.get(parameter.name)
        if fixed is not None and text_of(value) != fixed:
            raise Unencodable(f"must be {fixed!r}: the path of this operation says so")
        return fixed is not None

    def _parameter(self, parameter: Parameter, value: Value, writing: Writing) -> Iterator[str]:
        """Yield `name=value` for each pair of a query, a cookie, or the path in the style matrix."""
        content_type = parameter.content_type
        named = pairs(
            parameter.name,
            value if content_type is None else in_media_type(content_type, value),
            parameter.style if content_type is None else "form",
            writing.room,
            explode=parameter.explode,
            allow_reserved=parameter.allow_reserved and content_type is None,
        )
        key = None if isinstance(value, dict) else percent_encoded(parameter.name)
        return writing.named(named, parameter.argument, key)

    def _writing(self, place: Place, room: Room) -> Writing:
        return Writing(room, partial(self._claim, place), self.violations)

    def _claim(self, place: Place, name: str, argument: str) -> None:
        if argument in self._plan.names.rivals:
            self._claims = self._claims or self._plan.names.claims()
            self._claims.claim(place, name, argument)

    def _given(self, location: Location) -> list[tuple[Parameter, Value]]:
        found = ((each, self._arguments.get(each.argument)) for each in self._plan.parameters.get(location, ()))
        return [(parameter, value) for parameter, value in found if value is not None]


def _accept(media_types: tuple[str, ...]) -> str:
    if not media_types:
        return _ANY_ANSWER
    first, *others = media_types
    return ", ".join([first, *(f"{each};q=0.8" for each in others), "*/*;q=0.1"])
