"""OAuth protected resource metadata (RFC 9728): tells a client that knows only our address where to log in."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import JSONResponse

from app.api.http.problems import MCP_SCOPE

_WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_address(resource: str) -> str:
    """Return where the metadata of a resource is (RFC 9728 section 3.1: between the host and the path)."""
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path}"


def metadata_router(resource: str, issuer: str) -> APIRouter:
    """Return the routes of the metadata, with and without the resource's path: clients ask for either."""
    router = APIRouter(tags=["discovery"])
    metadata: dict[str, Any] = {
        "resource": resource,
        "resource_name": "MCP Tools Provider",
        "authorization_servers": [issuer],
        "scopes_supported": [MCP_SCOPE],
        "bearer_methods_supported": ["header"],
    }

    @router.get(f"{_WELL_KNOWN}/mcp", summary="Protected resource metadata of the MCP door")
    @router.get(_WELL_KNOWN, include_in_schema=False)
    async def protected_resource() -> JSONResponse:
        # Any page may read it (RFC 9728 leaves it public), so that clients in a browser can find the way to log in.
        return JSONResponse(metadata, headers={"Access-Control-Allow-Origin": "*"})

    return router
