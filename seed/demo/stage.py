"""What the audience sees: steps, who called what, the two tokens side by side, and what was checked."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table

from seed.bearer.caller import Caller

WIDTH = 108  # characters; where the output is not a terminal there is no width to ask for
INDENT = 5
CLAIMS: tuple[tuple[str, Callable[[Caller], str]], ...] = (
    ("sub", lambda token: token.sub),
    ("azp", lambda token: token.azp or "none"),
    ("aud", lambda token: ", ".join(token.aud) or "none"),
    ("life", lambda token: f"{token.lifetime} s, {token.expires_in} s left"),
)


class StepFailed(Exception):
    """Something that a step says does not hold; the message is what it says and what was seen instead."""


def terminal() -> Console:
    """The console on standard output: plain text without control characters when that is not a terminal."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


class Stage:
    """Shows one demo on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = ""
        self._number = 0

    def title(self, text: str) -> None:
        """Show a headline."""
        self._console.print()
        self._console.rule(f"[bold]{escape(text)}[/]", align="left", style="dim")

    def say(self, text: str) -> None:
        """Show a line as it is."""
        self._console.print(text, markup=False, soft_wrap=True)

    def facts(self, rows: Sequence[Sequence[str]]) -> None:
        """Show rows of words in columns, the first of each row standing out."""
        table = Table.grid(padding=(0, 3))
        for row in rows:
            table.add_row(f"[bold]{escape(row[0])}[/]", *(escape(cell) for cell in row[1:]))
        self._indented(table)

    @contextmanager
    def step(self, text: str) -> Generator[None]:
        """A step of the demo. Whatever fails in it ends as StepFailed that names the step."""
        self._number += 1
        self._step = f"step {self._number} ({text})"
        self._console.print()
        self._console.print(f"[bold cyan]{self._number:>3}  {escape(text)}[/]")
        try:
            yield
        except StepFailed:
            raise
        except Exception as error:
            raise StepFailed(f"{self._step}: {type(error).__name__}: {error}") from error

    def call(self, request: str, answer: str) -> None:
        """Show a call and what came back."""
        table = Table.grid(padding=(0, 1))
        table.add_row("[dim]→[/]", escape(request))
        table.add_row("[dim]←[/]", escape(answer))
        self._indented(table)

    def tokens(self, sent: Caller, received: Caller | None, upstream: str) -> None:
        """Show the token that the agent sent beside the one that the upstream says it received and verified."""
        table = Table.grid(*(Column(overflow="fold") for _ in range(3)), padding=(0, 3))
        theirs = f"token {upstream} received and verified" if received else f"nothing was sent to {upstream}"
        table.add_row("", "[dim]token the agent sent[/]", f"[dim]{escape(theirs)}[/]")
        for name, show in CLAIMS:
            ours, other = show(sent), show(received) if received else ""
            style = "none" if ours == other else "magenta"
            table.add_row(f"[dim]{name}[/]", escape(ours), f"[{style}]{escape(other)}[/]")
        self._indented(table, INDENT + 2)

    def claim(self, statement: str, holds: bool, seen: object = None) -> None:
        """Show a statement that holds. Raises StepFailed when it does not."""
        if not holds:
            self._indented(f"[bold red]✗ {escape(statement)}[/]")
            raise StepFailed(f"{self._step}: “{statement}” does not hold; seen: {seen!r}")
        self._indented(f"[green]✓[/] {escape(statement)}")

    def failed(self, text: str) -> None:
        """Show why the demo ends early."""
        self._console.print(f"\n[bold red]✗ {escape(text)}[/]", soft_wrap=True)

    def _indented(self, what: str | Table, by: int = INDENT) -> None:
        self._console.print(Padding(what, (0, 0, 0, by), expand=False))
