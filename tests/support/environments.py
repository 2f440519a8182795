"""Python environments of their own for programs that tests run: not all of them live with our versions of things."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "environments"
INSTALL_SECONDS = 900


def python_with(lock: Path) -> Path:
    """A Python that has what the lock says; made on first use, and anew when the lock changes."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    home = CACHE / f"{lock.stem}-{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    if not (home / ".installed").exists():
        command = [sys.executable, str(ROOT / "install.py"), str(home), str(lock)]
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS)  # noqa: S603
        (home / ".installed").touch()
    return home / "bin" / "python"
