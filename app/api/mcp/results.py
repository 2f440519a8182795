"""What an agent reads after a call: the upstream's answer, or why there is none and what to do about it."""

import re
from collections.abc import Callable, Sequence
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
from app.operation.text import shortened, written_out
from app.telemetry import current_trace_id
from app.tools.answer.errors import summary_of
from app.tools.answer.result import LONGEST_ERROR, TOLD_HEADERS, ToolResult
from app.tools.catalog import Tool
from app.tools.output import OutputRules, otherwise
from app.tools.violations import MOST_TOLD

_CUT = "The answer is longer than this; the rest was cut off. Ask for less, by a filter or a page size."
_CUT_ERROR = "There was more; the rest was cut off."
_FEW_CONTAINERS = 200  # cannot be nested too deep
_OUTER_LEVELS = 16  # containers that the SDK, and we, put around structured content
_DEEPEST = 254  # levels that can be written
_NEXT_PAGE = re.compile(
    r"<([^>]*)>[^<]*?;\s*rel=\"?(?:[^\"<,;]* )?next(?![^\s\",;])", re.IGNORECASE
)  # RFC 8288 section 3
_LONGEST_HEADLINE = 500  # characters
_NOTHING = object()


def tool_result(result: ToolResult, tool: Tool, protocol_version: str) -> CallToolResult:
    """Return the upstream's answer as text or as what it is, and as structured content where it is JSON."""
    content = _of_error(result, tool) if result.is_error else _of_success(result, tool)
    structured = _structured(result, content, tool, protocol_version)
    meta = _meta(upstream_status=result.upstream_status, **({"headers": result.headers} if result.headers else {}))
    if result.outcome == "upstream_redirect":
        meta["code"] = result.outcome
    return CallToolResult(
        content=content,
        is_error=result.is_error,
        meta=meta,
        **({} if structured is _NOTHING else {"structured_content": structured}),
    )


def refusal_result(error: ToolsProviderError) -> CallToolResult:
    """Return a failure of ours: the code for programs, the detail and the violations it leaves out for the model."""
    lines = [error.detail]
    meta = _meta(code=error.code)
    if isinstance(error, Invalid) and error.violations:
        meta["violations"] = [
            {"pointer": written_out(item.pointer), "detail": written_out(item.detail)} for item in error.violations
        ]
        lines += [f"- {item.pointer}: {item.detail}" for item in error.violations[MOST_TOLD:]]
    if isinstance(error, Unavailable):
        meta["retry_after"] = error.retry_after
    text = written_out("\n".join(lines), lines=True)
    return CallToolResult(content=[TextContent(text=text)], is_error=True, meta=meta)


def unforeseen_result() -> CallToolResult:
    """Return the answer to a failure that nobody foresaw."""
    text = "Something failed in the tools provider. Do not repeat the call; give the trace_id to whoever runs it."
    meta = _meta(code="internal_error")
    return CallToolResult(content=[TextContent(text=f"{text} trace_id: {meta['trace_id']}")], is_error=True, meta=meta)


def _of_success(result: ToolResult, tool: Tool) -> list[ContentBlock]:
    """Return the answer, with a remark before it if it was cut, and after it what its headers say."""
    facts = _facts(result)
    before = [_text(_CUT)] if result.truncated else []
    after = [_text(*facts)] if facts else []
    return [*before, *_body(result, tool), *after]


def _of_error(result: ToolResult, tool: Tool) -> list[ContentBlock]:
    """Return the error's words, on the first line already, because some hosts show no more; then all that it says."""
    first = _text(_headline(result, _one_line), *_remarks(result))
    said = result.outcome != "upstream_redirect" and not _is_silent(result)
    return [first, *_body(result, tool)] if said else [first]


def _remarks(result: ToolResult) -> list[str]:
    return [*([_CUT_ERROR] if result.truncated or _is_too_long(result) else []), *_facts(result)]


def _headline(result: ToolResult, words_of: Callable[[str], str] = str.strip) -> str:
    answered = f"The upstream answered {result.upstream_status}"
    if _is_silent(result):
        return f"{answered} without content."
    match result.kind:
        case "json":
            words = summary_of(result.body, status=result.upstream_status)
            return f"{answered}: {words or _one_line(result.raw.decode())}"
        case "binary":
            return f"{answered} with {result.body['bytes']} bytes of {result.body['content_type']}."
        case _ if result.outcome == "upstream_redirect":
            return str(result.body)
        case _:
            return f"{answered}: {words_of(result.body)}"


def _is_silent(result: ToolResult) -> bool:
    return result.kind == "empty" or (result.kind == "text" and not result.body.strip())


def _one_line(text: str) -> str:
    return " ".join(shortened(text[: 4 * _LONGEST_HEADLINE], _LONGEST_HEADLINE).split())


def _facts(result: ToolResult) -> list[str]:
    """Return what a model needs of the headers, a line each: hosts show it the text and no `_meta`."""
    if not result.headers:
        return []
    told = {name: result.headers[name] for name in TOLD_HEADERS if name in result.headers}
    if "link" in told:
        following = _NEXT_PAGE.search(told.pop("link"))
        if following is not None:
            told["link"] = f'<{following[1]}>; rel="next"'
    return [f"{TOLD_HEADERS[name]}: {value}" for name, value in told.items()]


def _text(*lines: str) -> TextContent:
    return TextContent(text="\n".join(lines))


def _body(result: ToolResult, tool: Tool) -> list[ContentBlock]:
    match result.kind:
        case "json":
            text = result.raw.decode()
            return [_text(text[:LONGEST_ERROR] if result.is_error else text)]
        case "binary":
            return _binary(result.body, tool)
        case _:
            return [_text(_headline(result) if _is_silent(result) else result.body)]


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


def _structured(result: ToolResult, content: Sequence[ContentBlock], tool: Tool, protocol_version: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the structured content, or `_NOTHING`; for a tool with an output schema it is always what that allows.

    Where it is not the upstream's JSON it is the text of the content: some hosts show structured content alone.
    """
    says_nothing = result.is_error and not result.body  # null, {}: the status is all there is to know
    presentable = result.kind == "json" and not (says_nothing or _is_too_long(result) or _is_too_deep(result))
    promise = promise_of(tool, protocol_version)
    if promise is not None:
        if not presentable:
            return otherwise(_in_words(result, content))
        as_documented = not result.is_error and result.body is not None and promise.kept_by(result.body)
        return result.body if as_documented else otherwise(result.body)
    if not presentable:
        return _NOTHING
    if isinstance(result.body, dict) or protocol_version in MODERN_PROTOCOL_VERSIONS:
        return result.body
    return {"result": result.body}  # before 2026-07-28 structured content had to be an object


def _in_words(result: ToolResult, content: Sequence[ContentBlock]) -> str:
    if result.is_error or result.kind == "binary":
        return "\n".join([_headline(result), *_remarks(result)])
    return "\n".join(each.text for each in content if isinstance(each, TextContent))


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
    except orjson.JSONEncodeError:  # or at an integer beyond 64 bits
        return _is_deeper(probe, _DEEPEST)
    return False


def _is_deeper(value: object, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        containers = (each for each in level if isinstance(each, dict | list))
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
    return any(isinstance(each, dict | list) for each in level)


def _meta(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return {**values, "trace_id": current_trace_id()}
