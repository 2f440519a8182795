"""What admins see of a source: its tools, what became of its document, what has changed."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.curation.curation import ListedTool
from app.differences.operations import Changes
from app.differences.schemas import Impact
from app.operation.operation import Operation, ReportItem
from app.operation.text import mcp_name, tool_id
from app.sources.forms import SourceRead


class SourceTool(BaseModel):
    """A tool that a source offers."""

    tool_id: str = Field(description="What REST calls the tool: `slug/operation`.")
    name: str = Field(description="What MCP calls it: `slug__operation`.")
    method: str = Field(description="The HTTP method that it calls.")
    path: str = Field(description="The path template that it calls.")


class ToolDifference(BaseModel):
    """One thing that is not as before."""

    impact: Impact = Field(
        serialization_alias="class",
        description="What the change means for callers: `breaking`, `widening` or `safe`.",
    )
    kind: str = Field(description="What has changed.")
    pointer: str | None = Field(
        description="Where, as a JSON Pointer into the input schema of the tool; null where it is not about that.",
    )
    before: Any = Field(description="What was there; null if nothing was, or if it is too large to show.")
    after: Any = Field(description="What is there now; null as before.")


class ToolChange(BaseModel):
    """A tool that is not as before."""

    tool_id: str = Field(description="What REST calls the tool: `slug/operation`.")
    method: str = Field(description="The HTTP method that it calls.")
    path: str = Field(description="The path template that it calls.")
    impact: Impact = Field(serialization_alias="class", description="The worst class among its changes.")
    changes: list[ToolDifference] = Field(description="What has changed of it; at most 10 are shown.")
    left_out: int = Field(description="How many more changes it has.")


class RegisteredAnswer(SourceRead):
    """A source, what became of each operation of its document, and the tools."""

    report: list[ReportItem] = Field(description="What became of each operation of the document.")
    tools: list[SourceTool] = Field(description="The tools that it offers now.")


class RefreshedAnswer(SourceRead):
    """A source after a refresh, with the ids of the tools that it added, removed or changed, and how."""

    added: list[str] = Field(description="The ids of tools that are new.")
    removed: list[str] = Field(description="The ids of tools that are gone.")
    changed: list[str] = Field(description="The ids of tools that are not as before.")
    classes: dict[Impact, int] = Field(description="How many operations have changed, by their worst class.")
    changes: list[ToolChange] = Field(
        description="What has changed, the worst first; at most 300 operations are shown.",
    )
    changes_left_out: int = Field(description="How many more operations have changed.")


class SourcesAnswer(BaseModel):
    """One page of sources."""

    items: list[SourceRead] = Field(description="The sources, by slug.")
    next_cursor: str | None = Field(description="What to give as `cursor` for more; null after the last.")


class LastChanges(BaseModel):
    """What the last reading of the document that changed anything has changed, and when."""

    at: datetime = Field(description="When it was read.")
    classes: dict[Impact, int] = Field(description="How many operations have changed, by their worst class.")
    items: list[ToolChange] = Field(description="What has changed, the worst first; at most 300 operations are shown.")
    left_out: int = Field(description="How many more operations have changed.")


class ReportAnswer(BaseModel):
    """What became of each operation of a document, and what has changed."""

    items: list[ReportItem] = Field(description="What became of each operation.")
    names_over: dict[str, int] = Field(
        description="How many MCP names have more than 46, 60 and 64 characters, which not all hosts take.",
        examples=[{"46": 2, "60": 0, "64": 0}],
    )
    changes: LastChanges | None = Field(
        description="What the last reading that changed anything changed; null if nothing has since the registration.",
    )
    next_cursor: None = Field(default=None, description="Always null: there is only one page.")


class CuratedToolAnswer(BaseModel):
    """An operation and what an admin made of it."""

    operation: str | None = Field(
        description="Its name in the document, which these routes use; null for an override whose operation is not "
        "there now.",
    )
    tool_id: str | None = Field(description="What REST calls the tool; null where it is not a tool.")
    name: str | None = Field(description="What MCP calls the tool; null where it is not a tool.")
    method: str = Field(description="The HTTP method of the operation.")
    path: str = Field(description="The path template of the operation.")
    status: Literal["ready", "degraded", "skipped"] = Field(
        description="`ready`: a tool; `degraded`: a tool with something lost; `skipped`: not a tool.",
    )
    reason: str | None = Field(description="Why it is not `ready`.")
    override: dict[str, Any] | None = Field(description="What an admin stated about it; null if nothing.")


class CuratedToolsAnswer(BaseModel):
    """Every operation that could be a tool, and every override whose operation the document does not have now."""

    items: list[CuratedToolAnswer] = Field(description="The operations, in the order of the document.")
    next_cursor: None = Field(default=None, description="Always null: there is only one page.")


def shown_changes(slug: str, changes: Changes) -> list[ToolChange]:
    """Return the changes as the door shows them."""
    return [
        ToolChange(
            tool_id=tool_id(slug, each.name),
            method=each.method,
            path=each.path,
            impact=each.impact,
            changes=[ToolDifference(**asdict(difference)) for difference in each.differences],
            left_out=each.left_out,
        )
        for each in changes.operations
    ]


def curated_tool(source: SourceRead, tool: ListedTool) -> CuratedToolAnswer:
    """Return an operation with what an admin made of it."""
    method, path = tool.key
    return CuratedToolAnswer(
        operation=tool.operation,
        tool_id=None if tool.name is None else tool_id(source.slug, tool.name),
        name=None if tool.name is None else mcp_name(source.slug, tool.name),
        method=method,
        path=path,
        status=tool.status,
        reason=tool.reason,
        override=None if tool.override is None else tool.override.stated(),
    )


def offered_tool(source: SourceRead, operation: Operation) -> SourceTool:
    """Return an operation as a tool of its source."""
    return SourceTool(
        tool_id=tool_id(source.slug, operation.name),
        name=mcp_name(source.slug, operation.name),
        method=operation.method,
        path=operation.path,
    )
