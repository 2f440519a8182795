"""The environments of agent frameworks: each its own, because not all of them live with our version of the MCP SDK."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

LOCKS = Path(__file__).parent / "locks"
CACHE = Path(__file__).parents[2] / ".cache" / "agents"
OURS = ("mcp",)  # what needs nothing beyond our own environment


def python_with(framework: str) -> Path:
    """A Python that has the locked version of a framework; made on first use, and anew when the lock changes."""
    if framework in OURS:
        return Path(sys.executable)
    lock = LOCKS / f"{framework}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    home = CACHE / f"{framework}-{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    python = home / "bin" / "python"
    if not (home / ".installed").exists():
        venv.create(home, with_pip=True, clear=True)
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([python, "-m", "pip", "install", *options, "-r", lock], check=True)  # noqa: S603
        (home / ".installed").touch()
    return python
