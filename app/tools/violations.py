"""Says what is wrong with the arguments of a call, once, at whichever step it was found."""

from collections.abc import Sequence

from app.errors import Invalid, Violation

MOST_TOLD = 5  # violations that the detail itself tells


def invalid_arguments(violations: Sequence[Violation]) -> Invalid:
    """Return the failure; its detail tells the first violations, and how many more there are."""
    told = violations[:MOST_TOLD]
    shown = "; ".join(f"{violation.pointer or 'the arguments'} {violation.detail}" for violation in told)
    more = f"; and {len(violations) - len(told)} more" if len(violations) > len(told) else ""
    end = "" if f"{shown}{more}".endswith("?") else "."
    return Invalid("invalid_arguments", f"Nothing was sent. Correct these arguments: {shown}{more}{end}", violations)
