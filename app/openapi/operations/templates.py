"""Path templates as documents write them, in the one notation of OpenAPI (3.1.1 section 4.8.8.2): `{name}`.

Real documents have others: the operators of RFC 6570, and whatever the framework behind the API calls a route.

    {+x} {/x} {.x} {;x} {?x,y} {&x} {x*}                          RFC 6570
    {id?} {id:int} {id=5} {*path} {**path} {id:regex(^a$)}        ASP.NET
    {id:[0-9]+} {*path} {path: .+}                                Spring, JAX-RS, gorilla, chi, Slim
    {path:path} {proxy+} {path*} {path...} {name=projects/*}      Starlette, API Gateway, hapi, Go, Google
    <id> <int:id> <id:int> <path..> (?P<id>[0-9]+) {id<\\d+>}      Flask, Bottle, Rocket, Django, Symfony
    :id :id? :id(\\d+) :id<int> *path (.:format) (-/) [/{id}]      Express, Fiber, gin, Rails, Grape, FastRoute
    [id] [...path] [[...path]] ${id} {{id}}                       Next.js, JavaScript, Postman
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from app.operation.checking import is_pattern
from app.operation.operation import Json, Style

_INTEGER: Json = {"type": "integer"}
_BOOLEAN: Json = {"type": "boolean"}
_NUMBER: Json = {"type": "number"}
_UUID: Json = {"type": "string", "minLength": 1, "format": "uuid"}
_BY_WORD: dict[str, Json] = {  # of a constraint, and what a value is; by any other word it is a text
    **dict.fromkeys(("int", "integer", "long", "number"), _INTEGER),
    **dict.fromkeys(("decimal", "double", "float"), _NUMBER),
    **dict.fromkeys(("bool", "boolean"), _BOOLEAN),
    **dict.fromkeys(("guid", "uuid"), _UUID),
}
_WORDS_OF_TEXTS = {"alpha", "any", "date", "datetime", "path", "slug", "str", "string"}
_OPERATORS = "+#./;?&"  # RFC 6570 section 2.2
_INNER = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"  # what parentheses hold, with two levels of others in it
_ROUTES = re.compile(
    rf"<(?P<angle>[^<>/{{}}]+)>|\(\?P?<(?P<group>\w+)>(?P<pattern>{_INNER})\)"
    r"|(?<=/)\*{1,2}(?P<rest>\w+)|(?<=/)\[(?P<next>\w+|\.{3}\w+|\[\.{3}\w+\])\](?=/|$)"
    r"|(?<=/)(?P<colons>:[A-Za-z_][^/?]*(?:\?(?![^/]*=))?)"
)
_COLON = re.compile(rf"(?<!\w):(?P<name>[A-Za-z_]\w*)(?P<pattern>\({_INNER}\)|<[^<>]*>)?(?P<how>[?*+])?")
_WITHOUT = re.compile(r"\((?:[\w-]+/|\.\w+)\)")  # Grape: parts that a path may have, such as `(-/)`
_ENCODED_BRACE = re.compile("%7([BD])", re.IGNORECASE)
_OPTIONAL = (  # parts that a route may go without, and the same as `{name?}`
    (re.compile(r"\[([/.]\{[^{}]*)\}"), r"\1?}"),
    (re.compile(r"\(([/.]):(\w+)\)"), r"\1{\2?}"),
    (re.compile(r"\{([/.]):(\w+)\}"), r"\1{\2?}"),
)
_WILDCARD = re.compile(r"(?<=/)\*{1,2}(?=/|$)")
_SYMFONY = re.compile(r"!?(\w+)<(.+)>(\?.*)?", re.DOTALL)
_GOOGLE = re.compile(r"([\w.]+)=((?:[\w.~-]+|\*{1,2})(?:/(?:[\w.~-]+|\*{1,2}))*)")
_WORD = re.compile(r"(\w+)(?:\((.*)\))?(?::.*)?")
_DEFAULT = re.compile(r"(\w+)=.*", re.DOTALL)
_TRAILING = re.compile(r"(.*?)(\.\.\.|[?+]|\*\d*)", re.DOTALL)
_SEVERAL = re.compile(r"\w+(?:\*?,\w+)+\*?")
_CLASS = re.compile(r"\[\^[^\]]*/[^\]]*\]")  # that no slash fits
_ALL = re.compile(r"\^?\(?\.[+*]\)?\$?")  # generators write it for values of several segments
_ANYTHING = re.compile(r"\.[*+]|/")
_LAST = re.compile(r"[/.]?\{([^{}]*)\}$")
_AS_IT_IS = re.compile(r"[^+#./;?&{}\s*](?:[^{}/#?]*[^{}/#?\s*])?")  # what `split_template` finds again
_NO_NAME = re.compile(r"[{}/#?]")
_DOTS = {".", ".."}
_LONGEST_SHOWN = 60  # characters of an expression


class UnreadableTemplate(Exception):
    """A template that means no address which could be called; the text says why."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A name in a path, and what the template says of its value.

    `declared_as`: the name that its parameter has, if that is another. `style`: an operator states it. `several`: a
    list is written item by item. `optional`: the path may end before it. `spans`: slashes may be part of it. `is_list`:
    slashes divide the items of a list. `schema` says what a value is that no parameter declares, if it is no text.
    """

    name: str
    style: Style | None = None
    several: bool = False
    optional: bool = False
    spans: bool = False
    declared_as: str | None = None
    is_list: bool = False
    schema: Json | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A path in OpenAPI's notation, without what is no part of a request; `query` are the names of `{?x,y}`."""

    path: str
    variables: dict[str, Variable]
    query: tuple[str, ...]


def read_template(path: str, declared: Collection[str]) -> Template:
    """Return what the path means; `declared` are the names of its parameters. Raises UnreadableTemplate."""
    return _Reading(declared).of(path)


def may_have_slashes(pattern: str) -> bool:
    """Whether a text that fits the regular expression may have a slash, as far as its author thought of it."""
    return "/" in _CLASS.sub("", pattern) or _ALL.fullmatch(pattern) is not None


class _Reading:
    def __init__(self, declared: Collection[str]) -> None:
        self._declared = declared
        self._variables: dict[str, Variable] = {}
        self._query: list[str] = []

    def of(self, path: str) -> Template:
        written = "".join(self._written(text, is_expression) for text, is_expression in _pieces(_in_braces(path)))
        written = written if written.startswith("/") else f"/{written}"  # routes of FastAPI, JAX-RS and others
        literals = re.split(r"\{[^{}]*\}", written)
        if any(segment in _DOTS for segment in "{}".join(literals).partition("?")[0].split("/")):
            raise UnreadableTemplate("its path has dot segments")
        if any("*" in each.partition("?")[0] for each in literals):
            raise UnreadableTemplate("its path has a wildcard that no parameter stands for")
        self._require_at_end(written)
        return Template(written, self._variables, tuple(dict.fromkeys(self._query)))

    def _written(self, text: str, is_expression: bool) -> str:
        if not is_expression:
            return _WILDCARD.sub(self._wildcard, text)
        inner = text[1:-1].strip()
        if inner[:1] == "{" and inner[-1:] == "}":  # Postman
            inner = inner[1:-1].strip()
        if inner == "$":  # Go: nothing may follow
            return ""
        if inner[:1] in {"?", "&"} and len(inner) > 1:
            self._query += (name.rstrip("*").strip() for name in inner[1:].split(","))
            return ""
        if inner[:1] == "#" and len(inner) > 1:
            return ""
        return "".join(self._placed(variable, between, inner) for between, variable in _variables(inner))

    def _placed(self, variable: Variable, between: str, inner: str) -> str:
        if variable.name not in self._declared and inner in self._declared:
            # A parameter may be declared under all that stands in the braces.
            variable = replace(variable, declared_as=inner, name=inner if _AS_IT_IS.fullmatch(inner) else variable.name)
        if _NO_NAME.search(variable.name):
            raise UnreadableTemplate(f"its path has {{{inner[:_LONGEST_SHOWN]}}}, which cannot be read")
        self._variables[variable.name] = variable
        return f"{between}{{{variable.name}}}"

    def _wildcard(self, _: re.Match[str]) -> str:
        left = [name for name in self._declared if name not in self._variables]
        if len(left) != 1:
            raise UnreadableTemplate("its path has a wildcard that no parameter stands for")
        return self._placed(Variable(left[0], spans=True), "", left[0])

    def _require_at_end(self, written: str) -> None:
        """Where something follows that cannot be left out, nothing before it can."""
        rest, optional = written.partition("?")[0], set()
        while match := _LAST.search(rest):
            if not self._variables[match[1]].optional:
                break
            optional.add(match[1])
            rest = rest[: match.start()]
        for name, variable in self._variables.items():
            self._variables[name] = replace(variable, optional=name in optional)


def _in_braces(path: str) -> str:
    """Return the path with what stands in for a variable without braces in braces, and without a fragment."""
    path = _ENCODED_BRACE.sub(lambda brace: "{" if brace[1] in "Bb" else "}", path).replace("${", "{")
    path = _WITHOUT.sub("", path)
    if "(?" in path:
        path = path.replace("/^", "/").removesuffix("$")
    for route, braces in _OPTIONAL:
        path, found = route.subn(braces, path)
        if found and braces.startswith(r"\1?"):
            path = path.rstrip("]")
    parts = []
    for text, is_expression in _pieces(path):
        literal, sign, _ = (text, "", "") if is_expression else text.partition("#")
        parts.append(literal if is_expression else _ROUTES.sub(_route, literal))
        if sign:
            break
    return "".join(parts)


def _route(match: re.Match[str]) -> str:
    if match["next"]:
        name = match["next"].strip("[.]")
        return f"{{{'*' if '.' in match['next'] else ''}{name}{'?' if '[' in match['next'] else ''}}}"
    if match["rest"]:
        return f"{{*{match['rest']}}}"
    if match["group"]:
        return f"{{{match['group']}:{match['pattern'] or '.'}}}"
    if match["colons"]:
        return _COLON.sub(_colon, match["colons"])
    first, colon, second = match["angle"].partition(":")
    known = _WORD.fullmatch(first)
    if not colon:
        return f"{{{first.replace('..', '...')}}}"
    if (
        known is None or known[1] in _BY_WORD or second.partition(":")[0] not in {"re", *_BY_WORD}
    ):  # Flask's and Django's order
        return f"{{{second}:{first}}}"
    return f"{{{first}:{second}}}"


def _colon(match: re.Match[str]) -> str:
    pattern = f":{match['pattern'][1:-1]}" if match["pattern"] else ""
    return f"{{{match['name']}{pattern}{match['how'] or ''}}}"


def _pieces(path: str) -> Iterator[tuple[str, bool]]:
    """Yield literals, and expressions in braces, which may have others in them. Raises UnreadableTemplate."""
    start = depth = 0
    for match in re.finditer("[{}]", path):
        depth += 1 if match[0] == "{" else -1
        if depth < 0:
            break
        if (match[0], depth) == ("{", 1):
            yield path[start : match.start()], False
            start = match.start()
        elif depth == 0:
            yield path[start : match.end()], True
            start = match.end()
    if depth:
        raise UnreadableTemplate("its path has a brace without another")
    yield path[start:], False


def _variables(inner: str) -> Iterator[tuple[str, Variable]]:
    """Yield the variables of an expression and what is written before each."""
    if (google := _GOOGLE.fullmatch(inner)) and re.search(r"[*/]", google[2]):
        yield "", Variable(google[1], spans="/" in google[2] or "**" in google[2])
        return
    operator = inner[0] if inner[:1] and inner[0] in _OPERATORS and len(inner) > 1 else ""
    if not operator and not _SEVERAL.fullmatch(inner):
        yield "", _variable(inner)
        return
    for number, each in enumerate(inner.removeprefix(operator).split(",")):
        name = each.partition(":")[0].strip()
        variable = Variable(name.removesuffix("*"), several=name.endswith("*"), optional=operator in {"/", ".", ";"})
        if operator == "/":
            yield "/", replace(variable, spans=variable.several, is_list=variable.several)
        elif operator in {".", ";"}:
            yield "", replace(variable, style="label" if operator == "." else "matrix")
        else:
            yield "," if number else "", replace(variable, spans=operator == "+", optional=False)


def _variable(inner: str) -> Variable:
    if symfony := _SYMFONY.fullmatch(inner):
        return _constrained(Variable(symfony[1], optional=symfony[3] is not None), symfony[2])
    name, colon, constraint = inner.partition(":")
    name, equals, _ = name.partition("=")
    variable = Variable(name.strip().lstrip("*").strip(), optional=bool(equals), spans=inner.startswith("*"))
    if colon:
        default = _DEFAULT.fullmatch(constraint)
        optional = variable.optional or default is not None
        return _constrained(replace(variable, optional=optional), default[1] if default else constraint.strip())
    how = _TRAILING.fullmatch(variable.name)
    if how is None or not how[1]:
        return variable
    if how[2] == "?":
        return replace(variable, name=how[1].strip(), optional=True)
    return replace(variable, name=how[1].strip(), spans=True, several=how[2] == "*")


def _constrained(variable: Variable, constraint: str) -> Variable:
    if constraint[-1:] in {"?", "*", "+"} and _WORD.fullmatch(constraint[:-1]):
        variable = replace(
            variable,
            optional=variable.optional or constraint[-1] == "?",
            spans=variable.spans or constraint[-1] != "?",
        )
        constraint = constraint[:-1]
    word = _WORD.fullmatch(constraint)
    if word is not None and word[1] != "regex":
        spans = variable.spans or word[1] == "path"
        return replace(variable, spans=spans, schema=_BY_WORD.get(word[1].lower()))
    pattern = constraint if word is None else (word[2] or "").strip("\"'")
    spans = variable.spans or _ANYTHING.search(_CLASS.sub("", pattern)) is not None
    anchored = f"^(?:{pattern.removeprefix('^').removesuffix('$')})$"
    return replace(
        variable, spans=spans, schema={"type": "string", "pattern": anchored} if is_pattern(anchored) else None
    )
