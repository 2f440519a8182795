"""What a row is measured by, and what it must stay below.

While an input is sent, the healthy caller keeps calling. Its longest wait is measured up to five times and the best
counts: other programs of the machine, or the sender itself on two processors, can only add to it (healthy.py says what
of that is taken off). So it is for the processor time of the provider, of which the healthy calls' own is taken off.

Memory is measured each time and the worst counts, against what the provider held before the row: its own resident
memory, and that of the processes that it started to read documents, beyond what one needs for a small document.

Cost grows at most in proportion to the input: from one scale to the next, at most `SLACK` times as much as the size,
unless it is below `FLOOR`, where a machine's noise is as large.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.bounds.meter import MIB, Peak, cpu_seconds, resident
from tests.bounds.row import Attack, Row
from tests.bounds.stage import Healthy, Stage

LONGEST_WAIT = 0.25  # seconds
MOST_MEMORY = 64 * MIB
KEPT_MEMORY = 24 * MIB  # what allocators keep of it for the next time
KEPT_OF_DOCUMENTS = 48 * MIB  # glibc keeps twice the largest block that it was given back, here of 20 MiB (mallopt(3))
SECONDS_TO_RETURN = 5.0
ATTEMPTS = 5
SLACK = 3.0
FLOOR = 0.05  # seconds of processor time
RESOLUTION = 0.005  # seconds of processor time
DOUBT = 0.1  # by how much healthy calls may cost more or less than they did when they were weighed
READING = 0.6  # seconds of processor time; a process that reads a document takes half of it for a small one


@dataclass(slots=True)
class Measured:
    """Of one scale: seconds, bytes, and what came of it."""

    scale: int
    size: int
    wait: float = float("inf")
    cpu: float = float("inf")
    doubt: float = 0.0
    memory: int = 0
    outcomes: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Verdict:
    """Everything of a row; `faults` are sentences, none when it holds."""

    row: Row
    measured: list[Measured]
    kept: int
    faults: list[str]


def judge(row: Row, stage: Stage, healthy: Healthy) -> Verdict:
    """Send the row's input at each scale and compare what it cost."""
    stage.reset()
    before = resident(stage.pid)
    measured = [_at(row, scale, stage, healthy, before) for scale in row.scales]
    stage.forget()
    kept = _kept(row, stage, before)
    return Verdict(row, measured, kept, [*_faults(row, measured, kept)])


def _at(row: Row, scale: int, stage: Stage, healthy: Healthy, before: int) -> Measured:
    attack = row.attack(stage, scale)
    measured = Measured(scale, attack.size)
    for _ in range(ATTEMPTS):
        _launch(row, attack, measured, stage, healthy, before)
        if measured.wait < LONGEST_WAIT:
            break
    return measured


def _launch(row: Row, attack: Attack, measured: Measured, stage: Stage, healthy: Healthy, before: int) -> None:
    attack.prepare()
    healthy.ask("watch")
    used = cpu_seconds(stage.pid)
    with Peak(stage.pid) as peak:
        measured.outcomes.update(attack.launch().split(", "))
        seen = healthy.ask("report")
    of_healthy = seen["calls"] * healthy.cost
    measured.cpu = min(measured.cpu, max(cpu_seconds(stage.pid) - used - of_healthy, 0.0))
    measured.doubt = max(measured.doubt, DOUBT * of_healthy)
    measured.wait = min(measured.wait, seen["longest"])
    of_readers = 0 if row.apart else max(peak.children - stage.reader, 0)
    measured.memory = max(measured.memory, peak.own - before + of_readers)
    measured.failures += seen["failures"]


def _kept(row: Row, stage: Stage, before: int) -> int:
    """Return what stays of the memory; it may take a moment to be given back."""
    until = time.monotonic() + SECONDS_TO_RETURN
    while (kept := resident(stage.pid) - before) > _may_stay(row) and time.monotonic() < until:
        time.sleep(0.05)
    return kept


def _may_stay(row: Row) -> int:
    return KEPT_OF_DOCUMENTS if row.apart else KEPT_MEMORY


def _faults(row: Row, measured: list[Measured], kept: int) -> Iterator[str]:
    for each in measured:
        yield from _faults_at(row, each)
    for less, more in pairwise(measured):
        times = more.size / max(less.size, 1)
        likely = SLACK * times * max(less.cpu, RESOLUTION) + less.doubt + more.doubt
        if more.cpu > max(READING if row.apart else FLOOR, likely):
            yield f"{times:.1f} times the size took {more.cpu:.2f} s of processor time after {less.cpu:.3f} s"
    if kept > _may_stay(row):
        yield f"{kept / MIB:.0f} MiB of memory stayed"


def _faults_at(row: Row, each: Measured) -> Iterator[str]:
    if each.wait >= LONGEST_WAIT:
        yield f"at scale {each.scale} another caller waited {each.wait:.2f} s"
    if each.memory > MOST_MEMORY:
        yield f"at scale {each.scale} memory grew by {each.memory / MIB:.0f} MiB"
    if each.failures:
        yield f"at scale {each.scale} another caller was answered {each.failures[0]!r}"
    if unexpected := each.outcomes - row.expected:
        yield f"at scale {each.scale} it was answered {sorted(unexpected)}, not {sorted(row.expected)}"
