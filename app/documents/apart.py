"""Has a document read in a process of its own, which starts and ends with it: `python -m app.documents.apart`.

A large document takes seconds of processor time and hundreds of megabytes, and a hostile one is made for that. There it
can be stopped at its deadline, gives its memory back, and keeps no other caller waiting. The files that a document
refers to are loaded in this process, which decides what is fetched; that time does not count.

Both sides speak in frames: eight bytes of length, then so many bytes. The parent sends what is asked, and the document.
As often as the reader needs more files, it sends their addresses; it gets each file in two frames, what is known of it
and its bytes, or in one that says why it is not available. Last comes the result: lines of JSON, the first with
everything but the operations, then one for each operation.
"""

import asyncio
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from typing import IO, Any, cast

import orjson

from app.errors import Invalid, Violation
from app.openapi.conversion import convert
from app.openapi.document.bundling import read_bundled
from app.openapi.document.reading import File, Limits
from app.operation.operation import Conversion, Operation, ReportItem, Slot, operation_from_json, operation_to_json
from app.operation.text import Key
from app.pieces import in_pieces

if sys.platform != "win32":
    import resource

_LENGTH = 8  # bytes
_CARRIED = 3  # times the bytes of all tools: an operation carries more than is listed of it

# For each address the file, or why it is not available.
LoadFiles = Callable[[Sequence[str]], Awaitable[Sequence[File | str]]]


@dataclass(frozen=True, slots=True)
class ReadingLimits(Limits):
    """What the reading of one document may cost: `timeout` in seconds, `memory` in bytes of address space."""

    timeout: float = 30.0
    memory: int = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read. `address` is where relative references start, empty when the document has none.

    `assigned` are names given to operations before, which are kept; so are those of the arguments of the operations
    `before`.
    """

    file: File
    address: str
    slug: str
    assigned: Mapping[Key, str]
    before: Sequence[Operation] = ()


async def read_apart(reading: Reading, load: LoadFiles, limits: ReadingLimits) -> Conversion:
    """Return the conversion of the document and of the files that it needs.

    Raises what `read_bundled` and `convert` raise, and Invalid (`document_too_complex`).
    """
    process = _start()
    try:
        answer = await _Conversation(process, limits).result(reading, load)
    except (_ReaderEnded, BrokenPipeError):
        raise _out_of_memory(limits) from None  # the interpreter cannot always say so itself
    finally:
        await _ended(process)
    return await _taken_over(answer, limits)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.documents.apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # and none of our secrets
    )


class _Conversation:
    """Speaks with a reader; each turn runs in a thread, which ends with the process."""

    def __init__(self, process: subprocess.Popen[bytes], limits: ReadingLimits) -> None:
        self._incoming = cast("IO[bytes]", process.stdout)
        self._outgoing = cast("IO[bytes]", process.stdin)
        self._limits = limits
        self._left = limits.timeout

    async def result(self, reading: Reading, load: LoadFiles) -> bytes:
        answer = await self._turn(partial(self._ask, reading))
        while answer.startswith(b'{"wanted":'):
            files = await load(orjson.loads(answer)["wanted"])
            answer = await self._turn(partial(_write_files, self._outgoing, files))
        return answer

    def _ask(self, reading: Reading) -> None:
        asked = {
            "address": reading.address,
            "content_type": reading.file.content_type,
            "slug": reading.slug,
            "assigned": [[method, path, name] for (method, path), name in reading.assigned.items()],
            "arguments": [
                [each.method, each.path, *slot, argument]
                for each in reading.before
                for argument, slot in each.slots.items()
            ],
            "limits": asdict(self._limits),
        }
        _write_frame(self._outgoing, orjson.dumps(asked))
        _write_frame(self._outgoing, reading.file.data)

    async def _turn(self, say: Callable[[], None]) -> bytes:
        def turn() -> bytes:
            say()
            return _read_frame(self._incoming)

        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._left):
                return await asyncio.to_thread(turn)
        except TimeoutError:
            raise _too_complex(f"takes longer than {self._limits.timeout:g} s to read (SOURCE_READ_TIMEOUT)") from None
        finally:
            self._left -= clock() - started


async def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    await asyncio.to_thread(process.communicate)


async def _taken_over(answer: bytes, limits: ReadingLimits) -> Conversion:
    lines = _lines(answer)
    result: dict[str, Any] = orjson.loads(next(lines))
    if "out_of_memory" in result:
        raise _out_of_memory(limits)
    if (failure := result.get("failure")) is not None:
        raise Invalid(failure["code"], failure["detail"], [Violation(**item) for item in failure["violations"]])
    operations = tuple(await in_pieces(map(operation_from_json, lines)))
    report = tuple(await in_pieces(ReportItem(**item) for item in result.pop("report")))
    servers = tuple(result.pop("servers"))
    return Conversion(**result, servers=servers, operations=operations, report=report)


def _lines(answer: bytes) -> Iterator[memoryview]:
    start = 0
    while start < len(answer):
        end = answer.find(b"\n", start)
        yield memoryview(answer)[start : end if end >= 0 else None]
        start = end + 1 if end >= 0 else len(answer)


def _out_of_memory(limits: ReadingLimits) -> Invalid:
    return _too_complex(f"needs more than {limits.memory:,} bytes of memory to read (SOURCE_READ_MEMORY)")


def _too_complex(why: str) -> Invalid:
    return Invalid("document_too_complex", f"The document {why}. Register a smaller part of it.")


class _ReaderEnded(Exception):
    """The other side has ended in the middle of the conversation."""


def _write_frame(stream: IO[bytes], payload: bytes) -> None:
    """Send one frame. Raises OSError if the other side is gone."""
    stream.write(len(payload).to_bytes(_LENGTH, "big"))
    stream.write(payload)
    stream.flush()


def _read_frame(stream: IO[bytes]) -> bytes:
    """Return the next frame. Raises _ReaderEnded."""
    length = stream.read(_LENGTH)
    payload = stream.read(int.from_bytes(length, "big"))
    if len(length) < _LENGTH or len(payload) < int.from_bytes(length, "big"):
        raise _ReaderEnded
    return payload


def _write_files(stream: IO[bytes], files: Sequence[File | str]) -> None:
    """Send files; a text in place of one says why it is not available."""
    for file in files:
        if isinstance(file, str):
            _write_frame(stream, orjson.dumps({"missing": file}))
        else:
            _write_frame(stream, orjson.dumps({"content_type": file.content_type}))
            _write_frame(stream, file.data)


def _read_file(stream: IO[bytes]) -> File | str:
    """Return the next one of what `_write_files` sent."""
    known = orjson.loads(_read_frame(stream))
    return str(known["missing"]) if "missing" in known else File(_read_frame(stream), known["content_type"])


def _conversion(asked: dict[str, Any]) -> Conversion:
    def load(addresses: Sequence[str]) -> list[File | str]:
        _write_frame(sys.stdout.buffer, orjson.dumps({"wanted": addresses}))
        return [_read_file(sys.stdin.buffer) for _ in addresses]

    limits = ReadingLimits(**asked["limits"])
    document = File(_read_frame(sys.stdin.buffer), asked["content_type"])
    assigned = {(method, path): name for method, path, name in asked["assigned"]}
    tree = read_bundled(document, asked["address"], load, limits=limits)
    arguments: dict[Key, dict[Slot, str]] = defaultdict(dict)
    for method, path, location, name, argument in asked["arguments"]:
        arguments[method, path][location, name] = argument
    return convert(tree, slug=asked["slug"], assigned=assigned, arguments=arguments, limits=limits)


def _result(asked: dict[str, Any]) -> bytes:
    try:
        return _written(_conversion(asked), _CARRIED * asked["limits"]["list_bytes"])
    except Invalid as error:
        return orjson.dumps({"failure": {"code": error.code, "detail": error.detail, "violations": error.violations}})
    except MemoryError:
        return orjson.dumps({"out_of_memory": True})


def _written(conversion: Conversion, most: int) -> bytes:
    """Return the result. Raises Invalid: what many operations refer to is in each of them, and one may be large."""
    rest = {name: getattr(conversion, name) for name in ("title", "description", "version", "servers", "report")}
    lines, total = [], 0
    for line in chain([orjson.dumps(rest)], map(operation_to_json, conversion.operations)):
        lines.append(line)
        total += len(line)
        if total > most:
            raise _too_complex(
                f"makes operations and a report of more than {most:,} bytes (SOURCE_MAX_LIST_BYTES, {_CARRIED} times)"
            )
    return b"\n".join(lines)


def main() -> None:
    """Read one document in the process that was started for it."""
    asked = orjson.loads(_read_frame(sys.stdin.buffer))
    if sys.platform != "win32":
        memory = asked["limits"]["memory"]
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    _write_frame(sys.stdout.buffer, _result(asked))


if __name__ == "__main__":
    main()
