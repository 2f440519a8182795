"""What the operations of a document became, as tables: before a registration (`convert`) and after it (`register`)."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.operation.naming import names_over
from app.operation.operation import Examples, ReportItem
from app.operation.text import cleaned

_WORST = 10  # tools that are shown as the largest
_MANY = 2 * _WORST  # tools; of fewer, whoever looks for the largest finds them in the table itself
_NARROWEST = 160  # columns, where no terminal says how many it has
_COLOURS = {"ready": "green", "degraded": "yellow", "skipped": "red"}


def totals(slug: str, report: Sequence[ReportItem], tools: int) -> dict[str, Any]:
    """Return the sums of a report; how many tools there are is not in it, because some are hidden."""
    counts = Counter(item.status for item in report)
    return {
        "operations": sum(item.path != "" for item in report),
        "tools": tools,
        "ready": counts["ready"],
        "degraded": counts["degraded"],
        "skipped": counts["skipped"],
        "bytes": sum(item.bytes for item in report),
        "estimated_tokens": sum(item.estimated_tokens for item in report),
        "names_over": names_over(slug, (item.name for item in report)),
    }


def show(
    title: str,
    slug: str,
    report: Sequence[ReportItem],
    tools: int,
    called: Callable[[str, str], str],
    examples: Examples | None = None,
) -> None:
    """Print each operation with its tool, what was lost and why, refused examples, the largest tools and the sums.

    `called` turns slug and operation's name into what its tool is called where the reader continues.
    """
    table = partial(_table, called=partial(called, slug))
    console = Console() if sys.stdout.isatty() else Console(width=_NARROWEST)
    console.print(table(report))
    losses = [item for item in report if item.reason is not None]
    if losses:
        console.print("\nWhat was lost, and why", style="bold")
        console.print(_reasons((item, f"{item.status}: {_placed(item)}") for item in losses))
    refused = [(item, item.refused_examples) for item in report if item.refused_examples is not None]
    if refused:
        console.print("\nExamples of the document that its tools refuse, and why", style="bold")
        console.print(_reasons(refused))
    sums = totals(slug, report, tools)
    if sums["ready"] + sums["degraded"] >= _MANY:
        console.print("\nThe largest", style="bold")
        console.print(table(sorted(report, key=lambda item: -item.bytes)[:_WORST]))
    console.print(
        f"\n{cleaned(title)}: {_counted(sums['operations'], 'operation')}, "
        f"{_counted(sums['tools'], 'tool')} ({sums['ready']:,} ready, {sums['degraded']:,} degraded), "
        f"{sums['skipped']:,} skipped; {sums['bytes']:,} bytes, about {sums['estimated_tokens']:,} tokens; "
        f"{_overlong(sums['names_over'])}",
        markup=False,
        highlight=False,
    )
    if examples is not None and examples.tried:
        console.print(f"examples: {examples.taken:,} of {examples.tried:,}", highlight=False)


def _placed(item: ReportItem) -> str:
    """Return its reason with a place: its own, unless the reason names one below."""
    reason = item.reason or ""
    return reason if f"(at {item.pointer}" in reason else f"{reason} (at {item.pointer})"


def _overlong(names: dict[str, int]) -> str:
    return f"names over {'/'.join(names)} characters: {'/'.join(f'{each:,}' for each in names.values())}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _table(items: Sequence[ReportItem], called: Callable[[str], str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("operation", overflow="fold", ratio=2)
    table.add_column("tool", overflow="fold", ratio=2)
    table.add_column("status")
    table.add_column("bytes", justify="right")
    table.add_column("tokens", justify="right")
    for item in items:
        tool = called(item.name) if item.name is not None else ""
        status = Text(item.status, style=_COLOURS[item.status])
        sizes = (f"{item.bytes:,}", f"{item.estimated_tokens:,}") if item.name is not None else ("", "")
        table.add_row(_operation(item), Text(tool), status, *sizes)
    return table


def _reasons(said: Iterable[tuple[ReportItem, str]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold", ratio=2)
    for item, text in said:
        table.add_row(_operation(item), Text(cleaned(text)))
    return table


def _operation(item: ReportItem) -> Text:
    return Text(cleaned(f"{item.method} {item.path}"))
