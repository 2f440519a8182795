"""Reads a document in a process of its own, started for it and ended with it.

A large document takes seconds of processor time and hundreds of megabytes, and a hostile one is made for that. Here it
can be stopped at its deadline, gives its memory back, and keeps no other caller waiting.

Run as `python -m app.sources.reading`, this module is that process: a line of JSON and the document come in on stdin,
lines of JSON go out on stdout, the first with everything but the operations, then one for each operation.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from app.errors import Invalid, TooLarge, ToolsProviderError, Violation
from app.openapi.conversion import Conversion, ReportItem, convert
from app.openapi.operation_json import operation_from_json, operation_to_json
from app.openapi.reading import read_document

if sys.platform != "win32":
    import resource

_MOST_MEMORY = 2 * 1024**3  # bytes of address space
_OPERATIONS_A_TURN = 100  # taken over between two turns of the event loop


async def read_apart(
    data: bytes,
    content_type: str | None,
    slug: str,
    assigned: Mapping[tuple[str, str], str],
    timeout: float,  # noqa: ASYNC109 - the process is killed at the deadline, not only left alone
) -> Conversion:
    """Return `convert(read_document(data))`. Raises what they do, and Invalid (`document_too_complex`)."""
    request = {
        "content_type": content_type,
        "slug": slug,
        "assigned": [[method, path, name] for (method, path), name in assigned.items()],
    }
    process = _start()
    try:
        answer = await asyncio.to_thread(_ask, process, orjson.dumps(request) + b"\n" + data, timeout)
    finally:
        process.kill()
    if process.returncode != 0:
        raise _too_complex("needs more memory to read than it may have")
    return await _taken_over(answer)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this module, by this interpreter
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # and no secret of ours
    )


def _ask(process: subprocess.Popen[bytes], question: bytes, timeout: float) -> bytes:
    with process:
        try:
            answer, _ = process.communicate(question, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise _too_complex(f"takes longer than {timeout:g} s to read") from None
    return answer


async def _taken_over(answer: bytes) -> Conversion:
    first, *lines = answer.splitlines()
    result: dict[str, Any] = orjson.loads(first)
    if (failure := result.get("failure")) is not None:
        if failure["kind"] == "TooLarge":
            raise TooLarge(failure["code"], failure["detail"])
        raise Invalid(failure["code"], failure["detail"], [Violation(**item) for item in failure["violations"]])
    operations = []
    for number, line in enumerate(lines):
        operations.append(operation_from_json(line))
        if number % _OPERATIONS_A_TURN == 0:
            await asyncio.sleep(0)
    report = tuple(ReportItem(**item) for item in result.pop("report"))
    servers = tuple(result.pop("servers"))
    return Conversion(**result, servers=servers, operations=tuple(operations), report=report)


def _too_complex(why: str) -> Invalid:
    return Invalid("document_too_complex", f"The document {why}. Register a smaller part of it.")


def main() -> None:
    """Be the process."""
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    request = orjson.loads(sys.stdin.buffer.readline())
    assigned = {(method, path): name for method, path, name in request["assigned"]}
    try:
        document = read_document(sys.stdin.buffer.read(), content_type=request["content_type"])
        conversion = convert(document, slug=request["slug"], assigned=assigned)
    except ToolsProviderError as error:
        sys.stdout.buffer.write(orjson.dumps({"failure": _described(error)}))
        return
    rest = {name: getattr(conversion, name) for name in ("title", "description", "version", "servers", "report")}
    sys.stdout.buffer.write(orjson.dumps(rest) + b"\n")
    for operation in conversion.operations:
        sys.stdout.buffer.write(operation_to_json(operation) + b"\n")


def _described(error: ToolsProviderError) -> dict[str, object]:
    violations = error.violations if isinstance(error, Invalid) else ()
    kind = "TooLarge" if isinstance(error, TooLarge) else "Invalid"
    return {"kind": kind, "code": error.code, "detail": error.detail, "violations": violations}


if __name__ == "__main__":
    main()
