"""docs/reference/metrics.md names every metric with its labels, and the messages that the product logs."""

import re

from prometheus_client.parser import text_string_to_metric_families

from app.telemetry import Telemetry
from tests.docs.pages import ROOT, quoted, rows

REFERENCE = ROOT / "docs/reference/metrics.md"
SUFFIXES = re.compile(r"_(total|seconds)$")


def recorded() -> dict[str, set[str]]:
    telemetry = Telemetry()
    telemetry.exchange_sent(audience="pizzeria-backend", seconds=0.1, error="idp_unreachable")
    telemetry.exchange_cache_hit(audience="pizzeria-backend")
    telemetry.breaker_changed("identity-provider", "open")
    telemetry.tool_called(source="pizzeria-backend", outcome="ok", seconds=0.1)
    telemetry.passthrough_called(source="opening-hours")
    telemetry.audit_unsaved(1)
    text = telemetry.render_prometheus().decode()
    telemetry.shutdown()
    return {
        SUFFIXES.sub("", family.name): {label for sample in family.samples for label in sample.labels} - {"le"}
        for family in text_string_to_metric_families(text)
        if family.name.startswith("tools_provider_")
    }


def test_the_reference_names_every_metric_with_its_labels() -> None:
    metrics = [row for row in rows(REFERENCE) if row[0].startswith("`tools_provider.")]
    assert {quoted(row[0])[0].replace(".", "_"): set(quoted(row[1])) for row in metrics} == recorded()


def test_the_messages_are_those_in_the_code() -> None:
    told = [quoted(row[0])[0] for row in rows(REFERENCE) if row[0][1:].startswith(("Token exchange", "No audience"))]
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "app/credentials").rglob("*.py"))
    logged = {re.sub(r"%[sd]", "…", text) for text in re.findall(r'_log\.debug\(\s*"([^"]+)"', code)}
    assert len(told) == 3
    assert set(told) <= logged
