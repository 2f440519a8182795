"""Generated operations and arguments: who reads the request finds no name of two arguments, and what was pinned.

The readers here are written from the documentation of what they stand for, and share nothing with our own rule.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.errors import Invalid, TooLarge
from app.operation.operation import Body, BodyField, Json, Operation, Parameter
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.tools.builders import an_operation

FORM = "application/x-www-form-urlencoded"
TARGET, HEADERS = 16_384, 32_768
NO_BOUND = 2**40
PLACES = ["query", "cookie", "form"]
NAMES = ["a", "b", "A", "a[b]", "a.b", "a_b", "a b", "a[]", "a[b][c]", "v", "a[b", "c"]
TOKENS = [name for name in NAMES if re.fullmatch(r"[\w.]+", name)]  # what a cookie may be called
STYLES = [("form", True), ("form", False), ("deepObject", True)]
Pairs = list[tuple[str, str]]
Reader = Callable[[Pairs], Any]

MEMBERS = st.sampled_from([*NAMES, "B", "b[c]", "b.c", " a", "a\0", "[a]", "x", ""])
SCALARS = st.sampled_from(["1", "evil", "", 0])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(MEMBERS, inner, max_size=3),
    max_leaves=4,
)


@dataclass(frozen=True)
class Case:
    """An operation with all its arguments in one place, some of them pinned or hidden, and what a caller gives."""

    place: str
    operation: Operation
    given: Json

    def request(self, arguments: Json, most: int = NO_BOUND) -> UpstreamRequest:
        return build_request(plan_request(self.operation, "http://api"), {**self.operation.preset, **arguments}, most)

    def pairs(self, arguments: Json) -> Pairs:
        request = self.request(arguments)
        if self.place == "form":
            return parse_qsl((request.content or b"").decode(), keep_blank_values=True)
        if self.place == "query":
            return parse_qsl(request.url.partition("?")[2], keep_blank_values=True)
        cookies = [each for name, value in request.headers if name == "cookie" for each in value.split("; ")]
        return [(unquote(name), unquote(value)) for name, _, value in (each.partition("=") for each in cookies)]


@st.composite
def cases(draw: st.DrawFn, place: str) -> Case:
    names = draw(st.lists(st.sampled_from(TOKENS if place == "cookie" else NAMES), min_size=2, max_size=4, unique=True))
    styles = [draw(st.sampled_from(STYLES[: 2 if place == "cookie" else 3])) for _ in names]
    arguments = [f"argument_{number}" for number in range(len(names))]
    roles = [draw(st.sampled_from(["given", "given", "pinned", "hidden"])) for _ in names]
    properties: Json = {name: {} for name, role in zip(arguments, roles, strict=True) if role == "given"}
    fields = list(zip(arguments, names, styles, strict=True))
    path = draw(st.sampled_from(["/", "/", "/?v=1", "/?a[b]=1"]))
    operation = replace(
        an_operation("send", "post", path),
        input_schema={"type": "object", "properties": properties},
        preset={name: draw(VALUES) for name, role in zip(arguments, roles, strict=True) if role == "pinned"},
    )
    if place == "form":
        body = Body(FORM, True, fields=tuple(BodyField(a, n, style=s, explode=e) for a, n, (s, e) in fields))  # type: ignore[arg-type]
        operation = replace(operation, body=body)
    else:
        parameters = tuple(Parameter(a, n, place, False, s, explode=e) for a, n, (s, e) in fields)  # type: ignore[arg-type]
        operation = replace(operation, parameters=parameters)
    return Case(place, operation, {name: draw(VALUES) for name in properties if draw(st.booleans())})


def flat(pairs: Pairs) -> dict[tuple[str, ...], Any]:
    """As a plain reader has them: every value of a name."""
    found: dict[tuple[str, ...], Any] = {}
    for name, value in pairs:
        found.setdefault((name,), []).append(value)
    return found


def caseless(pairs: Pairs) -> dict[tuple[str, ...], Any]:
    """As ASP.NET has them, for which names are the same in any case."""
    return flat([(name.lower(), value) for name, value in pairs])


def nested(steps_of: Callable[[str], list[str]]) -> Reader:
    def read(pairs: Pairs) -> dict[tuple[str, ...], Any]:
        found: dict[tuple[str, ...], Any] = {}
        for name, value in pairs:
            steps = tuple(steps_of(name))
            for other in [each for each in found if each[: len(steps)] == steps or steps[: len(each)] == each]:
                del found[other]  # the later one wins, be it the whole or a part
            found[steps] = value
        return found

    return read


def php(name: str) -> list[str]:
    """PHP's manual, "Variables From External Sources", and `php_register_variable_ex`."""
    name = name.partition("\0")[0].lstrip(" ")
    root, bracket, rest = name.partition("[")
    root = re.sub("[ .]", "_", root)
    if not bracket or "]" not in rest:
        return [f"{root}_{rest}" if bracket else root]
    return [root, *re.findall(r"\[([^\]]*)\]", f"[{rest}")]


def dotted(name: str) -> list[str]:
    """As qs with `allowDots`, Spring's and ASP.NET's binders have them."""
    return [step for step in re.split(r"[\[\].]+", name) if step] or [name]


READERS: dict[str, Reader] = {
    "plain": flat,
    "any case": caseless,
    "PHP": nested(php),
    "dots": nested(dotted),
    "first of each": lambda pairs: {steps: values[0] for steps, values in flat(pairs).items()},
}


def what_is_pinned(read: Reader, baseline: Pairs, pairs: Pairs) -> tuple[Any, Any]:
    """What the reader makes of the pinned values alone, and of the same names in the whole request."""
    alone, among = read(baseline), read(pairs)
    return alone, {steps: value for steps, value in among.items() if steps in alone}


def one_case(case: Case) -> None:
    try:
        baseline = case.pairs({})
        pairs = case.pairs(case.given)
    except (Invalid, TooLarge):
        assume(False)
        return
    for name, read in READERS.items():
        alone, among = what_is_pinned(read, baseline, pairs)
        assert among == alone, f"to {name}, a caller changed what is pinned"
    each_alone = {argument: names_of(case.pairs({argument: case.given[argument]}), baseline) for argument in case.given}
    met: dict[str, str] = {name: "" for name, _ in baseline}
    for argument, names in each_alone.items():
        for name in names:
            assert met.setdefault(name, argument) == argument, f"{name!r} comes from two arguments"
    assert Counter(name for name, _ in pairs) == sum(each_alone.values(), Counter(name for name, _ in baseline))


def names_of(pairs: Pairs, baseline: Pairs) -> "Counter[str]":
    return Counter(name for name, _ in pairs) - Counter(name for name, _ in baseline)


def settled(examples: int) -> Callable[[Any], Any]:
    return settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))


def run(examples: int, place: str) -> None:
    @given(cases(place))
    @settled(examples)
    def one(case: Case) -> None:
        one_case(case)

    one()


@pytest.mark.parametrize("place", PLACES)
def test_no_two_arguments_reach_one_name_and_what_is_pinned_wins(place: str) -> None:
    run(100, place)


@pytest.mark.extended
@pytest.mark.parametrize("place", PLACES)
def test_many_more_operations_keep_names_apart(place: str) -> None:
    run(3_000, place)


@pytest.mark.parametrize("place", PLACES)
def test_a_request_is_within_its_bounds_or_refused(place: str) -> None:
    lists = st.lists(st.sampled_from(["x" * 50, "é" * 999]), max_size=400)
    growing = VALUES | lists | st.dictionaries(MEMBERS, lists)

    @given(cases(place), growing, st.integers(0, 2_000))
    @settled(40)
    def one(case: Case, value: Any, most: int) -> None:
        arguments = {**case.given, **dict.fromkeys(case.operation.input_schema["properties"], value)}
        try:
            whole = case.request(arguments)
        except (Invalid, TooLarge):
            assume(False)
            return
        assert len(whole.url) - len("http://api") <= TARGET
        assert sum(len(f"{name}: {text}\r\n") for name, text in whole.headers[1:]) <= HEADERS
        size = len(whole.content or b"")
        if size <= most:
            assert case.request(arguments, most) == whole
            return
        with pytest.raises(TooLarge) as refused:
            case.request(arguments, most)
        assert refused.value.code == "request_too_large"

    one()


def test_the_readers_see_what_a_caller_could_change() -> None:
    pinned: Pairs = [("tenant_id", "acme")]
    for name, seen_by in (
        ("tenant_id", {"plain", "any case", "PHP", "dots"}),
        ("TENANT_ID", {"any case"}),
        ("tenant.id", {"PHP"}),
        ("tenant_id[x]", {"PHP", "dots"}),
        ("tenant_id.x", {"dots"}),
        ("tenant_ids", set()),
    ):
        changed = [(name, "evil")]
        readers = {each for each, read in READERS.items() if not_kept(read, pinned, [*pinned, *changed])}
        assert readers == seen_by
    assert not_kept(READERS["first of each"], pinned, [("tenant_id", "evil"), *pinned])


def not_kept(read: Reader, baseline: Iterable[tuple[str, str]], pairs: Pairs) -> bool:
    alone, among = what_is_pinned(read, list(baseline), pairs)
    return bool(alone != among)
