"""Documents that come as files: registered together with their source, replaced, and given back."""

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.api.http.bodies import FormRoute, read_body, read_json
from app.api.http.dependencies import KNOWN_PARAMETERS, Admin, Sources, composition_of
from app.api.http.entry import ADMIN_BYTES
from app.api.http.multipart import read_parts
from app.api.rest.failures import ADMIN, AUDIENCES, CALLER, CHANGED, DOCUMENT, PARAMETERS, SOURCE, Responses, failures
from app.api.rest.source_answers import RegisteredAnswer
from app.api.rest.sources import TAGGED, IfMatch, SourceKey, etag, registered, versions
from app.errors import TooLarge, UnsupportedMediaType
from app.operation.media_types import essence, kind_of
from app.sources.forms import SourceCreate, SourceRead, SourceUpdate

_PARTS = ("source", "document")
_ALSO = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})  # the last one is curl's own
_KINDS: dict[str, Any] = {
    "application/json": {"schema": {"type": "object"}},
    "application/yaml": {"schema": {"type": "string"}},
}
_GIVEN_BACK: Responses = {200: {**TAGGED[200], "content": _KINDS}}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


router = APIRouter(prefix="/api/v1/sources", tags=["sources"], dependencies=[KNOWN_PARAMETERS])


async def register_with_document(
    request: Request, admin: Admin, sources: Sources, response: Response
) -> RegisteredAnswer:
    """Register a source whose document comes in a part of its own."""
    most = composition_of(request.scope).document_bytes
    try:
        parts = await read_parts(request.scope, request.receive, _PARTS, most + ADMIN_BYTES)
    except TooLarge:
        raise _too_large(most) from None
    if len(parts.get("source", b"")) > ADMIN_BYTES:
        raise TooLarge("body_too_large", f"The part `source` has more than {ADMIN_BYTES} bytes; send less.")
    if len(parts.get("document", b"")) > most:
        raise _too_large(most)
    return await registered(await sources.register(_source_of(parts), admin), response)


registration_by_form = FormRoute(
    "/api/v1/sources", register_with_document, methods=["POST"], status_code=201, include_in_schema=False
)


async def _document(request: Request, _: Admin) -> bytes:
    content_type = request.headers.get("content-type", "")
    if essence(content_type) not in _ALSO and kind_of(content_type) not in {"json", "text"}:
        raise UnsupportedMediaType(
            "unsupported_media_type",
            "Send the OpenAPI document itself, with Content-Type: application/json or application/yaml.",
        )
    most = composition_of(request.scope).document_bytes
    try:
        return await read_body(request.scope, request.receive, most)
    except TooLarge:
        raise _too_large(most) from None


@router.put(
    "/{source}/document",
    summary="Upload the document of a source",
    response_description="The source, as it is now.",
    responses=TAGGED
    | failures(
        CALLER,
        ADMIN,
        SOURCE,
        PARAMETERS,
        CHANGED,
        DOCUMENT,
        AUDIENCES,
        {415: ("unsupported_media_type",), 422: ("invalid_overrides",)},
    ),
    openapi_extra={"requestBody": {"description": "The document.", "required": True, "content": _KINDS | _BINARY}},
)
async def upload_source_document(
    source: SourceKey,
    document: Annotated[bytes, Depends(_document)],
    admin: Admin,
    sources: Sources,
    response: Response,
    if_match: IfMatch = None,
) -> SourceRead:
    """Give the source this document, which is the body; effective on the next call."""
    updated = await sources.update(source, SourceUpdate(document=document), admin, versions(if_match))
    response.headers["ETag"] = etag(updated)
    return updated


@router.get(
    "/{source}/document",
    summary="Show the uploaded document of a source",
    response_class=Response,
    response_description="The document, as it was sent.",
    responses=_GIVEN_BACK | failures(CALLER, ADMIN, SOURCE, PARAMETERS, {404: ("document_not_kept",)}),
)
async def get_source_document(source: SourceKey, _: Admin, sources: Sources) -> Response:
    """Give back the document that was uploaded, as it was sent."""
    found, content = await sources.queries.document(source)
    media_type = "application/json" if await asyncio.to_thread(_is_json, content) else "application/yaml"
    return Response(content, headers={"ETag": etag(found)}, media_type=media_type)


def _source_of(parts: dict[str, bytes]) -> SourceCreate:
    try:
        if "source" not in parts:
            raise RequestValidationError([{"type": "missing", "loc": ("body", "source"), "msg": "", "input": None}])
        stated = read_json(parts["source"])
        if isinstance(stated, dict) and "document" in parts:
            stated["document"] = parts["document"]
        return SourceCreate.model_validate(stated)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None


def _is_json(content: bytes) -> bool:
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def _too_large(most: int) -> TooLarge:
    return TooLarge("document_too_large", f"The document has more than {most} bytes (SOURCE_MAX_BYTES).")
