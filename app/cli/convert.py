"""`tools-provider convert`: what the operations of a document become, offline."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.documents.local import read_local
from app.errors import Invalid, ToolsProviderError
from app.operation.operation import Conversion, ReportItem
from app.operation.text import cleaned
from app.sources.slugs import is_slug, slugged
from app.tools.tool_json import tool_json

_REFUSED = 1  # exit status: the document cannot be used
_UNUSABLE = 2  # … and: the file cannot be read
_WORST = 10  # tools that are told as the largest
_NARROWEST = 160  # columns, where no terminal says how many it has
_DEFAULT_SLUG = "document"
_MOST_BYTES = 200_000_000  # of all files together; what a server takes is its setting
_COLOURS = {"ready": "green", "degraded": "yellow", "skipped": "red"}


def convert(
    document: Annotated[Path, typer.Argument(help="An OpenAPI document, JSON or YAML.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print tools and report as JSON.")] = False,
    slug: Annotated[str, typer.Option(help="The slug that names begin with; default: made of the title.")] = "",
    root: Annotated[
        Path | None,
        typer.Option(help="The folder that its other files lie in; default: its checkout, or the one above."),
    ] = None,
) -> None:
    """Show what the operations of a document become, without a server: tools, and what is lost and why.

    Ends with 0 when the document can be registered, 1 when it cannot, 2 when the file cannot be read.
    """
    if slug and not is_slug(slug):
        raise typer.BadParameter("a slug has 1 to 32 of a-z, 0-9 and -", param_hint="--slug")
    errors = Console(stderr=True)
    try:
        with _told(errors, "Reading"):
            source = read_local(document, root=root, max_bytes=_MOST_BYTES)
        with _told(errors, "Converting"):
            slug = slug or slugged(source.title) or _DEFAULT_SLUG
            conversion = source.converted(slug)
    except OSError as error:
        sys.stderr.write(f"{document}: {error.strerror}\n")
        raise typer.Exit(_UNUSABLE) from None
    except ToolsProviderError as error:
        _refuse(error, as_json=as_json)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(_as_json(conversion, slug), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        _show(conversion, slug)


@contextmanager
def _told(console: Console, doing: str) -> Iterator[None]:
    """Show on a terminal what takes its time."""
    with console.status(f"{doing} …"):
        yield


def _refuse(error: ToolsProviderError, *, as_json: bool) -> NoReturn:
    violations = error.violations if isinstance(error, Invalid) else ()
    if as_json:
        failure = {"code": error.code, "detail": error.detail, "violations": violations}
        sys.stdout.buffer.write(orjson.dumps({"failure": failure}, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        where = ", ".join(violation.pointer for violation in violations if violation.pointer)
        sys.stderr.write(f"{cleaned(error.detail)}{f' At {cleaned(where)}.' if where else ''}\n")
    raise typer.Exit(_REFUSED)


def _totals(conversion: Conversion) -> dict[str, int]:
    counts = Counter(item.status for item in conversion.report)
    return {
        "operations": sum(item.path != "" for item in conversion.report),
        "tools": sum(not operation.hidden for operation in conversion.operations),
        "ready": counts["ready"],
        "degraded": counts["degraded"],
        "skipped": counts["skipped"],
        "bytes": sum(item.bytes for item in conversion.report),
        "estimated_tokens": sum(item.estimated_tokens for item in conversion.report),
    }


def _as_json(conversion: Conversion, slug: str) -> dict[str, Any]:
    return {
        "title": conversion.title,
        "version": conversion.version,
        "slug": slug,
        "servers": conversion.servers,
        "totals": _totals(conversion),
        "tools": [tool_json(operation, slug) for operation in conversion.operations if not operation.hidden],
        "report": conversion.report,
    }


def _show(conversion: Conversion, slug: str) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_NARROWEST)
    console.print(_table(conversion.report, slug))
    losses = [item for item in conversion.report if item.reason is not None]
    if losses:
        console.print("\nWhat was lost, and why", style="bold")
        console.print(_reasons(losses))
    worst = sorted(conversion.report, key=lambda item: -item.bytes)[:_WORST]
    if len(conversion.operations) > _WORST:
        console.print("\nThe largest", style="bold")
        console.print(_table(worst, slug))
    totals = _totals(conversion)
    console.print(
        f"\n{cleaned(conversion.title or 'The document')}: {totals['operations']:,} operations, "
        f"{totals['tools']:,} tools ({totals['ready']:,} ready, {totals['degraded']:,} degraded), "
        f"{totals['skipped']:,} skipped; {totals['bytes']:,} bytes, about {totals['estimated_tokens']:,} tokens",
        markup=False,
        highlight=False,
    )


def _table(items: tuple[ReportItem, ...] | list[ReportItem], slug: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("operation", overflow="fold", ratio=2)
    table.add_column("tool", overflow="fold", ratio=2)
    table.add_column("status")
    table.add_column("bytes", justify="right")
    table.add_column("tokens", justify="right")
    for item in items:
        tool = f"{slug}__{item.name}" if item.name is not None else ""
        status = Text(item.status, style=_COLOURS[item.status])
        sizes = (f"{item.bytes:,}", f"{item.estimated_tokens:,}") if item.name is not None else ("", "")
        table.add_row(_operation(item), Text(tool), status, *sizes)
    return table


def _reasons(items: list[ReportItem]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold", ratio=2)
    for item in items:
        table.add_row(
            _operation(item), Text(f"{item.status}: {cleaned(item.reason or '')} (at {cleaned(item.pointer)})")
        )
    return table


def _operation(item: ReportItem) -> Text:
    return Text(cleaned(f"{item.method} {item.path}"))
