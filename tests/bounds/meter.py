"""What a process and those that it started cost, as Linux tells it below /proc."""

import os
import threading
import time
from pathlib import Path
from typing import Self

MIB = 1024 * 1024
_TICKS = os.sysconf("SC_CLK_TCK")
_EVERY = 0.01  # seconds between two looks at the children
_KEEP_PEAK_FROM_NOW = "5"  # proc_pid_clear_refs(5): VmHWM becomes VmRSS


def cpu_seconds(pid: int) -> float:
    """Processor time so far: of the process to the nanosecond, of children that have ended in ticks."""
    of_children = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[13:15]
    return time.clock_gettime((~pid << 3) | 2) + sum(map(int, of_children)) / _TICKS  # as clock_getcpuclockid(3)


def resident(pid: int) -> int:
    """Bytes that the process itself holds now."""
    return _bytes_of(pid, "VmRSS")


def _bytes_of(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0  # of one that has ended


def _children_of(pid: int) -> list[int]:
    """Those that are programs of their own by now: until then a child shows the memory of its parent."""
    own = _program_of(pid)
    return [child for child in _forked_from(pid) if _program_of(child) not in {own, b""}]


def _program_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _forked_from(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(each) for each in (task / "children").read_text(encoding="ascii").split()]
        except OSError:  # a thread that has ended
            continue
    return found


class Peak:
    """The highest memory while the block lasts: `own` bytes of the process, `children` of those it started together.

    The process's is exact, since the kernel keeps it. Children are looked at every 10 ms, each with its own peak.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self.own = self.children = 0

    def __enter__(self) -> Self:
        Path(f"/proc/{self._pid}/clear_refs").write_text(_KEEP_PEAK_FROM_NOW, encoding="ascii")
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watching.join()
        self.own = _bytes_of(self._pid, "VmHWM")

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY):
            together = 0
            for child in _children_of(self._pid):
                try:
                    together += _bytes_of(child, "VmHWM")
                except OSError:
                    continue
            self.children = max(self.children, together)
