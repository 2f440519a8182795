"""What an HTTP request passes before the MCP door: agent token, method, size, scopes.

It stands in the place of the SDK's own authentication, whose challenges name no scopes and which cannot answer 403 for
one tool.
"""

import orjson
from mcp_types import PARSE_ERROR
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.api.http.bodies import read_body, read_json, replayed
from app.api.http.dependencies import Composition, agent_of, composition_of
from app.api.http.disconnect import unless_gone
from app.api.http.problems import Problems, problem
from app.errors import Invalid, NotFound, ToolsProviderError, Unavailable
from app.identity.agent_token import AgentToken

MCP_BYTES = 4 * 1024 * 1024


class McpEntry:
    """Lets requests with an acceptable agent token through to the SDK, with the token as `scope["agent"]`.

    Of a message that calls a tool, `scope["tool"]` is the tool, or NotFound.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # RFC 9110 section 5.5: white space around a value is not part of it; httptools leaves it there.
        scope["headers"] = headers = [(name, value.strip()) for name, value in scope["headers"]]
        composition = composition_of(scope)
        with composition.telemetry.remote_parent(headers):
            try:
                agent = await agent_of(scope)
            except ToolsProviderError as error:
                refused = await self._refuse(composition, error, record=not isinstance(error, Unavailable))
                await refused(scope, receive, send)
                return
            scope["agent"] = agent
            await self._authenticated(composition, agent, scope, receive, send)

    async def _authenticated(
        self, composition: Composition, agent: AgentToken, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["method"] != "POST":
            detail = "There are no sessions and no streams here; POST each message."
            await problem(405, "method_not_allowed", detail, headers={"Allow": "POST"})(scope, receive, send)
            return
        body = await read_body(scope, receive, MCP_BYTES)
        try:
            message = read_json(body)
        except Invalid as error:
            await _parse_error(error)(scope, receive, send)
            return
        if (asked := _called_tool(message)) is not None:
            refused = await self._decide(composition, agent, asked, scope)
            if refused is not None:
                await refused(scope, receive, send)
                return
        answer = _Answer(send)
        transport = composition.mcp_transport
        await unless_gone(receive, transport(scope, replayed(body, receive), answer), lambda: answer.complete)

    async def _refuse(self, composition: Composition, error: ToolsProviderError, *, record: bool) -> Response:
        with composition.telemetry.span("refuse /mcp"):
            if record:
                await composition.outcomes.refused(error, "mcp")
            return self._problems.render(error)

    async def _decide(self, composition: Composition, agent: AgentToken, asked: str, scope: Scope) -> Response | None:
        """Only now can the answer still be a 403 that names the scopes; what is unknown is left to the SDK to say."""
        try:
            scope["tool"] = composition.access.decide(agent, asked, "mcp")
        except ToolsProviderError as refusal:
            with composition.telemetry.span("refuse /mcp"):
                await composition.access.refused(refusal, agent, asked, "mcp")
                if not isinstance(refusal, NotFound):
                    return self._problems.render(refusal)
            scope["tool"] = refusal
        return None


def _called_tool(message: object) -> str | None:
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return None
    params = message.get("params")
    name = params.get("name") if isinstance(params, dict) else None
    return name if isinstance(name, str) else None


def _parse_error(error: Invalid) -> Response:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": PARSE_ERROR, "message": error.detail}}
    return Response(orjson.dumps(body), 400, media_type="application/json")


class _Answer:
    """A `send` that knows whether the answer is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
        await self._send(message)
