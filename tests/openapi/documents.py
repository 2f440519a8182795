"""Small OpenAPI documents for tests, and what becomes of them."""

from typing import Any

from app.openapi.conversion import convert
from app.operation.operation import Conversion, Operation, ReportItem

Json = dict[str, Any]


def a_document(
    paths: Json | None = None, *, schemas: Json | None = None, version: str = "3.1.0", **fields: Any
) -> Json:
    return {
        "openapi": version,
        "info": {"title": "Shop", "version": "1"},
        "paths": paths if paths is not None else {},
        "components": {"schemas": schemas or {}},
    } | fields


def a_post(schema: Any, media_type: str = "application/json", *, required: bool = True, **media: Any) -> Json:
    content = {media_type: {"schema": schema, **media}}
    return {"post": {"requestBody": {"required": required, "content": content}, "responses": {}}}


def a_get(*parameters: Json) -> Json:
    return {"get": {"parameters": list(parameters), "responses": {}}}


def converted(document: Json, **options: Any) -> Conversion:
    return convert(document, slug="shop", **options)


def only(document: Json) -> tuple[Operation, ReportItem]:
    """The one operation of the document, and its line in the report."""
    conversion = converted(document)
    (operation,), (item,) = conversion.operations, conversion.report
    return operation, item


def body_schema(schema: Any, **fields: Any) -> tuple[Any, Json, ReportItem]:
    """What a caller sees of a schema in a body that is one argument; the `$defs`; the report's line."""
    document = a_document({"/a": a_post({"type": "array", "items": schema})}, **fields)
    operation, item = only(document)
    return operation.input_schema["properties"]["body"].get("items"), operation.input_schema.get("$defs", {}), item
