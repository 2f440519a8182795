"""What a checkout adds to the command line of `tools-provider`: development only, not in the production image."""

import importlib
from pathlib import Path
from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(demo)
    cli.command(name="dev-idp")(dev_idp)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the last step; fail if one did not do it.")] = False,
    keycloak: Annotated[bool, typer.Option("--keycloak", help="Play on a real Keycloak.")] = False,
    any_ports: Annotated[
        bool, typer.Option("--any-ports", help="Listen on any free ports instead of the usual ones.")
    ] = False,
) -> None:
    """Watch an agent call a real HTTP API through MCP with its user's delegated identity."""
    run = importlib.import_module("seed.demo.run")  # here, so that `serve` does not pay for the demo's imports
    raise typer.Exit(run.run_demo(once=once, keycloak=keycloak, any_ports=any_ports))


def dev_idp(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8041,
    realm: Annotated[Path | None, typer.Option(metavar="FILE", help="A realm export; default: the seed realm.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name or address under which it may be called; may be repeated."),
    ] = None,
    i_know_this_is_for_development: Annotated[
        bool, typer.Option("--i-know-this-is-for-development", help="Listen on an address that others can reach.")
    ] = False,
) -> None:
    """Serve the embedded identity provider alone, under Keycloak's paths (development only)."""
    command = importlib.import_module("seed.identity_provider.command")
    told = command.dev_idp(host, port, realm, hosts=allow_host or (), beyond_loopback=i_know_this_is_for_development)
    raise typer.Exit(told)
