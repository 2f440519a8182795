"""The process that reads a document: `python -m app.documents.reader`, started by `apart.py` and ended with it.

Both sides speak in frames: eight bytes of length, then so many bytes. The parent sends what is asked, and the document.
As often as the reader needs more files, it sends their addresses; it gets each file in two frames, what is known of it
and its bytes, or in one that says why it cannot be had. Last comes the result: lines of JSON, the first with everything
but the operations, then one for each operation.
"""

import sys
from collections.abc import Sequence
from typing import IO, Any

import orjson

from app.errors import Invalid
from app.openapi.conversion import convert
from app.openapi.document.bundling import read_bundled
from app.openapi.document.reading import File, Limits
from app.operation.operation import Conversion, operation_to_json

if sys.platform != "win32":
    import resource

_LENGTH = 8  # bytes


class ReaderEnded(Exception):
    """The other side has ended in the middle of the conversation."""


def write_frame(stream: IO[bytes], payload: bytes) -> None:
    """Send one frame. Raises OSError when nobody is there."""
    stream.write(len(payload).to_bytes(_LENGTH, "big"))
    stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes:
    """Return the next frame. Raises ReaderEnded."""
    length = stream.read(_LENGTH)
    payload = stream.read(int.from_bytes(length, "big"))
    if len(length) < _LENGTH or len(payload) < int.from_bytes(length, "big"):
        raise ReaderEnded
    return payload


def write_files(stream: IO[bytes], files: Sequence[File | str]) -> None:
    """Send files; a text stands for one that cannot be had and says why."""
    for file in files:
        if isinstance(file, str):
            write_frame(stream, orjson.dumps({"missing": file}))
        else:
            write_frame(stream, orjson.dumps({"content_type": file.content_type}))
            write_frame(stream, file.data)


def read_file(stream: IO[bytes]) -> File | str:
    """Return the next one of what `write_files` sent."""
    known = orjson.loads(read_frame(stream))
    return str(known["missing"]) if "missing" in known else File(read_frame(stream), known["content_type"])


def _conversion(asked: dict[str, Any]) -> Conversion:
    def load(addresses: Sequence[str]) -> list[File | str]:
        write_frame(sys.stdout.buffer, orjson.dumps({"wanted": addresses}))
        return [read_file(sys.stdin.buffer) for _ in addresses]

    limits = Limits(**asked["limits"])
    document = File(read_frame(sys.stdin.buffer), asked["content_type"])
    assigned = {(method, path): name for method, path, name in asked["assigned"]}
    tree = read_bundled(document, asked["address"], load, limits=limits)
    return convert(tree, slug=asked["slug"], assigned=assigned, limits=limits)


def _result(asked: dict[str, Any]) -> bytes:
    try:
        conversion = _conversion(asked)
    except Invalid as error:
        return orjson.dumps({"failure": {"code": error.code, "detail": error.detail, "violations": error.violations}})
    except MemoryError:
        return orjson.dumps({"out_of_memory": True})
    rest = {name: getattr(conversion, name) for name in ("title", "description", "version", "servers", "report")}
    return b"\n".join([orjson.dumps(rest), *map(operation_to_json, conversion.operations)])


def main() -> None:
    """Be the reader."""
    asked = orjson.loads(read_frame(sys.stdin.buffer))
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    write_frame(sys.stdout.buffer, _result(asked))


if __name__ == "__main__":
    main()
