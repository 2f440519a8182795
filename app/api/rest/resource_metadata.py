"""OAuth protected resource metadata (RFC 9728): tells a client that knows only our address where to log in."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.http.dependencies import PUBLIC

_WELL_KNOWN = "/.well-known/oauth-protected-resource"


class ResourceMetadata(BaseModel):
    """The MCP door as an OAuth protected resource (RFC 9728 section 2)."""

    resource: str = Field(description="The identifier of the resource, which is its address.")
    resource_name: str = Field(default="MCP Tools Provider", description="The name to show to people.")
    authorization_servers: list[str] = Field(description="Who issues its access tokens.")
    scopes_supported: list[str] = Field(description="The scopes to ask for.")
    bearer_methods_supported: list[str] = Field(default=["header"], description="Where the token may be sent.")


def metadata_address(resource: str) -> str:
    """Return where the metadata of a resource is (RFC 9728 section 3.1: between the host and the path)."""
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path}"


def metadata_router(resource: str, issuer: str, scopes: Sequence[str]) -> APIRouter:
    """Return the routes of the metadata: with the resource's path, and wherever else clients look and proxies lead."""
    router = APIRouter(tags=["discovery"])
    metadata = ResourceMetadata(resource=resource, authorization_servers=[issuer], scopes_supported=list(scopes))

    async def get_resource_metadata() -> ResourceMetadata:
        """Tell a client that knows only this server's address where to sign in (RFC 9728)."""
        return metadata

    router.get(
        f"{_WELL_KNOWN}/mcp",
        summary="Get the protected resource metadata of the MCP door",
        openapi_extra=PUBLIC,
        response_description="The metadata.",
    )(get_resource_metadata)
    path = urlsplit(resource).path
    for other in dict.fromkeys(("", "/", "/mcp/", path, f"{path}/", path.removesuffix("/mcp"))):
        router.get(f"{_WELL_KNOWN}{other}", include_in_schema=False)(get_resource_metadata)

    return router
