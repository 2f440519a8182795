"""Our own OpenAPI document: what it says beside the routes."""

from functools import cached_property
from operator import attrgetter
from typing import Any

import orjson
from fastapi import FastAPI
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from app.api.rest.failures import Problem

_VALUES = frozenset({"const", "default", "enum", "example", "examples"})
_REFERENCE = "#/components/schemas/{model}"
_TAGS = {
    "tools": "The tools that the caller may see, and their execution. Any accepted token may ask.",
    "sources": "The APIs whose operations are tools: admins register, change, refresh and remove them.",
    "audit": "Who did what, for admins.",
    "operation": "For whoever runs the server: is it alive, can it serve, and its metrics.",
    "discovery": "For clients that know only the address.",
}
_DESCRIPTION = """\
Agents use the MCP door at `/mcp`; this is the REST door beside it, for admins and programs. Both take an access token
of the identity provider. Every failure is a problem (RFC 9457) with a stable `code`. Lists come in pages: give
`next_cursor` back as `cursor` for more."""


class DescribedApi(FastAPI):
    """The application. The names of route functions are the operation ids of its document."""

    def __init__(self, public_url: str, version: str, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(
            title="MCP Tools Provider",
            summary="HTTP APIs as MCP tools, called with the user's own delegated identity.",
            description=_DESCRIPTION,
            version=version,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            servers=[{"url": public_url, "description": "This server."}],
            openapi_tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
            generate_unique_id_function=attrgetter("name"),
            **options,
        )

    def setup(self) -> None:
        """See FastAPI, which would write the document anew for everybody who asks, token or not."""
        self.add_route("/openapi.json", self._answer_document, include_in_schema=False)

    async def _answer_document(self, _: Request) -> Response:
        return Response(self._written, media_type="application/json")

    @cached_property
    def _written(self) -> bytes:
        return orjson.dumps(self.openapi())

    def openapi(self) -> dict[str, Any]:
        """Return the document; it is made once."""
        made_before = self.openapi_schema
        document = super().openapi()
        if document is not made_before:
            _complete(document)
        return document


def _complete(document: dict[str, Any]) -> None:
    _, problem = models_json_schema([(Problem, "serialization")], ref_template=_REFERENCE)
    document["components"]["schemas"] |= problem["$defs"]
    _drop_titles(document["paths"])
    _drop_titles(document["components"]["schemas"])
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _of_parameter(parameter["schema"])


def _of_parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without null, which no parameter can be, and without the parameter's own description."""
    kept: dict[str, Any] = {name: value for name, value in schema.items() if name not in {"anyOf", "description"}}
    values = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(values) > 1:
        kept["anyOf"] = values
    elif values:
        kept |= values[0]
    return kept


def _drop_titles(node: Any) -> None:  # noqa: ANN401 - any JSON value
    """Drop the titles that pydantic makes of names: they only repeat them. A property called `title` is not text."""
    if isinstance(node, list):
        for each in node:
            _drop_titles(each)
    elif isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for name, each in node.items():
            if name not in _VALUES:
                _drop_titles(each)
