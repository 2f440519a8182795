"""The program `tools-provider`, also as `python -m app`: what there must be before a command can run."""

import importlib
import os
import sys
from pathlib import Path

_INTERRUPTED = 130  # exit status


def main() -> None:
    """Load and run the command line; Ctrl-C ends it at any time, and what goes to a closed stream is lost."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    try:
        importlib.import_module("app.cli").main()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
