"""Walks a lock from what it is for to everything that this asks for, as an installer would that resolves nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Environment = dict[str, str]  # the values of markers, without `extra`


@dataclass(frozen=True, slots=True)
class Locked:
    """One line of a lock."""

    name: str
    version: str
    marker: Marker | None

    def counts_in(self, environment: Environment) -> bool:
        return self.marker is None or self.marker.evaluate({**environment, "extra": ""})


def read_lock(text: str) -> list[Locked]:
    """The lines of a lock that name a distribution. Raises ValueError for one without a version."""
    lines = [line.rstrip("\\ ") for line in text.splitlines() if line[:1].isalnum()]
    return [_locked(Requirement(line)) for line in lines]


def _locked(line: Requirement) -> Locked:
    (pin,) = line.specifier
    if pin.operator != "==":
        raise ValueError(f"{line} is not pinned")
    return Locked(canonicalize_name(line.name), pin.version, line.marker)


def metadata_in(folder: Path) -> dict[str, Distribution]:
    """What is installed in a folder of packages, by name."""
    return {canonicalize_name(each.metadata["Name"]): each for each in distributions(path=[str(folder)])}


def holes(
    lock: Iterable[Locked],
    asked: Iterable[str],
    metadata: Mapping[str, Distribution],
    environment: Environment,
) -> list[str]:
    """What the lock lacks, one sentence each: of what is asked for, and of what each distribution in it asks for.

    Extras count where somebody asks for them. What has no metadata here (it is for other systems) asks for nothing.
    """
    there = {line.name: line for line in lock if line.counts_in(environment)}
    found: list[str] = []
    seen: set[tuple[str, str]] = set()
    waiting = [("the project", Requirement(each), "") for each in asked]
    waiting += [(name, Requirement(name), "") for name in there]
    while waiting:
        who, wanted, extra = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({**environment, "extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        if name not in there or not wanted.specifier.contains(there[name].version, prereleases=True):
            found.append(f"{who} asks for {wanted}; locked is {there[name].version if name in there else 'none'}")
            continue
        new = {(name, each) for each in ("", *wanted.extras)} - seen
        seen |= new
        waiting += [(name, needed, each) for _, each in new for needed in _needed(metadata.get(name))]
    return found


def _needed(distribution: Distribution | None) -> Iterator[Requirement]:
    for line in (distribution.requires if distribution else None) or []:
        yield Requirement(line)
