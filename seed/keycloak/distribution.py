"""Gets Keycloak's distribution with the machine's own Maven client and builds it once."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from seed.turns import turn

VERSION = "26.7.3"  # the first without CVE-2026-93999
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
MAVEN_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
BUILD_OPTIONS = ("--db=dev-mem", "--health-enabled=true", "--metrics-enabled=true")
CHECKOUT = Path(__file__).parents[2]


class KeycloakUnavailable(Exception):
    """Keycloak cannot run here; the text says what is missing."""


def cache_folder() -> Path:
    """Where distributions are kept: `KEYCLOAK_CACHE`, else `.cache/keycloak` of the checkout."""
    return Path(os.environ.get("KEYCLOAK_CACHE") or CHECKOUT / ".cache" / "keycloak")


def missing_programs() -> tuple[str, ...]:
    """Which of Java and Maven this machine lacks; a distribution that is built already needs no Maven."""
    needed = {"java": "Java 17 or newer"}
    if not _built(cache_folder()).is_file():
        needed["mvn"] = "Maven"
    return tuple(name for program, name in needed.items() if shutil.which(program) is None)


def built_distribution() -> Path:
    """The folder of a distribution that is ready to start. Raises KeycloakUnavailable."""
    if missing := missing_programs():
        raise KeycloakUnavailable(f"Keycloak needs {' and '.join(missing)} on the PATH")
    cache = cache_folder()
    home = _home(cache)
    with turn(cache / "lock"):
        if not _built(cache).is_file():
            with tempfile.TemporaryDirectory(dir=cache, prefix="new-") as folder:
                fresh = _unpacked(_fetched(Path(folder)), Path(folder))
                _build(fresh)
                shutil.rmtree(home, ignore_errors=True)  # what an interrupted build left
                fresh.rename(home)
    return home


def _home(cache: Path) -> Path:
    return cache / f"keycloak-{VERSION}"


def _built(cache: Path) -> Path:
    return _home(cache) / ".built"


def _fetched(folder: Path) -> Path:
    print(f"fetching {ARTIFACT} with Maven …", flush=True)
    goal = ["mvn", "--batch-mode", "--quiet", MAVEN_GOAL, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    _run(goal, "Maven could not fetch Keycloak")
    return folder / f"keycloak-quarkus-dist-{VERSION}.zip"


def _unpacked(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)
    archive.unlink()
    home = folder / f"keycloak-{VERSION}"
    for script in (home / "bin").glob("*.sh"):
        script.chmod(0o755)  # zipfile drops file modes
    return home


def _build(home: Path) -> None:
    print("building Keycloak once …", flush=True)
    _run([str(home / "bin" / "kc.sh"), "build", *BUILD_OPTIONS], "Keycloak could not be built")
    (home / ".built").write_text(" ".join(BUILD_OPTIONS), encoding="utf-8")


def _run(command: list[str], failure: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise KeycloakUnavailable(f"{failure} within ten minutes") from error
    if done.returncode != 0:
        raise KeycloakUnavailable(f"{failure}:\n{(done.stdout + done.stderr).strip()[-2000:]}")
