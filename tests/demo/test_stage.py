"""What the audience sees: readable in plain text, and no claim that does not hold."""

import io

import pytest
from rich.console import Console

from seed.bearer.caller import Caller
from seed.demo.stage import WIDTH, Stage, StepFailed

SENT = Caller(sub="user-1", azp="frontend", aud=["exchange"], lifetime=300, expires_in=298)
RECEIVED = Caller(sub="user-1", azp="exchange", aud=["pizzeria-backend"], lifetime=60, expires_in=60)


def stage() -> tuple[Stage, io.StringIO]:
    seen = io.StringIO()
    return Stage(Console(file=seen, width=WIDTH, highlight=False)), seen


def test_a_claim_that_holds_is_shown() -> None:
    play, seen = stage()
    with play.step("Something happens"):
        play.claim("it did", True)
    assert [line.strip() for line in seen.getvalue().splitlines() if line] == ["1  Something happens", "✓ it did"]


def test_a_claim_that_does_not_hold_ends_the_step_and_names_it() -> None:
    play, _ = stage()
    with pytest.raises(StepFailed, match=r"step 1 \(Something happens\): “it did” does not hold; seen: 'nothing'"):  # noqa: SIM117
        with play.step("Something happens"):
            play.claim("it did", False, "nothing")


def test_whatever_breaks_in_a_step_names_the_step() -> None:
    play, _ = stage()
    with play.step("First"):
        pass
    with pytest.raises(StepFailed, match=r"step 2 \(Second\): KeyError: 'order'"), play.step("Second"):
        raise KeyError("order")


def test_both_tokens_stand_side_by_side_by_their_claims() -> None:
    play, seen = stage()
    play.tokens(SENT, RECEIVED, "pizzeria-backend")
    rows = [line.split() for line in seen.getvalue().splitlines()]
    assert rows[1:] == [
        ["sub", "user-1", "user-1"],
        ["azp", "frontend", "exchange"],
        ["aud", "exchange", "pizzeria-backend"],
        ["life", "300", "s,", "298", "s", "left", "60", "s,", "60", "s", "left"],
    ]
    assert "received and verified" in seen.getvalue()


def test_where_nothing_was_sent_the_stage_says_so() -> None:
    play, seen = stage()
    play.tokens(SENT, None, "pizzeria-backend")
    assert "nothing was sent to pizzeria-backend" in seen.getvalue()
    assert "received" not in seen.getvalue()


def test_where_there_is_no_terminal_there_are_no_control_characters() -> None:
    play, seen = stage()
    play.title("Title [with] brackets")
    play.facts([("name", "value [x]")])
    play.call("request [a]", "answer [/b]")
    play.say("[red]said[/red]")
    play.failed("no [x]")
    text = seen.getvalue()
    assert "\x1b" not in text
    for part in ("Title [with] brackets", "value [x]", "request [a]", "answer [/b]", "[red]said[/red]", "no [x]"):
        assert part in text
