"""An independent reader of requests: kin-openapi, the OpenAPI library of the Go world, in a process of its own.

It is given the parameters and the body as a document describes them, with the very value that was meant as the only one
that the schema allows. So it passes a request exactly when it reads from it what the caller said.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.operation.operation import Json
from app.tools.request.plan import UpstreamRequest
from seed.turns import turn

SOURCE = Path(__file__).with_name("judge")
CACHE = Path(__file__).parents[2] / ".cache" / "judge"
BUILD_SECONDS = 900  # libraries have to be fetched, and a slow machine took two minutes to compile them
ORIGIN = "http://upstream.example"
_AS_THEY_CAME = {"path", "cookie"}  # kin-openapi leaves percent-encoding there to its callers


class Judge:
    """Reads one request at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def refusal(self, request: UpstreamRequest, described: Json) -> str | None:
        """Say what the judge has against the request, None if it reads what was meant; see `described`."""
        question = {
            "document": described,
            "method": request.method,
            "url": request.url,
            "headers": request.headers,
            "body": None if request.content is None else base64.b64encode(request.content).decode(),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer.get("failure") or answer["refusal"] or None


def missing_program() -> str | None:
    return None if shutil.which("go") else "go"


def built_judge() -> Path:
    """The program; built when there is none of this source yet, by one process at a time."""
    source = b"".join(file.read_bytes() for file in sorted(SOURCE.iterdir()))
    program = CACHE / f"judge-{hashlib.sha256(source).hexdigest()[:12]}"
    with turn(CACHE / "lock"):
        if not program.exists():
            fresh = program.with_suffix(".new")
            build = ["go", "build", "-trimpath", "-o", str(fresh), "."]
            environment = os.environ | {"GOTOOLCHAIN": "local"}
            subprocess.run(build, cwd=SOURCE, env=environment, check=True, timeout=BUILD_SECONDS)  # noqa: S603
            fresh.rename(program)
    return program


@contextmanager
def running_judge() -> Iterator[Judge]:
    """Let the judge run during the block."""
    with subprocess.Popen([built_judge()], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            yield Judge(process)
        finally:
            process.kill()


def described(path: str, method: str, meant: list[tuple[Json, Any]], body: Json | None = None) -> Json:
    """The document of one operation, with Parameter Objects (their schemas do not count) and the value meant for each.

    `body` is the content of a Request Body Object, made by `only`.
    """
    operation: Json = {"parameters": [_with_value(each, value) for each, value in meant]}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    operation["responses"] = {"200": {"description": "any"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "of the judge", "version": "1"},
        "servers": [{"url": ORIGIN}],
        "paths": {path: {method.lower(): operation}},
    }


def only(value: Any) -> Json:
    """The schema that allows this value and no other, for a reader of text, who has to know its types."""
    return {**_shape(value), "enum": [value]}


def only_in_json(value: Any) -> Json:
    """The schema that allows this value and no other, for a reader of JSON, which says its types itself."""
    return {"enum": [value], "nullable": value is None}


def _with_value(parameter: Json, value: Any) -> Json:
    names = ["name", "in", "style", "explode"]
    kept: Json = {name: parameter[name] for name in names if name in parameter}
    kept["required"] = True
    if parameter["in"] == "query":
        kept["allowEmptyValue"] = True
    if "content" in parameter:
        media_type = next(iter(parameter["content"]))
        return {**kept, "content": {media_type: {"schema": only_in_json(value)}}}
    return {**kept, "schema": only(_encoded(value) if parameter["in"] in _AS_THEY_CAME else value)}


def _encoded(value: Any) -> Any:
    if isinstance(value, str):
        return quote(value, safe="")
    if isinstance(value, list):
        return [_encoded(each) for each in value]
    if isinstance(value, dict):
        return {quote(name, safe=""): _encoded(each) for name, each in value.items()}
    return value


def _shape(value: Any) -> Json:
    """What a reader must know of a value's type to read it from text."""
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "items": _shape(value[0]) if value else {}}
        case dict():
            return {"type": "object", "properties": {name: _shape(each) for name, each in value.items()}}
        case _:
            return {"nullable": True}
