"""The front page and the API reference, and the files that they load."""

from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from app.api.http.dependencies import composition_of
from app.api.http.readiness import ReadinessState

_PAGES = files("app.api.web")
_OURS_ONLY = "default-src 'none'; {}frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_FRONT_POLICY = _OURS_ONLY.format("style-src 'self'; img-src 'self'; ")
# Swagger UI asks this server, when a reader tries a call out, and has icons in its stylesheet.
_REFERENCE_POLICY = _OURS_ONLY.format(
    "script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
)
_STATES = {
    "ready": "ready: calls can be served",
    "not_ready": "not ready: calls cannot be served now",
    "stopping": "stopping",
}


@dataclass(frozen=True, slots=True)
class Doors:
    """The addresses that the front page names."""

    public_url: str
    mcp: str
    metadata: str


def pages_router(doors: Doors) -> APIRouter:
    """Return the routes of the pages; none of them needs a token."""
    router = APIRouter(include_in_schema=False)
    html, text = (Template((_PAGES / name).read_text("utf-8")) for name in ("front.html", "front.txt"))
    reference = (_PAGES / "reference.html").read_text("utf-8")

    @router.get("/")
    async def front(request: Request) -> Response:
        state = await composition_of(request.scope).readiness.check()
        words = _words(doors, state)
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(text.substitute(words), headers={"Vary": "Accept"})
        page = html.substitute({name: escape(word) for name, word in words.items()})
        return HTMLResponse(page, headers={"Vary": "Accept", "Content-Security-Policy": _FRONT_POLICY})

    @router.get("/docs")
    async def api_reference() -> Response:
        return HTMLResponse(reference, headers={"Content-Security-Policy": _REFERENCE_POLICY})

    return router


def static_files() -> StaticFiles:
    """Return what serves the files that the pages load: ours, and Swagger UI as fastapi-offline ships it."""
    return StaticFiles(packages=[("app.api.web", "static"), ("fastapi_offline", "static")])


def _words(doors: Doors, state: ReadinessState) -> dict[str, str]:
    return {
        "public_url": doors.public_url,
        "path": urlsplit(doors.public_url).path,
        "mcp": doors.mcp,
        "metadata": doors.metadata,
        "status": state.status,
        "state": _STATES[state.status],
        "database": state.database,
        "identity_provider": state.identity_provider.replace("_", " "),
    }
