"""The server as `register` and `call` speak to it: over REST, with the token of a user."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from app.cli.asking import REFUSED, TOKEN, UNUSABLE, host_of, json_of, send, stop, text_of
from app.cli.sign_in import signed_in

DEFAULT_SERVER = "http://localhost:8040"
Answer = TypeVar("Answer", bound=BaseModel)

ServerOption = Annotated[str, typer.Option("--server", metavar="URL", help="The tools provider.")]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help=f"A file with an access token; else {TOKEN}.")
]
UserOption = Annotated[
    str, typer.Option("--user", metavar="NAME", help="Sign in as this user; at a development issuer on this machine.")
]
PasswordFileOption = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="The user's password; left out: it is asked for.")
]


class _Violation(BaseModel):
    pointer: str
    detail: str


class _Problem(BaseModel):
    """A refusal (RFC 9457) as the server words it."""

    code: str
    detail: str = ""
    violations: list[_Violation] = []
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A server and who asks it. `token_from` says where the token came from, in words.

    `options` names the options of the command by the fields of the request that they stand for.
    """

    server: str
    token: str = field(repr=False)
    token_from: str
    options: Mapping[str, str]

    def get(self, path: str, shape: type[Answer]) -> Answer:
        """Return what the server answers. Ends the command when it refuses or cannot be asked."""
        return self._ask("GET", path, shape)

    def post(self, path: str, shape: type[Answer], **body: Any) -> Answer:  # noqa: ANN401 - httpx's ways to state one
        """Return what the server answers. Ends the command when it refuses or cannot be asked."""
        return self._ask("POST", path, shape, **body)

    def _ask(self, method: str, path: str, shape: type[Answer], **body: Any) -> Answer:  # noqa: ANN401 - as above
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = send(method, f"{self.server}{path}", headers=headers, **body)
        content = json_of(answer)
        try:
            if not answer.is_success:
                self._refuse(answer.status_code, _Problem.model_validate(content))
            return shape.model_validate(content)
        except ValidationError:
            stop(UNUSABLE, f"{self.server} answered {answer.status_code}, but not as a tools provider does.")

    def _refuse(self, status: int, problem: _Problem) -> NoReturn:
        lines = [f"{problem.code} ({status}): {problem.detail}"]
        lines += [f"  {each.pointer or '/'}: {each.detail}" for each in problem.violations]
        said = "\n".join(lines)
        lines += [f"`{name}` is {option} here." for name, option in self.options.items() if _speaks_of(said, name)]
        if status == 401:
            lines.append(f"The token was the one {self.token_from}.")
        lines += [f"trace_id: {problem.trace_id}"] if problem.trace_id else []
        stop(REFUSED, "\n".join(lines))


def connect(
    server: str,
    token_file: Path | None,
    user: str,
    password_file: Path | None,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Client:
    """Return the server with a token. Ends the command where there is none."""
    if token_file is not None and user:
        raise typer.BadParameter("give either --token-file or --user", param_hint="--user")
    if password_file is not None and not user:
        raise typer.BadParameter("a password needs --user", param_hint="--password-file")
    server = _address(server)
    if token_file is not None:
        token = _header_value(text_of(token_file), str(token_file))
        return Client(server, token, f"from {token_file}", options)
    if user:
        return Client(server, signed_in(server, user, password_file), f"of {user}, who has just signed in", options)
    token = os.environ.get(TOKEN, "")
    if not token:
        stop(UNUSABLE, f"No token: set {TOKEN}, or give --token-file or --user.")
    return Client(server, _header_value(token, TOKEN), f"from {TOKEN}", options)


def _speaks_of(text: str, field_name: str) -> bool:
    return any(f"{mark}{field_name}{end}" in text for mark, end in (("`", "`"), ('"', '":'), ("/", ":")))


def _address(server: str) -> str:
    if not host_of(server):
        raise typer.BadParameter(f"write an address such as {DEFAULT_SERVER}", param_hint="--server")
    if any(mark in server for mark in "@?#"):
        raise typer.BadParameter("leave out credentials, query and fragment", param_hint="--server")
    return server.rstrip("/")


def _header_value(text: str, where: str) -> str:
    """Return one line that a header can carry; the text itself is never shown."""
    line = text.strip()
    if not line or not line.isprintable() or not line.isascii():
        stop(UNUSABLE, f"{where}: there must be one line of printable ASCII.")
    return line
