"""`tools-provider register`: a document at an address or in a file becomes a source with tools."""

import json
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel

from app.cli.asking import content_of, host_of
from app.cli.client import (
    DEFAULT_SERVER,
    PasswordFileOption,
    ServerOption,
    TokenFileOption,
    UserOption,
    connect,
)
from app.cli.report import show
from app.documents.local import read_local
from app.errors import ToolsProviderError
from app.operation.operation import ReportItem
from app.operation.portable import Profile
from app.operation.text import cleaned, tool_id

_SOURCES = "/api/v1/sources"
_CARRIED = {  # by calls, for each type of `upstream_auth`
    "token_exchange": "a token for {}",
    "passthrough": "the agent's own token",
    "none": "no token",
}
_OPTIONS = {"slug": "--slug", "default_audience": "--audience", "base_url": "--base-url"}  # of fields


class _Auth(BaseModel):
    type: str


class _Warning(BaseModel):
    code: str
    detail: str


class _Registered(BaseModel):
    slug: str
    name: str
    base_url: str
    default_audience: str | None
    upstream_auth: _Auth
    warnings: list[_Warning]
    tools: list[object]
    report: list[ReportItem]


def register(  # noqa: PLR0913 - the options of a command
    document: Annotated[
        str, typer.Argument(metavar="URL|FILE", help="An OpenAPI document, JSON or YAML.", show_default=False)
    ],
    *,
    name: Annotated[str, typer.Option(help="What people call it; default: the document's title, or its host.")] = "",
    slug: Annotated[str, typer.Option(help="What its tool ids begin with; default: the audience, else the name.")] = "",
    audience: Annotated[str, typer.Option(help="The API's client id at the identity provider.")] = "",
    base_url: Annotated[str, typer.Option(help="Where calls go; default: the document's server.")] = "",
    schema_profile: Annotated[Profile, typer.Option(help="The form of schemas in lists.")] = "portable",
    server: ServerOption = DEFAULT_SERVER,
    token_file: TokenFileOption = None,
    user: UserOption = "",
    password_file: PasswordFileOption = None,
) -> None:
    """Register an OpenAPI document with a running server, as an admin: its operations become tools at once.

    Shows each operation with its tool, what was lost and why.

    Ends with 0 when it is registered, 1 when somebody refuses, 2 when nobody could be asked.
    """
    is_url = document.lower().startswith(("http://", "https://"))
    if is_url and not host_of(document):
        raise typer.BadParameter("write an address such as https://host/openapi.json", param_hint="URL|FILE")
    content = b"" if is_url else content_of(Path(document))
    source = {
        "name": name or (urlsplit(document).netloc if is_url else _title(Path(document))),
        **({"url": document} if is_url else {}),
        **({"slug": slug} if slug else {}),
        **({"default_audience": audience} if audience else {}),
        **({"base_url": base_url} if base_url else {}),
        "schema_profile": schema_profile,
    }
    not_given = {field: option for field, option in _OPTIONS.items() if field not in source}
    client = connect(server, token_file, user, password_file, not_given)
    if is_url:
        registered = client.post(_SOURCES, _Registered, json=source)
    else:  # a form: its part `source` as JSON, its part `document` the file as it is
        parts = {"source": (None, json.dumps(source), "application/json"), "document": ("document", content)}
        registered = client.post(_SOURCES, _Registered, files=parts)
    _tell(registered)


def _title(file: Path) -> str:
    """Return the title that the document states, else the file's name: whether it is a document, the server judges."""
    try:
        title = read_local(file).title
    except (OSError, ToolsProviderError):
        return file.stem
    return cleaned(title).strip()[:200] or file.stem


def _tell(registered: _Registered) -> None:
    slug, auth = registered.slug, registered.upstream_auth.type
    show(registered.name, slug, registered.report, len(registered.tools), tool_id)
    carried = _CARRIED.get(auth, f"what {auth} provides").format(registered.default_audience)
    sys.stdout.write(cleaned(f"Registered as {slug}: {registered.base_url}, calls carry {carried}\n"))
    for warning in registered.warnings:
        sys.stderr.write(cleaned(f"Warning: {warning.code}: {warning.detail}\n"))
