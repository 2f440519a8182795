"""`tools-provider convert`: what the operations of a document become, offline."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console

from app.cli.report import show, totals
from app.curation.curation import Listing, curate
from app.documents.local import read_local
from app.errors import Invalid, ToolsProviderError
from app.operation.naming import LONGEST_GIVEN, LONGEST_NAMES, slugs_for
from app.operation.operation import Conversion
from app.operation.portable import Profile, in_profile
from app.operation.text import cleaned, is_slug, mcp_name
from app.tools.tool_json import tool_json

_REFUSED = 1  # exit status: the document cannot be used
_UNUSABLE = 2  # … and: the file cannot be read
_DEFAULT_SLUG = "document"


def convert(
    document: Annotated[Path, typer.Argument(help="An OpenAPI document, JSON or YAML.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print tools and report as JSON.")] = False,
    slug: Annotated[str, typer.Option(help="The slug that names begin with; default: made from the title.")] = "",
    name_length: Annotated[
        int,
        typer.Option(help="The longest name that is given.", envvar="TOOL_NAME_LENGTH", min=24, max=LONGEST_NAMES[-1]),
    ] = LONGEST_GIVEN,
    root: Annotated[
        Path | None,
        typer.Option(
            help="The folder that contains its other files; default: its checkout, or the folder above.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    schema_profile: Annotated[Profile, typer.Option(help="The form of schemas in lists.")] = "portable",
) -> None:
    """Show what the operations of a document become, without a server: tools, and what is lost and why.

    Ends with 0 when the document can be registered, 1 when it cannot, 2 when the file cannot be read.
    """
    if slug and not is_slug(slug):
        raise typer.BadParameter("a slug has 1 to 32 of a-z, 0-9 and -", param_hint="--slug")
    errors = Console(stderr=True)
    try:
        with _shown(errors, "Reading"):
            source = read_local(document, root=root)
        with _shown(errors, "Converting"):
            slug = slug or next(slugs_for(source.title), _DEFAULT_SLUG)
            listing = partial(in_profile, profile=schema_profile, most_bytes=source.tool_bytes)
            conversion = _listed(source.converted(slug, name_length), listing)
    except OSError as error:
        sys.stderr.write(f"{document}: {error.strerror}\n")
        raise typer.Exit(_UNUSABLE) from None
    except ToolsProviderError as error:
        _refuse(error, as_json=as_json)
    if as_json:
        _write_json(_as_json(conversion, slug))
    else:
        title = conversion.title or "The document"
        show(title, slug, conversion.report, len(conversion.operations), mcp_name, conversion.examples)


def _listed(conversion: Conversion, listing: Listing) -> Conversion:
    """Return what a registration shows of it, where nothing is selected or overridden."""
    curated = curate(conversion.operations, listing=listing)
    return replace(conversion, operations=curated.operations, report=curated.report(conversion.report))


@contextmanager
def _shown(console: Console, doing: str) -> Iterator[None]:
    """Show on a terminal what is being done."""
    with console.status(f"{doing} …"):
        yield


def _refuse(error: ToolsProviderError, *, as_json: bool) -> NoReturn:
    violations = error.violations if isinstance(error, Invalid) else ()
    if as_json:
        failure = {"code": error.code, "detail": error.detail, "violations": violations}
        _write_json({"failure": failure})
    else:
        where = ", ".join(violation.pointer for violation in violations if violation.pointer)
        sys.stderr.write(f"{cleaned(error.detail)}{f' At {cleaned(where)}.' if where else ''}\n")
    raise typer.Exit(_REFUSED)


def _as_json(conversion: Conversion, slug: str) -> dict[str, Any]:
    return {
        "title": conversion.title,
        "version": conversion.version,
        "slug": slug,
        "servers": conversion.servers,
        "totals": totals(slug, conversion.report, len(conversion.operations)),
        "examples": conversion.examples,
        "tools": [tool_json(operation, slug) for operation in conversion.operations],
        "report": conversion.report,
    }


def _write_json(value: object) -> None:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    sys.stdout.buffer.write(f"{cleaned(text) if sys.stdout.isatty() else text}\n".encode())
