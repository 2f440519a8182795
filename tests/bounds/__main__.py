"""Prints what each row costs: `python -m tests.bounds [words that surface or name have]`."""

import sys

from tests.bounds.judging import Verdict, judge
from tests.bounds.meter import MIB, resident
from tests.bounds.rows import ROWS
from tests.bounds.stage import staged

_HEADINGS = f"{'scale':>7} {'size':>12} {'wait':>8} {'memory':>9} {'processor':>10}  answered"


def main(*words: str) -> int:
    """Print a table; the status is 1 if a row does not hold."""
    rows = [row for row in ROWS if all(word in row.title for word in words)]
    failed = 0
    with staged() as (stage, healthy):
        begin = resident(stage.pid)
        print(f"The healthy caller's call costs {healthy.cost * 1000:.1f} ms of processor time.\n{_HEADINGS}")
        for row in rows:
            verdict = judge(row, stage, healthy)
            failed += bool(verdict.faults)
            _show(verdict)
        more = (resident(stage.pid) - begin) / MIB
        print(f"\n{len(rows)} rows, {failed} failed; memory is {more:.0f} MiB more than before them")
    return 1 if failed else 0


def _show(verdict: Verdict) -> None:
    print(f"\n{verdict.row.title}")
    for each in verdict.measured:
        print(
            f"{each.scale:7} {each.size:12,} {each.wait:6.3f} s {each.memory / MIB:5.1f} MiB {each.cpu:8.3f} s  "
            f"{', '.join(sorted(each.outcomes))}"
        )
    print("".join(f"        ✗ {fault}\n" for fault in verdict.faults) or "        ✓ holds", flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
