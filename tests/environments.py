"""Python environments of their own for programs that tests run: not all of them live with our versions of things."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "environments"


def python_with(lock: Path) -> Path:
    """A Python that has what the lock says; made on first use, and anew when the lock changes."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    home = CACHE / f"{lock.stem}-{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    python = home / "bin" / "python"
    if not (home / ".installed").exists():
        venv.create(home, with_pip=True, clear=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([python, "-m", "pip", "install", *options, "-r", lock], check=True)  # noqa: S603
        subprocess.run([python, "-m", "pip", "check"], check=True)  # noqa: S603
        (home / ".installed").touch()
    return python
