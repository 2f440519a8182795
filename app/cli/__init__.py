"""The command line: `tools-provider`. Each command is a module of its own."""

import importlib
import importlib.util

import typer

from app.cli.call import call
from app.cli.convert import convert
from app.cli.register import register

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


@cli.command()
def serve() -> None:
    """Serve the REST and MCP doors. Every setting comes from the environment or `.env`."""
    importlib.import_module("app.cli.serve").serve()  # here, so that `convert` does not pay for the server's imports


def main() -> None:
    """Run the command line; a checkout also has the commands of `seed` (demo, dev-idp, …)."""
    if importlib.util.find_spec("seed") and importlib.util.find_spec("seed.commands"):
        importlib.import_module("seed.commands").register(cli)
    cli()
