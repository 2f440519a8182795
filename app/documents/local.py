"""Reads a document and the files beside it from disk, for programs that work without a network.

A document may come from anywhere, so its references reach only plain JSON and YAML files below one folder: the checkout
that contains the document, else the folder above the document's, so that `../common/Error.json` is found. Hidden files
are not read (credentials are kept in folders that begin with a dot), and no link leads out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from app.openapi.conversion import convert
from app.openapi.document.bundling import read_bundled
from app.openapi.document.reading import File, Limits, refused
from app.operation.operation import Conversion, Json

_MOST_BYTES = 200_000_000  # of all files together; what a server takes is its setting
_ENDINGS = frozenset({".json", ".yaml", ".yml"})
_CHECKOUT = ".git"
_HERE = "file:///"


@dataclass(frozen=True, slots=True)
class LocalDocument:
    """A document in one tree, with all files that its operations reach."""

    tree: Json
    limits: Limits | None = None

    @property
    def title(self) -> str:
        """What it calls itself; empty where it does not say."""
        info = self.tree.get("info")
        return str(info.get("title") or "") if isinstance(info, dict) else ""

    @property
    def tool_bytes(self) -> int:
        """How many bytes each of its tools may have."""
        return (self.limits or Limits()).tool_bytes

    def converted(self, slug: str, name_length: int | None = None) -> Conversion:
        """Return its operations, with names of at most `name_length` characters. Raises Invalid("invalid_document")."""
        limits = self.limits or Limits()
        if name_length is not None:
            limits = replace(limits, tool_name_length=name_length)
        return convert(self.tree, slug=slug, limits=limits)


def read_local(
    document: Path, *, root: Path | None = None, max_bytes: int = _MOST_BYTES, limits: Limits | None = None
) -> LocalDocument:
    """Return the document; `root` is the folder that must contain its other files.

    `max_bytes` is for all files together. Raises Invalid("invalid_document"), and OSError for the document itself.
    """
    with document.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise refused(f"has {_too_large(max_bytes)}")
    document = document.resolve()  # only now: where a pipe leads to is not a file that can be opened
    files = _LocalFiles((root or _root_of(document)).resolve(), max_bytes, len(data))
    return LocalDocument(read_bundled(File(data), document.as_uri(), files.load, limits=limits), limits)


def _root_of(document: Path) -> Path:
    checkout = next((folder for folder in document.parents if (folder / _CHECKOUT).exists()), None)
    return checkout or document.parent.parent


class _LocalFiles:
    def __init__(self, root: Path, max_bytes: int, taken: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._taken = taken

    def load(self, addresses: Sequence[str]) -> list[File | str]:
        """Return the files at these addresses, or why each is not available."""
        return [self._file(address) for address in addresses]

    def _file(self, address: str) -> File | str:
        if not address.startswith(_HERE):
            return "nothing is fetched here; only files beside the document are read"
        try:
            path = Path("/", unquote(address.removeprefix(_HERE).partition("?")[0])).resolve(strict=True)
            below = path.relative_to(self._root)
        except OSError:
            return "there is no such file"
        except ValueError:
            return f"it is outside {self._root}, and only files below that are read"
        if path.suffix.lower() not in _ENDINGS or any(name.startswith(".") for name in below.parts):
            return "only files that end with .json, .yaml or .yml are read, and nothing hidden"
        if not path.is_file():
            return "it is not a file"
        return self._read(path)

    def _read(self, path: Path) -> File | str:
        left = self._max_bytes - self._taken
        try:
            with path.open("rb") as file:
                data = file.read(left + 1)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        if len(data) > left:
            return f"all files together have {_too_large(self._max_bytes)}"
        self._taken += len(data)
        return File(data)


def _too_large(max_bytes: int) -> str:
    return f"more than {max_bytes:,} bytes (SOURCE_MAX_BYTES)"
