"""What a checkout adds to the command line of `tools-provider`: development only, not in the production image."""

import importlib
from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the last step; fail if one did not do it.")] = False,
    keycloak: Annotated[bool, typer.Option("--keycloak", help="Play on a real Keycloak.")] = False,
) -> None:
    """Watch an agent call a real HTTP API through MCP with its user's delegated identity."""
    run = importlib.import_module("seed.demo.run")  # here, so that `serve` does not pay for the demo's imports
    raise typer.Exit(run.run_demo(once=once, keycloak=keycloak))
