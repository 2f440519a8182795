"""What lets two runs go on side by side on one machine: turns at what they share, ports that nobody else takes."""

import subprocess
import sys
from pathlib import Path

from seed.ports import RANGE, free_port
from tests.support.servers import listener

IN_TURN = "import sys; from pathlib import Path; from seed.turns import turn\nwith turn(Path(sys.argv[1])): {}"
ROOT = Path(__file__).parents[1]


def test_who_has_the_turn_is_alone_until_it_leaves(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "lock"
    first, second = (
        [sys.executable, "-c", IN_TURN.format(what), str(file)]
        for what in ("print('in', flush=True); sys.stdin.read()", "print('in')")
    )
    with subprocess.Popen(first, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:  # noqa: S603
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        with subprocess.Popen(second, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:  # noqa: S603
            try:
                other.wait(timeout=2)
                waited = False
            except subprocess.TimeoutExpired:
                waited = True
            holder.communicate()
            assert other.wait(timeout=30) == 0
    assert waited


def test_a_port_for_a_program_is_none_that_the_system_gives_to_connections() -> None:
    with listener() as given:
        by_the_system = given.getsockname()[1]
    ports = {free_port() for _ in range(50)}
    assert len(ports) > 40
    assert by_the_system not in RANGE
    assert {port for port in ports if port not in RANGE} == set()
