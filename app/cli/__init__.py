"""The command line: `tools-provider`. Each command is a module of its own."""

import errno
import importlib
import importlib.util
import io
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from app.cli.call import call
from app.cli.convert import convert
from app.cli.register import register

_UNWRITTEN = 1  # exit status when the output cannot be written
_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE}


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tools-provider {version('mcp-tools-provider')}")
        raise typer.Exit


cli = typer.Typer(
    name="tools-provider",
    help="Shows HTTP APIs as MCP tools and calls them with the user's own delegated identity.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command()(convert)
cli.command()(register)
cli.command()(call)


@cli.callback()
def tools_provider(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Whatever comes before the name of a command."""


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: HOST.", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; default: PORT.", min=0, max=65535, show_default=False)
    ] = None,
) -> None:
    """Serve the REST and MCP doors. Every setting comes from the environment or `.env`."""
    command = importlib.import_module("app.cli.serve")  # here, so that `convert` does not pay for the server's imports
    command.serve(host, port)


def main() -> None:
    """Run the command line; a checkout also has the commands of `seed` (demo, dev-idp, …)."""
    if importlib.util.find_spec("seed") and importlib.util.find_spec("seed.commands"):
        importlib.import_module("seed.commands").register(cli)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # for terminals that know fewer characters
    try:
        try:
            cli()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter would try it again
        sys.stderr.write(f"The output could not be written: {error.strerror}.\n")
        sys.exit(_UNWRITTEN)
