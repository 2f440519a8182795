"""The locks hold all that what they lock asks for: pip installs them as they stand and looks for nothing else."""

import sysconfig
import tomllib
from itertools import product
from pathlib import Path
from typing import cast

import pytest
from packaging.markers import default_environment

from tests.locks.closure import Environment, Locked, holes, metadata_in, read_lock
from tests.support.environments import ROOT, python_with

HERE = metadata_in(Path(sysconfig.get_path("purelib")))
GROUPS = {"requirements.lock": ["build"], "requirements-dev.lock": ["build", "dev"]}
OTHERS = sorted((ROOT / "tests").glob("*/locks/*.txt"))
OF_THIS_MACHINE = cast("Environment", default_environment())
SYSTEMS = {"linux": ("Linux", "posix"), "darwin": ("Darwin", "posix"), "win32": ("Windows", "nt")}
VERSIONS = ["3.11", "3.12", "3.13", "3.14"]

LOCKS = pytest.mark.parametrize("lock", GROUPS)


def lines_of(lock: str) -> list[Locked]:
    return read_lock((ROOT / lock).read_text(encoding="utf-8"))


def asked_by_the_project(lock: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [each for group in GROUPS[lock] for each in project["dependency-groups"][group]]
    return [*project["project"]["dependencies"], *groups]


def environment(system: str, version: str) -> Environment:
    platform, os_name = SYSTEMS[system]
    return OF_THIS_MACHINE | {
        "sys_platform": system,
        "platform_system": platform,
        "os_name": os_name,
        "python_version": version,
        "python_full_version": f"{version}.9",
    }


@LOCKS
def test_what_is_installed_here_is_what_the_lock_says(lock: str) -> None:
    here = {line.name: line.version for line in lines_of(lock) if line.counts_in(OF_THIS_MACHINE)}
    assert {name: HERE[name].version if name in HERE else None for name in here} == here


@LOCKS
def test_all_that_a_locked_distribution_asks_for_is_locked(lock: str) -> None:
    assert holes(lines_of(lock), asked_by_the_project(lock), HERE, OF_THIS_MACHINE) == []


@LOCKS
@pytest.mark.parametrize(("system", "version"), list(product(SYSTEMS, VERSIONS)))
def test_a_lock_is_as_closed_on_other_systems_and_with_other_pythons(lock: str, system: str, version: str) -> None:
    assert holes(lines_of(lock), asked_by_the_project(lock), HERE, environment(system, version)) == []


@pytest.mark.parametrize(
    ("missing", "who"),
    [
        pytest.param("cryptography", "pyjwt", id="for an extra"),
        pytest.param("starlette", "fastapi", id="for anybody"),
        pytest.param("pywin32", "mcp", id="for another system"),
    ],
)
def test_what_a_lock_lacks_is_found(missing: str, who: str) -> None:
    rest = [line for line in lines_of("requirements.lock") if line.name != missing]
    found = holes(rest, asked_by_the_project("requirements.lock"), HERE, environment("win32", "3.11"))
    assert [each for each in found if each.startswith(f"{who} asks for {missing}")] != [], found


def test_a_version_that_does_not_do_is_found() -> None:
    lock = [
        Locked(line.name, "0.1", None) if line.name == "starlette" else line for line in lines_of("requirements.lock")
    ]
    assert any("locked is 0.1" in each for each in holes(lock, [], HERE, OF_THIS_MACHINE))


def test_both_locks_say_the_same_of_what_both_lock() -> None:
    product_lock, all_of_it = (set(lines_of(lock)) for lock in GROUPS)
    names = {line.name for line in product_lock}
    assert product_lock == {line for line in all_of_it if line.name in names}


@pytest.mark.extended
@pytest.mark.parametrize("lock", OTHERS, ids=lambda path: path.stem)
def test_the_locks_of_what_tests_run_beside_us_are_closed(lock: Path) -> None:
    python = python_with(lock)
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    assert holes(read_lock(lock.read_text(encoding="utf-8")), [], metadata_in(packages), OF_THIS_MACHINE) == []
