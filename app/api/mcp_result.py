"""What an agent reads after a call: the upstream's answer, or why there is none and what to do about it."""

from typing import Any

import orjson
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from app.errors import Invalid, ToolsProviderError, Unavailable
from app.telemetry import current_trace_id
from app.tools.result import ToolResult
from app.tools.violations import MOST_TOLD


def tool_result(result: ToolResult, protocol_version: str) -> CallToolResult:
    """Return the upstream's answer as text, and as structured content where it is JSON."""
    notes = []
    if result.kind == "empty":
        notes.append(f"The upstream answered {result.upstream_status} without content.")
    elif result.is_error:
        notes.append(f"The upstream answered {result.upstream_status}:")
    if result.truncated:
        notes.append("The answer is longer than this; the rest was cut off. Ask for less, by a filter or a page size.")
    content: list[ContentBlock] = [TextContent(text=" ".join(notes))] if notes else []
    content.extend(_content(result))
    return CallToolResult(
        content=content,
        structured_content=_structured(result, protocol_version),
        is_error=result.is_error,
        meta=_meta(upstream_status=result.upstream_status, **({"headers": result.headers} if result.headers else {})),
    )


def refusal_result(error: ToolsProviderError) -> CallToolResult:
    """Return a failure of ours: the code for programs, the detail and the violations it leaves out for the model."""
    lines = [error.detail]
    meta = _meta(code=error.code)
    if isinstance(error, Invalid) and error.violations:
        meta["violations"] = [{"pointer": item.pointer, "detail": item.detail} for item in error.violations]
        lines += [f"- {item.pointer}: {item.detail}" for item in error.violations[MOST_TOLD:]]
    if isinstance(error, Unavailable):
        meta["retry_after"] = error.retry_after
    return CallToolResult(content=[TextContent(text="\n".join(lines))], is_error=True, meta=meta)


def unforeseen_result() -> CallToolResult:
    """Return the answer to a failure that nobody foresaw."""
    text = "Something failed in the tools provider. Do not repeat the call; give the trace_id to whoever runs it."
    meta = _meta(code="internal_error")
    return CallToolResult(content=[TextContent(text=f"{text} trace_id: {meta['trace_id']}")], is_error=True, meta=meta)


def _content(result: ToolResult) -> list[ContentBlock]:
    match result.kind:
        case "empty":
            return []
        case "json":
            return [TextContent(text=result.raw.decode())]
        case "text":
            return [TextContent(text=result.body)]
        case "binary":
            media_type, data = result.body["content_type"], result.body.get("base64")
            if data is not None and media_type.startswith("image/"):
                return [ImageContent(data=data, mime_type=media_type)]
            return [TextContent(text=orjson.dumps(result.body).decode())]


def _structured(result: ToolResult, protocol_version: str) -> Any:  # noqa: ANN401 - any JSON value
    if result.kind != "json":
        return None
    if isinstance(result.body, dict) or protocol_version in MODERN_PROTOCOL_VERSIONS:
        return result.body
    return {"result": result.body}  # before 2026-07-28 structured content had to be an object


def _meta(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return {**values, "trace_id": current_trace_id()}
