"""The least that can serve the same tool: the SDK's low-level server and the same HTTP client, no feature of ours.

PORT and UPSTREAM in argv.
"""

import sys
from typing import Any

import aiohttp
import orjson
import uvicorn
from mcp import types
from mcp.server.lowlevel.server import Server

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "verbose": {"type": "boolean"}},
    "required": ["order_id"],
}


def bare_server(upstream: str) -> Server[Any]:
    session: aiohttp.ClientSession | None = None

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(name="get_order_0", input_schema=SCHEMA)])

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        nonlocal session
        session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        order_id = (params.arguments or {})["order_id"]
        async with session.get(f"{upstream}/shops/0/orders/{order_id}") as answer:
            body = await answer.read()
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=body.decode())], structured_content=orjson.loads(body)
        )

    return Server("bare", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=lambda _name: SCHEMA)


if __name__ == "__main__":
    port, upstream = int(sys.argv[1]), sys.argv[2]
    app = bare_server(upstream).streamable_http_app(json_response=True, stateless_http=True, host="127.0.0.1")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
