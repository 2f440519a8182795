"""What each framework hands to its model for a list of calls: programs that run where the framework is installed.

Each defines `session(url, headers)`, which gives a function that makes a call and returns what the model sees. What the
framework raises is seen by whoever wrote the agent, so its text counts.
"""

FRAME = """
import asyncio, json, sys

{program}

async def shown(call, name, arguments):
    try:
        answer = await asyncio.wait_for(call(name, arguments), 30)
    except Exception as error:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        answer = f"{{type(error).__name__}}: {{error}}"
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, default=str)

async def main():
    given = json.load(sys.stdin)
    told = {{}}
    for label, (name, arguments) in given["calls"].items():
        try:
            async with session(given["url"], given["headers"]) as call:
                told[label] = await shown(call, name, arguments)
                told["again after " + label] = await shown(call, *given["good"])
        except Exception as error:
            told.setdefault(label, f"{{type(error).__name__}}: {{error}}")
    print(json.dumps(told))

asyncio.run(main())
"""

MCP_2 = """
from contextlib import asynccontextmanager
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

@asynccontextmanager
async def session(url, headers):
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        async def call(name, arguments):
            if name is None:
                return [tool.name for tool in (await client.list_tools()).tools]
            return (await client.call_tool(name, arguments)).content[0].text
        yield call
"""

MCP_2_STRUCTURED = MCP_2.replace(".content[0].text", ".structured_content")

MCP_1 = """
from contextlib import asynccontextmanager
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

@asynccontextmanager
async def session(url, headers):
    async with streamablehttp_client(url, headers=headers) as (read, write, _), ClientSession(read, write) as client:
        await client.initialize()
        async def call(name, arguments):
            if name is None:
                return [tool.name for tool in (await client.list_tools()).tools]
            return (await client.call_tool(name, arguments)).content[0].text
        yield call
"""

LANGCHAIN = """
from contextlib import asynccontextmanager
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

@asynccontextmanager
async def session(url, headers):
    client = MultiServerMCPClient({"us": {"transport": "streamable_http", "url": url, "headers": headers}})
    async with client.session("us") as opened:
        tools = {tool.name: tool for tool in await load_mcp_tools(opened)}
        async def call(name, arguments):
            if name is None:
                return list(tools)
            asked = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
            return (await tools[name].ainvoke(asked)).content
        yield call
"""

OPENAI_AGENTS = """
from contextlib import asynccontextmanager
from agents import set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp, MCPUtil
from agents.tool_context import ToolContext

set_tracing_disabled(True)

@asynccontextmanager
async def session(url, headers):
    async with MCPServerStreamableHttp(name="us", params={"url": url, "headers": headers}) as server:
        listed = {tool.name: tool for tool in await server.list_tools()}
        async def call(name, arguments):
            if name is None:
                return list(listed)
            if name not in listed:
                return await server.call_tool(name, arguments)
            tool = MCPUtil.to_function_tool(
                listed[name], server, False, failure_error_function=lambda _, error: str(error)  # as the guide says
            )
            given = json.dumps(arguments)
            context = ToolContext(context=None, tool_name=name, tool_call_id="1", tool_arguments=given)
            return await tool.on_invoke_tool(context, given)
        yield call
"""

PYDANTIC_AI = """
from contextlib import asynccontextmanager
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

@asynccontextmanager
async def session(url, headers):
    toolset = MCPToolset(url, headers=headers)
    async with toolset:
        async def call(name, arguments):
            if name is None:
                return [tool.name for tool in await toolset.list_tools()]
            seen = []
            def model(messages, info):
                parts = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart | RetryPromptPart)]
                if not parts:
                    return ModelResponse(parts=[ToolCallPart(name, arguments)])
                (part,) = parts
                seen.append(part.model_response() if isinstance(part, RetryPromptPart) else part.content)
                return ModelResponse(parts=[TextPart("done")])
            await Agent(FunctionModel(model), toolsets=[toolset]).run("go")
            return seen[0]
        yield call
"""

FASTMCP = """
from contextlib import asynccontextmanager
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

@asynccontextmanager
async def session(url, headers):
    async with Client(StreamableHttpTransport(url, headers=headers)) as client:
        async def call(name, arguments):
            if name is None:
                return [tool.name for tool in await client.list_tools()]
            result = await client.call_tool(name, arguments)
            return result.structured_content or result.content[0].text
        yield call
"""
