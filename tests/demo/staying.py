"""A demo that stays, started as a user would, for as long as a block lasts."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (str(Path(sys.executable).with_name("tools-provider")), "demo", "--any-ports")  # others may play, too
STAYS = "The provider's log:"
END_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Demo:
    """What it printed until it had played, and its process."""

    output: str
    process: subprocess.Popen[str]

    @property
    def mcp_url(self) -> str:
        return self.found(r"^MCP: (\S+)")

    @property
    def token_command(self) -> str:
        """The shell command that sets TOKEN."""
        return self.found(r"^(TOKEN=.*)$")

    @property
    def ports(self) -> list[int]:
        """Where the demo says that somebody listens."""
        return sorted({int(port) for port in re.findall(r"http://localhost:(\d+)", self.output)})

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.output, re.MULTILINE)
        assert match is not None, self.output
        return match[1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; returns its exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=END_SECONDS)
        return self.process.returncode


@contextmanager
def staying_demo(until: str = STAYS) -> Iterator[Demo]:
    """A demo that has printed a line with `until`."""
    process = subprocess.Popen(  # noqa: S603
        [*COMMAND],
        cwd=ROOT,
        env=clean_environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if until in line:
                    break
            output = "".join(lines)
            assert until in output, output
            yield Demo(output, process)
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=END_SECONDS)


def clean_environment() -> dict[str, str]:
    """Ours, with standard output unbuffered so that a line is read when it is written."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}
