"""What a run of the tests tells at its end, gathered from properties of reports, whichever process they come from."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from seed.keycloak.distribution import missing_programs

RAN_ON_KEYCLOAK = "Keycloak"  # the property of a test that ran on a real one; its value is the version
ROUND_TRIPS = "round trips"  # … of a test that judged some; its value is how many, and how many were discarded
MODEL_APIS = "model APIs"  # … of the test that asks what they take; its value is how many of how many tools, of each


def in_ci() -> bool:
    return os.environ.get("CI") == "true"


def why_no_keycloak() -> str | None:
    """Why the contract cannot run on a real Keycloak here, if it cannot and need not."""
    missing = () if os.environ.get("KEYCLOAK_URL") or in_ci() else missing_programs()
    return f"it needs {' and '.join(missing)} on the PATH, or KEYCLOAK_URL" if missing else None


def closing_lines(reporter: pytest.TerminalReporter) -> Iterator[str]:
    versions = list(_values(reporter, ("passed", "failed", "error"), "call", RAN_ON_KEYCLOAK))
    if versions:
        yield f"Keycloak {versions[0]}: {len(versions)} tests of the contract ran on it"
    elif (reason := why_no_keycloak()) is not None:
        yield f"The contract did not run on a real Keycloak: {reason}"
    tallies = list(_values(reporter, ("",), "teardown", ROUND_TRIPS))
    if tallies:
        judged, discarded = (sum(column) for column in zip(*tallies, strict=True))
        share = discarded / max(judged + discarded, 1)
        yield f"{judged:,} round trips were judged; {share:.1%} of the examples discarded"
    for taken in _values(reporter, ("passed", "failed"), "call", MODEL_APIS):
        told = (f"{api} {number:,}" for api, (number, _) in taken.items())
        tools = next(iter(taken.values()))[1]
        yield f"Of {tools:,} tools of real documents pass: {'; '.join(told)}"


def _values(reporter: pytest.TerminalReporter, outcomes: tuple[str, ...], when: str, name: str) -> Iterator[Any]:
    for outcome in outcomes:
        for report in reporter.getreports(outcome):
            if isinstance(report, pytest.TestReport) and report.when == when:
                yield from (value for key, value in report.user_properties if key == name)
