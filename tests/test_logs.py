"""Log lines: one JSON object each, and no token, secret or forged line in any of them."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from app.logs import configure_logging, redact
from app.telemetry import Telemetry
from tests.effort import at_most
from tests.support.clock import Clock

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2lnbmF0dXJl-_x"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_a_line_is_json_with_level_logger_time_and_trace(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    telemetry = Telemetry()
    with telemetry.span("execute_tool"):
        structlog.get_logger("app.tools").info("sent", source="pizzeria", status=200)
    structlog.get_logger("app.tools").debug("not at this level")
    telemetry.shutdown()
    (line,) = lines(capfd)
    assert len(line.pop("trace_id")) == 32
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "sent", "level": "info", "logger": "app.tools", "source": "pizzeria", "status": 200}


def test_of_a_flood_the_first_ten_of_a_second_are_lines_and_one_tells_the_number_of_the_others(
    capfd: pytest.CaptureFixture[str],
) -> None:
    clock = Clock(1_000.0)
    configure_logging("INFO", clock)
    ours, library = structlog.get_logger("app.tools"), logging.getLogger("app.credentials")
    for _ in range(25):
        ours.warning("no answer", source="pizzeria", code="upstream_timeout")
        ours.warning("no answer", source="pasta", code="upstream_timeout")
        library.warning("no Keycloak", extra={"status": 403})
        ours.error("stored nowhere else", record="x")
    clock.advance(1)
    ours.info("later")
    written = lines(capfd)
    assert Counter((line["event"], line.get("source"), line.get("left_out")) for line in written) == {
        ("no answer", "pizzeria", None): 10,
        ("no answer", "pizzeria", 15): 1,
        ("no answer", "pasta", None): 10,
        ("no answer", "pasta", 15): 1,
        ("no Keycloak", None, None): 10,
        ("no Keycloak", None, 15): 1,
        ("stored nowhere else", None, None): 25,
        ("later", None, None): 1,
    }
    told = next(line for line in written if line.get("left_out"))
    assert (told["level"], told["logger"], told["code"]) == ("warning", "app.tools", "upstream_timeout")


def test_what_was_only_counted_is_told_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", Clock(1_000.0))
    for _ in range(11):
        structlog.get_logger("app.tools").warning("no answer")
    assert len(lines(capfd)) == 10
    logging.getLogger().handlers[0].close()
    assert [line["left_out"] for line in lines(capfd)] == [1]


@pytest.mark.parametrize(
    "name", ["httpx", "httpcore", "aiohttp.client", "sqlalchemy.engine", "aiosqlite", "mcp.server"]
)
def test_libraries_stay_silent_at_debug(capfd: pytest.CaptureFixture[str], name: str) -> None:
    configure_logging("DEBUG")
    logging.getLogger(name).debug("headers: %s", {"authorization": f"Bearer {JWT}"})
    logging.getLogger(name).warning("kept: Bearer %s", JWT)
    structlog.get_logger("app").debug("ours")
    assert [line["event"] for line in lines(capfd)] == ["kept: Bearer [redacted]", "ours"]


@pytest.mark.parametrize(
    "text",
    [
        f"got {JWT} today",
        f"Authorization: Bearer {JWT}",
        f"pizzeria__{JWT}",
        "authorization=bearer%20S3cr3tS3cr3t",
        "Basic S3cr3tS3cr3t==",
        "client_secret=S3cr3tS3cr3t&grant_type=x",
        '{"client_secret": "S3cr3tS3cr3t"}',
        "{'password': 'S3cr3tS3cr3t'}",
        "https://example.org/?access_token=S3cr3tS3cr3t#x",
        "postgresql://tools:S3cr3tS3cr3t@db/tools",
        "subject_token=S3cr3tS3cr3t",
    ],
)
def test_tokens_and_secrets_are_taken_out_of_text(text: str) -> None:
    cleaned = redact(text)
    assert "[redacted]" in cleaned
    assert "S3cr3t" not in cleaned
    assert JWT.split(".")[1] not in cleaned


@pytest.mark.parametrize(
    "text", ["Token exchange successful for audience pizzeria, expires in 299s", "token_id 4f, scope=email openid"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_fields_named_like_secrets_and_tracebacks_are_cleaned(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    log = structlog.get_logger("app")
    try:
        raise RuntimeError(f"no good: {JWT}")
    except RuntimeError:
        log.exception("failed", client_secret="plain-looking", Authorization="plain-looking", token_id="jti-1")
    (line,) = lines(capfd)
    assert line["client_secret"] == line["Authorization"] == "[redacted]"
    assert line["token_id"] == "jti-1"
    assert "RuntimeError: no good: [redacted]" in line["exception"]
    assert "eyJ" not in json.dumps(line)


def test_line_breaks_and_escapes_forge_no_line(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    forged = 'x\r\n{"event": "admin logged in"}\x1b[2K\u2028'
    structlog.get_logger("app").info("tool %s", forged, tool=forged)
    logging.getLogger("uvicorn.error").warning(forged)
    for line in lines(capfd):
        for value in line.values():
            assert not set("\r\n\x1b\u2028") & set(value)


@pytest.mark.parametrize("sign", ["\x00", "\x7f", "\x9b", "\x85", "\u2029", "\u202e", "\u2066", "\u200b", "\U000e0041"])
def test_what_hides_is_written_out_in_lines_and_tracebacks(capfd: pytest.CaptureFixture[str], sign: str) -> None:
    configure_logging("INFO")
    try:
        raise RuntimeError(f"a{sign}b")
    except RuntimeError:
        structlog.get_logger("app").exception(f"a{sign}b", tool=f"a{sign}b")
    written = capfd.readouterr().err
    assert written.removesuffix("\n").isprintable()
    line = json.loads(written)
    escape = f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"
    assert (line["event"], line["tool"]) == (f"a{escape}b", f"a{escape}b")
    assert line["exception"].splitlines()[-1] == f"RuntimeError: a{escape}b"


def test_a_value_has_its_longest_length_and_no_half_of_a_token_at_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    text = f"{'x' * 31_900} {JWT}{JWT.split('.')[1] * 50} tail"
    structlog.get_logger("app").info("long", path=text)
    (line,) = lines(capfd)
    assert line["path"].endswith("[redacted]…")
    assert len(line["path"]) < 32_000


def test_redaction_takes_time_in_proportion() -> None:
    with at_most(1):
        assert redact("eyJ-" * 50_000 + "end").endswith("end")
        assert redact("eyJabcdefg-" * 20_000 + "end").endswith("end")
