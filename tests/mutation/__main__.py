"""The mutation proof: mutmut changes the product in one place after the other, and the tests have to notice.

What is mutated and which tests run stands in pyproject.toml (`[tool.mutmut]`): every mutant, none sampled. A mutant
that survives because it behaves like the original is listed in survivors.toml with the reason. It counts as a survivor
all the same. Ends with 1 when the score is below 90 %.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MUTANTS = ROOT / "mutants"
SURVIVORS = Path(__file__).with_name("survivors.toml")
LEAST_SCORE = 0.90
DETECTED = ("killed", "timeout")

_RESULT = re.compile(r" +(?P<name>\S+__mutmut_\d+): (?P<status>.+)")
_NAME = re.compile(r"(?P<module>.+)\.x(?:_|ǁ(?P<owner>.+)ǁ)(?P<function>.+)__mutmut_\d+")


@dataclass(frozen=True)
class Survivor:
    """A change that no test notices; `change` has the lines that are taken out and put in, without indentation."""

    function: str
    change: str


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(MUTANTS, ignore_errors=True)
    try:
        subprocess.run([*mutmut(), "run"], cwd=ROOT, check=True)  # noqa: S603
        statuses = read_statuses()
        survivors = [survivor(name) for name, status in statuses.items() if status not in DETECTED]
    finally:
        shutil.rmtree(MUTANTS, ignore_errors=True)
    show(survivors, read_reasons())
    return verdict(Counter(statuses.values()), time.monotonic() - started)


def mutmut(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("mutmut")), *arguments]


def output_of(*arguments: str) -> str:
    command = mutmut(*arguments)
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603


def read_statuses() -> dict[str, str]:
    """Return what became of each mutant, by its name."""
    lines = output_of("results", "--all", "true").splitlines()
    return {found["name"]: found["status"] for line in lines if (found := _RESULT.fullmatch(line))}


def survivor(name: str) -> Survivor:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"mutmut names a mutant in another way: {name}")
    diff = output_of("show", name).splitlines()
    changed = [f"{line[0]} {line[1:].strip()}" for line in diff if re.match(r"[-+](?!--|\+\+)", line)]
    owner = f"{found['owner']}." if found["owner"] else ""
    return Survivor(f"{found['module']}.{owner}{found['function']}", "\n".join(changed))


def read_reasons() -> dict[Survivor, str]:
    listed = tomllib.loads(SURVIVORS.read_text("utf-8")).get("survivor", [])
    return {Survivor(each["function"], each["change"].strip("\n")): each["reason"] for each in listed}


def show(survivors: list[Survivor], reasons: dict[Survivor, str]) -> None:
    for each in sorted(survivors, key=lambda survivor: survivor.function):
        print(
            f"\nsurvived in {each.function}\n{each.change}\nreason: {reasons.get(each, 'NOT LISTED in survivors.toml')}"
        )
    for each in reasons.keys() - set(survivors):
        print(f"\nlisted in survivors.toml, but noticed or gone: {each.function}\n{each.change}")


def verdict(counted: Counter[str], seconds: float) -> int:
    """Print the figures and return the exit code. What was neither killed nor ran into a timeout has survived."""
    total = counted.total()
    detected = sum(counted[status] for status in DETECTED)
    score = detected / total if total else 0.0
    print(
        f"\nmutants: {total}, killed: {counted['killed']}, timeouts: {counted['timeout']}, "
        f"survived: {total - detected}, score: {score:.1%} (least {LEAST_SCORE:.0%}), "
        f"duration: {seconds / 60:.0f} min on {os.cpu_count()} processors"
    )
    return 0 if score >= LEAST_SCORE else 1


if __name__ == "__main__":
    sys.exit(main())
