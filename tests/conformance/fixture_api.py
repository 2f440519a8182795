"""An API whose operations answer as the suite's scenarios want the tools of their names to answer."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

IMAGE, SOUND, BOOK = b"\x89PNG\r\n\x1a\n", b"RIFF\x04\x00\x00\x00WAVE", b"%PDF-1.7"  # as they begin

ANSWERS = {
    "test_simple_text": PlainTextResponse("This is a simple text response for testing."),
    "test_image_content": Response(IMAGE, media_type="image/png"),
    "test_audio_content": Response(SOUND, media_type="audio/wav"),
    "test_embedded_resource": Response(BOOK, media_type="application/pdf"),
    "test_error_handling": PlainTextResponse("This tool intentionally returns an error for testing", 500),
    "json_schema_2020_12_tool": JSONResponse({}),
}


def _operation(name: str) -> dict[str, Any]:
    return {"operationId": name, "summary": f"Scenario {name}.", "responses": {"200": {"description": "As named."}}}


def create_fixture_api() -> Starlette:
    """Return the API; its document is at `/openapi.json`."""
    paths = {f"/{name}": {"post": _operation(name)} for name in ANSWERS}

    async def document(_: Request) -> Response:
        return JSONResponse({"openapi": "3.1.0", "info": {"title": "Fixtures", "version": "1"}, "paths": paths})

    async def answer(request: Request) -> Response:
        return ANSWERS[request.path_params["name"]]

    return Starlette(
        routes=[Route("/openapi.json", document), Route("/{name}", answer, methods=["POST"])],
    )
