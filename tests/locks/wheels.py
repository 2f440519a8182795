"""Tiny wheels, a shelf to take them from, and locks of them."""

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of wheels that takes the place of a package index."""

    folder: Path
    hashes: dict[str, str] = field(default_factory=dict)

    def put(
        self,
        name: str,
        version: str,
        *metadata: str,
        files: Sequence[str] = (),
    ) -> None:
        """Add a wheel with further lines of metadata; `files` are written after its metadata."""
        about = f"{name}-{version}.dist-info"
        content: dict[str, str] = {
            f"{name}.py": "",
            f"{about}/METADATA": "\n".join(
                ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata, ""]
            ),
            f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            **dict.fromkeys(files, ""),
        }
        content[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{about}/RECORD"])
        wheel = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
        self.hashes[f"{name}=={version}"] = hashlib.sha256(wheel.read_bytes()).hexdigest()

    def lock(self, *lines: str) -> Path:
        """A lock of `name==version`s; what is not on the shelf has a hash that nothing has."""
        lock = self.folder / "tiny.lock"
        hashed = [f"{line} \\\n    --hash=sha256:{self.hashes.get(line, '0' * 64)}\n" for line in lines]
        lock.write_text("".join(hashed), encoding="utf-8")
        return lock

    def environment(self, **changed: str) -> Mapping[str, str]:
        """Our environment, in which pip takes from this shelf only."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        return {
            **ours,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.folder),
            **changed,
        }
