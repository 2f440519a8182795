"""A tool as MCP lists it, for programs that look at a conversion without a server."""

from typing import Any

from app.operation.operation import Operation
from app.operation.text import mcp_name
from app.tools.output import OutputRules


def tool_json(operation: Operation, slug: str) -> dict[str, Any]:
    """Return the tool with `_meta` that binds it to the document.

    `x-openapi-operation` is `{method, path}`; `x-openapi-arguments` gives `{in, name}` for each argument, where the
    name of a body's argument is that of the body's member, or `body` for one that holds the body whole.
    """
    hints, shape = operation.hints, operation.output_schema
    return {
        "name": mcp_name(slug, operation.name),
        **({"title": operation.title} if operation.title else {}),
        "description": operation.description,
        "inputSchema": operation.listed_schema,
        **({"outputSchema": OutputRules(shape).published} if shape is not None else {}),
        "annotations": {
            "readOnlyHint": hints.read_only,
            "destructiveHint": hints.destructive,
            "idempotentHint": hints.idempotent,
            "openWorldHint": True,
        },
        "_meta": {
            "x-openapi-operation": {"method": operation.method.lower(), "path": operation.path},
            "x-openapi-arguments": {
                argument: {"in": location, "name": name} for argument, (location, name) in operation.slots.items()
            },
        },
    }
