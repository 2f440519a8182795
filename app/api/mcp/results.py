"""What an agent reads after a call: the upstream's answer, or why there is none and what to do about it."""

from typing import Any

import orjson
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from app.errors import Invalid, ToolsProviderError, Unavailable
from app.telemetry import current_trace_id
from app.tools.answer.errors import summary_of
from app.tools.answer.result import LONGEST_ERROR, ToolResult
from app.tools.arguments import MOST_TOLD
from app.tools.catalog import Tool
from app.tools.output import OutputRules, otherwise

_CUT = "The answer is longer than this; the rest was cut off. Ask for less, by a filter or a page size."
_CUT_ERROR = "There was more; the rest was cut off."
_FEW_CONTAINERS = 200  # cannot be nested too deep
_OUTER_LEVELS = 16  # containers that the SDK, and we, put around structured content
_NOTHING = object()


def tool_result(result: ToolResult, tool: Tool, protocol_version: str) -> CallToolResult:
    """Return the upstream's answer as text or as what it is, and as structured content where it is JSON."""
    notes = []
    if result.is_error and result.kind != "empty":
        summary = summary_of(result.body, status=result.upstream_status) if result.kind == "json" else None
        notes.append(f"The upstream answered {result.upstream_status}: {summary or ''}".rstrip())
    elif result.kind == "empty":
        notes.append(f"The upstream answered {result.upstream_status} without content.")
    if result.truncated or _is_too_long(result):
        notes.append(_CUT_ERROR if result.is_error else _CUT)
    content: list[ContentBlock] = [TextContent(text="\n".join(notes))] if notes else []
    content.extend(_content(result, tool))
    structured = _structured(result, tool, protocol_version)
    return CallToolResult(
        content=content,
        is_error=result.is_error,
        meta=_meta(upstream_status=result.upstream_status, **({"headers": result.headers} if result.headers else {})),
        **({} if structured is _NOTHING else {"structured_content": structured}),
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


def _content(result: ToolResult, tool: Tool) -> list[ContentBlock]:
    match result.kind:
        case "empty":
            return []
        case "json":
            text = result.raw.decode()
            return [TextContent(text=text[:LONGEST_ERROR] if result.is_error else text)]
        case "text":
            return [TextContent(text=result.body)] if result.body else []
        case "binary":
            return _binary(result.body, tool)


def _binary(body: dict[str, Any], tool: Tool) -> list[ContentBlock]:
    media_type, data = body["content_type"], body.get("base64")
    if data is None:  # half an image is no image
        return [TextContent(text=orjson.dumps(body).decode())]
    if media_type.startswith("image/"):
        return [ImageContent(data=data, mime_type=media_type)]
    if media_type.startswith("audio/"):
        return [AudioContent(data=data, mime_type=media_type)]
    # The bytes are in the result and nowhere else, so that only the caller has them; the address leads nowhere.
    resource = BlobResourceContents(uri=f"tool-result:{tool.tool_id}", mime_type=media_type, blob=data)
    described = {name: value for name, value in body.items() if name != "base64"}
    return [TextContent(text=orjson.dumps(described).decode()), EmbeddedResource(resource=resource)]


def _structured(result: ToolResult, tool: Tool, protocol_version: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the structured content, or `_NOTHING`; for a tool with an output schema it is always what that allows."""
    presentable = result.kind == "json" and not _is_too_long(result) and not _is_too_deep(result)
    promise = promise_of(tool, protocol_version)
    if promise is not None:
        as_documented = presentable and not result.is_error and result.body is not None and promise.kept_by(result.body)
        return result.body if as_documented else otherwise(result.body if presentable else None)
    if not presentable:
        return _NOTHING
    if isinstance(result.body, dict) or protocol_version in MODERN_PROTOCOL_VERSIONS:
        return result.body
    return {"result": result.body}  # before 2026-07-28 structured content had to be an object


def promise_of(tool: Tool, protocol_version: str) -> OutputRules | None:
    """Return what lists say of the tool's structured content: before 2026-07-28 it had to be an object."""
    if tool.output is None or (protocol_version not in MODERN_PROTOCOL_VERSIONS and not tool.output.is_object):
        return None
    return tool.output


def _is_too_long(result: ToolResult) -> bool:
    return result.is_error and result.kind == "json" and len(result.raw) > LONGEST_ERROR


def _is_too_deep(result: ToolResult) -> bool:
    """Whether the SDK's serializer, which ends at 255 levels, would fail; so would many clients."""
    if result.raw.count(b"[") + result.raw.count(b"{") <= _FEW_CONTAINERS:
        return False
    probe = result.body
    for _ in range(_OUTER_LEVELS):
        probe = [probe]
    try:
        orjson.dumps(probe)  # ends at 254 levels, and is the quickest way to walk a value
    except orjson.JSONEncodeError:
        return True
    return False


def _meta(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return {**values, "trace_id": current_trace_id()}
