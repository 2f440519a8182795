"""A document's operations, one by one, and a report of what became of each."""

import gc
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import orjson

from app.openapi.document.reading import Limits, refused
from app.openapi.operations import swagger2
from app.openapi.operations.drafts import Draft, Drafting, PathItem
from app.openapi.operations.parts import Unusable, server_addresses
from app.openapi.schema.definitions import Closure, InputSchema, undescribed
from app.openapi.schema.presets import Presets
from app.openapi.schema.schemas import HEAVIEST, Schemas
from app.openapi.trial import Trial
from app.operation import instructions
from app.operation.keywords import SIMPLE, is_laborious
from app.operation.naming import operation_names
from app.operation.operation import (
    Conversion,
    Examples,
    Json,
    Operation,
    ReportItem,
    Slot,
    Value,
    estimated_tokens,
    size_of_output,
    size_without_schemas,
)
from app.operation.pointers import BORROWED, TWICE, Unresolvable, join, shown
from app.operation.text import LONGEST_NAME, Key, shortened, written_out

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_PATH_ITEM = frozenset({"$ref", "summary", "description", "servers", "parameters", "additionalOperations"})
_OF_OPERATIONS = frozenset(
    {"consumes", "deprecated", "operationId", "produces", "requestBody", "responses", "schemes", "security", "tags"}
)
_MISPLACED = "It belongs to operations, not to their path, and counts for none of them."
_UNKNOWN = "It is neither a method nor an extension (`x-…`)."
_ADDITIONAL = "additionalOperations"  # OAS 3.2
_EVERY_METHOD = "*"
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}")  # RFC 9110 section 9.1
_LONGEST_METHOD = 40  # characters
_LONGEST_PATH = 8_000  # characters; common servers accept no longer address
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PATH_SHOWN = 200  # of a longer one
_SMALLEST_BUDGET = 2_048  # bytes of a tool, below which shortening makes nothing usable
_LABORIOUS = f"more than {HEAVIEST:,} schemas for one value; only the types of its arguments are shown"
_MOST_NOTES = 10  # that the report shows of one operation, or places of one kind
_PLACES = (
    (TWICE, "Keys must be unique. Of these, the last counts, and of paths and components what is in both"),
    (BORROWED, "These are not in their files and were taken for places in the document itself"),
)
# What an unforeseen kind of value leads to: it costs its own operation, and the others are kept.
_MISTAKES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def convert(
    document: Json,
    *,
    slug: str,
    assigned: Mapping[Key, str] | None = None,
    arguments: Mapping[Key, Mapping[Slot, str]] | None = None,
    limits: Limits | None = None,
) -> Conversion:
    """Return the operations of an OpenAPI 3 or Swagger 2.0 document; the report says why one is not among them.

    `assigned` holds the names that operations already have, by method and path, and `arguments` those of their
    arguments, by where they go. Raises Invalid("invalid_document") for any other document and for one that exceeds a
    limit.
    """
    with _without_collector():
        return _converted(document, slug, assigned, arguments or {}, limits or Limits())


@contextmanager
def _without_collector() -> Iterator[None]:
    """Look for no reference cycles: there are few, and each search goes through all of the document."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _converted(
    document: Json,
    slug: str,
    assigned: Mapping[Key, str] | None,
    arguments: Mapping[Key, Mapping[Slot, str]],
    limits: Limits,
) -> Conversion:
    paths = _paths(document)
    notes: list[str] = []
    stated = document.get("servers")
    if stated is None and not document.keys().isdisjoint(("host", "basePath")):
        stated = swagger2.stated_servers(document)
    servers = server_addresses(stated, "/servers", notes)
    schemas = Schemas(document)
    walk = _Walk(schemas, Drafting(document, schemas, servers, arguments), limits)
    drafts, skipped = walk.over(paths)
    trial = Trial(drafts, schemas)  # reads all that they refer to
    presets = Presets(schemas) if schemas.has_presets else None
    fillings = {each.pointer: presets.of(each.arguments) for each in drafts} if presets is not None else {}
    examples, refused = _tried(trial, drafts)
    drafts = [each.filling(fillings.get(each.pointer, {})) for each in drafts]
    names = operation_names(
        {(draft.operation.method, draft.operation.path): draft.wanted_name for draft in drafts},
        slug=slug,
        assigned=assigned,
        longest=limits.tool_name_length,
    )
    done = _within_budget(
        [_Finishing(draft, schemas, names, refused.get(draft.pointer, ())) for draft in drafts], limits
    )
    operations = tuple(operation for operation, _ in done if operation is not None)
    info = document.get("info")
    return Conversion(
        *_about(info if isinstance(info, dict) else {}),
        servers=servers,
        operations=operations,
        report=(*(item for _, item in done), *skipped, *_beside(document, walk, trial)),
        examples=examples,
    )


def _tried(trial: Trial, drafts: Sequence[Draft]) -> tuple[Examples, Mapping[str, Sequence[str]]]:
    """Try the drafts, whose schemas may change; see `Trial.run`."""
    try:
        return trial.run()
    except _MISTAKES as error:
        return Examples(), {each.pointer: [_unforeseen(error)] for each in drafts[:1]}


def _paths(document: Json) -> Json:
    _require_version(document)
    paths = document.get("paths")
    if paths is None or paths == []:  # what PHP makes of an empty object
        return {}
    if not isinstance(paths, dict):
        raise refused("has a `paths` that is not an object", "/paths")
    return paths


def _require_version(document: Json) -> None:
    """Documents mix versions, and each construct shows which it belongs to, so one known version is enough."""
    stated = {name: str(document[name]).strip() for name in ("openapi", "swagger") if document.get(name) is not None}
    if stated.get("openapi", "").startswith("3") or stated.get("swagger", "").split(".")[0] == "2":
        return
    if "openapi" not in stated and "swagger" in stated:
        raise refused(f"is Swagger {stated['swagger'][:20]}; only 2.0 is read, so convert it first", "/swagger")
    raise refused("is not an OpenAPI document: it needs `openapi` 3.0, 3.1 or 3.2, or `swagger` 2.0", "/openapi")


def _about(info: Json) -> tuple[str | None, str | None, str | None]:
    title, description, version = (info.get(name) for name in ("title", "description", "version"))
    return (
        shortened(title, LONGEST_NAME) or None if isinstance(title, str) else None,
        shortened(description) or None if isinstance(description, str) else None,
        shortened(str(version), LONGEST_NAME) or None if isinstance(version, str | int | float) else None,
    )


class _Walk:
    """Goes through the paths and separates what can be drafted from what has to be skipped."""

    def __init__(self, schemas: Schemas, drafting: Drafting, limits: Limits) -> None:
        self._schemas = schemas
        self._drafting = drafting
        self._limits = limits
        self._drafts: list[Draft] = []
        self._skipped: list[ReportItem] = []
        self.callbacks: list[str] = []  # pointers to those that were met

    def over(self, paths: Json) -> tuple[list[Draft], list[ReportItem]]:
        for path, raw in paths.items():
            if len(path) > _LONGEST_PATH:
                start = f"{path[:_PATH_SHOWN]}…"
                self._skip(_EVERY_METHOD, start, join("/paths", start), f"Its path has {len(path):,} characters.")
            elif not path.startswith("x-"):
                self._path(path, raw, join("/paths", path))
        if not self._drafts and not self._skipped:
            self._skip(_EVERY_METHOD, "", "/paths", "It describes no operations; webhooks are not calls to an API.")
        return self._drafts, self._skipped

    def _path(self, path: str, raw: Value, pointer: str) -> None:
        if path == "$ref":  # all paths in another file, which could not be had
            raw = {path: raw}
        elif not path or _SCHEME.match(path):
            self._skip(_EVERY_METHOD, path, pointer, "It is no path; where an API is belongs into `servers`.")
            return
        raw = {} if raw is None or raw == [] else raw
        before = len(self._drafts) + len(self._skipped)
        own = {name: value for name, value in raw.items() if name != "$ref"} if isinstance(raw, dict) else {}
        met = self._item(PathItem(path, own, pointer), frozenset())
        if not isinstance(raw, dict) or "$ref" in raw:
            self._referred(path, raw, pointer, met)
        if len(self._drafts) + len(self._skipped) == before:
            self._skip(_EVERY_METHOD, "", pointer, f"The path {path} has no operations.")

    def _referred(self, path: str, raw: Value, pointer: str, met: frozenset[str]) -> None:
        """Take the operations of the Path Item that a path refers to, except those that the path has itself."""
        try:
            node, place = self._schemas.references.follow(raw, pointer)
        except Unresolvable as error:
            self._skip(_EVERY_METHOD, path, pointer, f"The operations of this path are unknown: {error}.")
            return
        if not isinstance(node, dict):
            self._skip(_EVERY_METHOD, path, pointer, "It is not a Path Item Object.")
            return
        self._item(PathItem(path, node, place), met)

    def _item(self, item: PathItem, met: frozenset[str]) -> frozenset[str]:
        """Take the operations of a Path Item whose methods were not seen before; return all methods seen so far."""
        own: set[str] = set()
        for method, operation, where in _operations(item.raw, item.pointer):
            if method in own:
                self._skip(method, item.path, where, "The path has this method twice.")
            elif method not in met:
                self._operation(item, method, operation, where)
            own.add(method)
        for key, where in _strays(item.raw, item.pointer):
            self._skip(key[:_LONGEST_METHOD], item.path, where, _MISPLACED if key in _OF_OPERATIONS else _UNKNOWN)
        return met | own

    def _operation(self, item: PathItem, method: str, raw: Value, pointer: str) -> None:
        if len(self._drafts) + len(self._skipped) >= self._limits.operations:
            raise refused(
                f"has more than {self._limits.operations:,} operations (SOURCE_MAX_OPERATIONS)", shown(pointer)
            )
        if isinstance(raw, dict) and isinstance(raw.get("callbacks"), dict):
            self.callbacks += [join(pointer, "callbacks", name) for name in raw["callbacks"]]
        try:
            self._drafts.append(self._drafting.draft(item, method, raw, pointer))
        except Unusable as error:
            self._skip(method, item.path, error.pointer, f"It cannot be called: {error}.")
        except _MISTAKES as error:
            self._skip(method, item.path, pointer, _unforeseen(error))

    def _skip(self, method: str, path: str, pointer: str, reason: str) -> None:
        self._skipped.append(_line(reason, pointer, method, path))


def _line(reason: str, pointer: str, method: str = _EVERY_METHOD, path: str = "") -> ReportItem:
    """Return a line of the report for what is no tool; without a path it is not about one operation."""
    return ReportItem(written_out(method), written_out(path), shown(pointer), "skipped", reason, None, 0, 0)


def _beside(document: Json, walk: _Walk, trial: Trial) -> Iterator[ReportItem]:
    """Yield lines about what the document has beside operations that can be called, and about the whole."""
    webhooks = document.get("webhooks")
    if isinstance(webhooks, dict) and webhooks and document.get("paths"):
        yield _line(f"It describes webhooks ({len(webhooks):,}), which the API calls; they are no tools.", "/webhooks")
    if walk.callbacks:
        what = f"Its operations have callbacks ({len(walk.callbacks):,}), which the API calls; they are no tools."
        yield _line(what, walk.callbacks[0])
    for key, what in _PLACES:
        if places := document.get(key):
            more = f" and {len(places) - _MOST_NOTES:,} more" if len(places) > _MOST_NOTES else ""
            yield _line(f"{what}: {', '.join(map(shown, places[:_MOST_NOTES]))}{more}.", places[0])
    if trial.ended_early:
        yield _line("Not all that was made of it was tried: it has more to try than a trial may take.", "")


def _unforeseen(error: Exception) -> str:
    """Say what is needed to fix it."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    where = f"{frame.f_globals['__name__']}, line {line}"
    return (
        f"It could not be read or tried. This is a fault of ours; please report it: {type(error).__name__} in {where}."
    )


def _operations(node: Json, place: str) -> Iterator[tuple[str, Value, str]]:
    """Yield methods, operations and where they are; `GET` is another spelling of `get`."""
    additional = node.get(_ADDITIONAL)
    for method in _METHODS:
        if method in node:
            yield method.upper(), node[method], join(place, method)
    for key, raw in node.items():
        if key not in _METHODS and _is_standard(key):
            yield key.strip().upper(), raw, join(place, key)
    for method, raw in additional.items() if isinstance(additional, dict) else ():
        if _may_be_called(method):
            yield method.upper() if _is_standard(method) else method, raw, join(place, _ADDITIONAL, method)


def _strays(node: Json, place: str) -> Iterator[tuple[str, str]]:
    """Yield names that could be meant for methods or operations, and where they are."""
    for key, raw in node.items():
        is_meant = isinstance(raw, dict) or key in _OF_OPERATIONS
        if is_meant and not (_is_standard(key) or key in _PATH_ITEM or key.startswith("x-")):
            yield key, join(place, key)
    additional = node.get(_ADDITIONAL)
    if additional is not None and not isinstance(additional, dict):
        yield _ADDITIONAL, join(place, _ADDITIONAL)
    for method in additional if isinstance(additional, dict) else ():
        if not _may_be_called(method):
            yield method, join(place, _ADDITIONAL, method)


def _is_standard(method: str) -> bool:
    """Whether a key is one of the methods that a Path Item Object names, in any case."""
    return method.strip().lower() in _METHODS


def _may_be_called(method: str) -> bool:
    return _METHOD.fullmatch(method) is not None and method.upper() != "CONNECT"


@dataclass(frozen=True, slots=True)
class _Finishing:
    """Gives a draft its name and a self-contained schema; an output schema stays only where there is room."""

    draft: Draft
    schemas: Schemas
    names: Mapping[tuple[str, str], str]
    refused: Sequence[str]

    def within(self, budget: int, *, outputs: bool) -> tuple[Operation | None, ReportItem]:
        try:
            return self._finished(budget, outputs=outputs)
        except _MISTAKES as error:
            draft, pointer = self.draft.operation, shown(self.draft.pointer)
            return None, ReportItem(draft.method, draft.path, pointer, "skipped", _unforeseen(error), None, 0, 0)

    def _finished(self, budget: int, *, outputs: bool) -> tuple[Operation, ReportItem]:
        draft = self.draft.operation
        name = self.names[draft.method, draft.path]
        rest = size_without_schemas(draft, name)
        parts = InputSchema(draft.input_schema, self.draft.arguments, self.schemas.definition)
        closure = parts.within(budget - rest)
        complexity = sum(map(self.schemas.complexity, self.draft.arguments.values()))
        if complexity > SIMPLE and is_laborious(closure.schema, HEAVIEST):
            closure = undescribed(closure, _LABORIOUS)
        output = draft.output_schema if outputs else None
        if closure.size + rest + size_of_output(output) > budget:
            output = None
        size = closure.size + rest + size_of_output(output)
        notes = _counted((*_alarms(draft, closure), *draft.notes, *closure.notes))
        operation = replace(draft, name=name, input_schema=closure.schema, output_schema=output, notes=notes)
        return operation, ReportItem(
            method=draft.method,
            path=draft.path,
            pointer=shown(self.draft.pointer),
            status="degraded" if notes else "ready",
            reason="; ".join(notes) or None,
            name=name,
            bytes=size,
            estimated_tokens=estimated_tokens(size),
            refused_examples="; ".join(_counted(self.refused)) or None,
        )


def _alarms(draft: Operation, closure: Closure) -> Iterator[str]:
    """Yield what an admin should read before a model does."""
    own = [draft.title, draft.description]
    text = orjson.dumps(own).lower()
    if closure.may_have_quotes or any(hint in text for hint in instructions.HINTS):
        found = instructions.quotes(orjson.dumps([*own, closure.schema]).lower().decode())
        yield from (f"its text reads like instructions to a model: {words!r}" for words in found)


def _counted(notes: Sequence[str]) -> tuple[str, ...]:
    """Return the first ones, and how many more there are: each operation that shares a schema has its notes."""
    more = [f"and {len(notes) - _MOST_NOTES} more"] if len(notes) > _MOST_NOTES else []
    return (*notes[:_MOST_NOTES], *more)


def _within_budget(work: Sequence[_Finishing], limits: Limits) -> list[tuple[Operation | None, ReportItem]]:
    """Drop output schemas, then halve the size of each tool, until all of them fit together."""
    budget, outputs = limits.tool_bytes, True
    while True:
        done, total = [], 0
        for each in work:
            done.append(each.within(budget, outputs=outputs))
            total += done[-1][1].bytes
            if total > limits.list_bytes:
                break
        else:
            return done
        if outputs:
            outputs = False
            continue
        if budget <= _SMALLEST_BUDGET:
            raise refused(
                f"makes tools of more than {limits.list_bytes:,} bytes altogether (SOURCE_MAX_LIST_BYTES)", "/paths"
            )
        budget //= 2
