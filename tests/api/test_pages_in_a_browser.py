"""The pages in a real browser that reaches nothing but this server."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.installation import RunningProvider

pytestmark = pytest.mark.extended

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ALONE = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
MILLISECONDS = 20_000  # of the page's own time, which passes as fast as it has nothing to do


@dataclass(frozen=True, slots=True)
class Visit:
    """What the page became, what it asked for, and what the browser had to say."""

    page: str
    requests: list[str]
    complaints: list[str]


def visit(address: str, folder: Path) -> Visit:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed here.")
    log = folder / "network.json"
    command = [
        CHROMIUM, *ALONE, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--enable-logging=stderr",
        f"--virtual-time-budget={MILLISECONDS}", "--dump-dom", address,
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)  # noqa: S603
    said = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    return Visit(run.stdout, requests_in(json.loads(log.read_text(encoding="utf-8"))), said)


def requests_in(log: dict[str, Any]) -> list[str]:
    """What pages asked for, whether or not anything came, without what the browser asks for by itself."""
    started = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [
        event["params"] for event in log["events"] if event["type"] == started and "url" in event.get("params", {})
    ]
    return [each["url"] for each in asked if each["network_isolation_key"].startswith("http://127.0.0.1 ")]


def test_the_reference_is_shown_without_any_request_to_another_origin(
    provider: RunningProvider, tmp_path: Path
) -> None:
    seen = visit(f"{provider.address}/docs", tmp_path)
    document = provider.http.get("/openapi.json").json()
    assert {path for path in document["paths"] if f'data-path="{path}"' not in seen.page} == set()
    assert {urlsplit(address).netloc for address in seen.requests} == {urlsplit(provider.address).netloc}
    assert f"{provider.address}/openapi.json" in seen.requests
    assert seen.complaints == []


def test_the_front_page_is_shown_as_it_is_meant(provider: RunningProvider, tmp_path: Path) -> None:
    seen = visit(f"{provider.address}/", tmp_path)
    assert f"{provider.settings.public_url}/mcp" in seen.page
    asked = {urlsplit(address).path for address in seen.requests}
    assert asked - {"/static/icon.svg"} == {"/", "/static/front.css"}  # the icon may come after the page
    assert seen.complaints == []
