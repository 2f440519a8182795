"""The tools in memory: built at registration, found in constant time, never read from the database during a call."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from app.credentials.credential import Credential, Means, Terms
from app.credentials.kinds import KINDS
from app.identity.agent_token import AgentToken
from app.operation.operation import Hints, Operation, size_of_tool
from app.operation.text import SEPARATOR, mcp_name, tool_id
from app.outbound import origin_of
from app.pieces import in_pieces
from app.sources.source import Authority, RegisteredSource
from app.tools.arguments import ArgumentRules
from app.tools.output import OutputRules
from app.tools.request.plan import RequestPlan, plan_request

_MOST_VIEWS = 256  # sets of roles whose list is remembered


@dataclass(frozen=True)
class Tool:
    """One operation of a source as agents see it. `tool_id` is `slug/operation`, `mcp_name` is `slug__operation`.

    `authority` is where it is called, `credential` what its calls carry; `drop_unknown` is for ArgumentRules. What no
    argument changes is worked out once, when it is first needed: of a large source, few tools are ever called.
    """

    tool_id: str
    mcp_name: str
    source: RegisteredSource
    operation: Operation
    authority: Authority
    credential: Credential
    drop_unknown: bool

    @cached_property
    def arguments(self) -> ArgumentRules:
        """What it accepts."""
        operation = self.operation
        return ArgumentRules(
            operation.input_schema, operation.preset, drop_unknown=self.drop_unknown, filling=operation.filling
        )

    @cached_property
    def request(self) -> RequestPlan:
        """How it is called."""
        return plan_request(self.operation, self.source.base_url)

    @cached_property
    def output(self) -> OutputRules | None:
        """What it promises about its answers; None for nothing."""
        schema = self.operation.output_schema
        return OutputRules(schema) if schema is not None else None

    @cached_property
    def hints(self) -> Hints:
        """What a caller may expect of calling it."""
        return self.operation.hints

    @cached_property
    def size(self) -> int:
        """The most bytes that it has in a list."""
        return size_of_tool(self.operation)

    @property
    def safe(self) -> bool:
        """Whether the operation may be sent twice without harm."""
        return self.hints.read_only


@dataclass(frozen=True, slots=True)
class _Entry:
    source: RegisteredSource
    tools: Mapping[str, Tool]
    listed: tuple[Tool, ...]


# No slug is empty. Hidden by a role and not by the switch, so that it is looked at like what roles hide.
_NOTHING = RegisteredSource("", "", "", "", (), frozenset({""}), frozenset(), enabled=True)
_NO_ENTRY = _Entry(_NOTHING, {}, ())


class Catalog:
    """What is registered now. Every change replaces a source whole, so that a call sees either the old or the new.

    `means` are those that credentials are made with; `drop_unknown` is for the rules of arguments (see ArgumentRules).
    """

    def __init__(self, means: Means, *, drop_unknown: bool = False) -> None:
        self._means = means
        self._drop_unknown = drop_unknown
        self._entries: Mapping[str, _Entry] = {}
        self._roles: frozenset[str] = frozenset()
        self.required_scopes: frozenset[str] = frozenset()  # of all sources
        self._views: dict[frozenset[str], tuple[Tool, ...]] = {}

    def put(self, source: RegisteredSource, operations: Sequence[Operation]) -> None:
        """Show the source with exactly these operations, in place of what it had.

        An operation at an origin that the source does not call is not shown, whoever has stored it.
        """
        self._show(source, self._tools(source, operations))

    async def put_in_pieces(self, source: RegisteredSource, operations: Sequence[Operation]) -> None:
        """Do what `put` does; while thousands of tools are made, others have their turns."""
        self._show(source, await in_pieces(self._tools(source, operations)))

    def _tools(self, source: RegisteredSource, operations: Sequence[Operation]) -> Iterator[Tool]:
        authorities = {each.origin: (each, self._credential(each)) for each in source.authorities}
        origin = cache(origin_of)  # thousands of operations have one address
        for operation in operations:
            authority = authorities.get(origin(operation.server or source.base_url))
            if authority is not None:
                yield self._tool(source, operation, *authority)

    def _show(self, source: RegisteredSource, made: Iterable[Tool]) -> None:
        tools = {tool.operation.name: tool for tool in made}
        listed = tuple(tools[name] for name in sorted(tools))
        self._replace({**self._entries, source.slug: _Entry(source, tools, listed)})

    def remove(self, slug: str) -> None:
        """Forget the source; its tools are unknown from now on."""
        self._replace({other: entry for other, entry in self._entries.items() if other != slug})

    def find(self, tool_id: str) -> Tool | None:
        """Return the tool with that id, no matter who may see it."""
        return self._find(*tool_id.partition("/"))

    def find_by_mcp_name(self, name: str) -> Tool | None:
        """Return the tool with that MCP name, no matter who may see it."""
        return self._find(*name.partition(SEPARATOR))

    def may_see(self, agent: AgentToken, tool: Tool | None) -> bool:
        """Whether the source is enabled and the agent holds one of its allowed roles, if it names any; not for None.

        It takes the same steps for None, so that time does not tell what is hidden from what is not there.
        """
        return _may_see(agent.roles, _NOTHING if tool is None else tool.source)

    def visible_to(self, agent: AgentToken) -> tuple[Tool, ...]:
        """Return every tool that the agent may see, by slug and then by name."""
        roles = agent.roles & self._roles
        view = self._views.get(roles)
        if view is None:
            if len(self._views) >= _MOST_VIEWS:
                self._views.clear()
            entries = (self._entries[slug] for slug in sorted(self._entries))
            view = tuple(tool for entry in entries if _may_see(roles, entry.source) for tool in entry.listed)
            self._views[roles] = view
        return view

    def _credential(self, authority: Authority) -> Credential:
        return KINDS[authority.auth_type](Terms(authority.audience, authority.scopes), self._means)

    def _tool(
        self, source: RegisteredSource, operation: Operation, authority: Authority, credential: Credential
    ) -> Tool:
        return Tool(
            tool_id=tool_id(source.slug, operation.name),
            mcp_name=mcp_name(source.slug, operation.name),
            source=source,
            operation=operation,
            authority=authority,
            credential=credential,
            drop_unknown=self._drop_unknown,
        )

    def _find(self, slug: str, _: str, operation: str) -> Tool | None:
        return self._entries.get(slug, _NO_ENTRY).tools.get(operation)

    def _replace(self, entries: Mapping[str, _Entry]) -> None:
        self._entries = entries
        self._roles = frozenset[str]().union(*(entry.source.allowed_roles for entry in entries.values()))
        self.required_scopes = frozenset[str]().union(*(entry.source.required_scopes for entry in entries.values()))
        self._views = {}


def _may_see(roles: frozenset[str], source: RegisteredSource) -> bool:
    return source.enabled and (not source.allowed_roles or not source.allowed_roles.isdisjoint(roles))
