"""Signing in, for commands that are given a user's name."""

import getpass
import warnings
from pathlib import Path
from typing import Any

import typer

from app.cli.asking import REFUSED, TOKEN, UNUSABLE, host_of, is_loopback, json_of, send, stop, text_of
from app.operation.text import cleaned

_CLIENT = "tools-provider-frontend"  # of the seed realm: the one that people sign in with


def signed_in(server: str, user: str, password_file: Path | None) -> str:
    """Return an access token by the password grant, at the issuer that the server names (RFC 9728).

    A password is sent only to issuers on this machine: whoever answers as the server chooses the address.
    """
    metadata = _public(f"{server}/.well-known/oauth-protected-resource/mcp")
    issuers = metadata.get("authorization_servers")
    issuer = str(issuers[0]) if isinstance(issuers, list) and issuers else ""
    endpoint = ""
    if is_loopback(host_of(issuer)):
        endpoint = str(_public(f"{issuer}/.well-known/openid-configuration").get("token_endpoint"))
    if not is_loopback(host_of(endpoint)):
        where = f"{server} trusts {issuer or 'no issuer'}"
        stop(
            UNUSABLE,
            f"--user signs in at issuers on this machine only, and {where}. Use --token-file or {TOKEN}.",
        )
    password = _asked(f"Password of {user} at {issuer}") if password_file is None else text_of(password_file)
    form = {"grant_type": "password", "client_id": _CLIENT, "username": user, "password": password}
    answer = json_of(send("POST", endpoint, data=form))
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        said = (answer.get("error_description") or answer.get("error")) if isinstance(answer, dict) else None
        stop(REFUSED, f"{issuer} did not let {user} sign in: {said or 'it gave no reason'}.")
    return token


def _asked(question: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown while it is typed
        try:
            return str(typer.prompt(cleaned(question), hide_input=True, err=True))
        except getpass.GetPassWarning:
            stop(UNUSABLE, "\nThere is no terminal to ask for the password at: give --password-file.")


def _public(url: str) -> dict[str, Any]:
    answer = send("GET", url)
    content = json_of(answer)
    if not answer.is_success or not isinstance(content, dict):
        stop(UNUSABLE, f"{url} answered {answer.status_code} and says nothing of how to sign in.")
    return content
