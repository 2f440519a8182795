"""Log lines: JSON on stderr, one object a line, without tokens, secrets or what forges lines and hides (CWE-117).

Like records of refusals (audit/outcome.py) they are bounded, so that a flood of calls does not fill the disk.
"""

import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from app.operation.text import written_out
from app.telemetry import current_trace_id

REDACTED = "[redacted]"

_SECRET_NAMES = (
    r"(?:[a-z_]*(?:secret|password|assertion)|(?:access|refresh|id|subject|actor|agent|bearer)_token|api_?key)"
)
# Possessive, and also where no dot follows: what could be the beginning of many is looked at once.
_JWT = re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{6,}+(\.[\w-]*(?:\.[\w-]*){0,3})?")
_CREDENTIALS = re.compile(r"\b(bearer|basic|dpop)([ +]|%20)+[\w.~+/=%-]{6,}", re.IGNORECASE)
_NAMED = re.compile(rf"\b({_SECRET_NAMES})([\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}})]+", re.IGNORECASE)
_USERINFO = re.compile(r"(://)[^/\s:@]*:[^/\s@]*@")
_SECRET_KEY = re.compile(r"(?:^|_)(?:secret|password|token|authorization|cookie|api_?key)$", re.IGNORECASE)
_LONGEST = 32_000  # characters of a value; an audit record that is stored nowhere else must fit

EACH_BY_ITSELF = 10
WINDOW = 1.0  # seconds
_BOUNDED = (logging.INFO, logging.WARNING)  # an error may be the only place where an audit record is

_Alike = tuple[str, int, str, str | None, str | None]  # logger, level, event, source, code


def configure_logging(level: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Write JSON lines to stderr: our own loggers from `level` on, those of libraries from WARNING on.

    Libraries log headers, form bodies and SQL parameters at DEBUG, which are tokens and personal data here; therefore
    `level` never reaches them. Every line passes the redaction, tracebacks included. `clock` counts seconds.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _add_trace_id,
        _redact_event,
    ]
    handler = _Bounded(clock)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render_json],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("app", "seed"):
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _Bounded(logging.StreamHandler[TextIO]):
    """Of lines that are alike it writes the first 10 within a second; a later line tells the number of the others."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(sys.__stderr__)
        self._clock = clock
        self._seen: Counter[_Alike] = Counter()
        self._until = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or count it."""
        if self._clock() >= self._until:
            self._summarise()
            self._until = self._clock() + WINDOW
        alike = _alike(record)
        self._seen[alike] += record.levelno in _BOUNDED
        if self._seen[alike] <= EACH_BY_ITSELF:
            super().emit(record)

    def close(self) -> None:
        """Tell what has only been counted so far."""
        self._summarise()
        super().close()

    def _summarise(self) -> None:
        seen, self._seen = self._seen, Counter()
        for (name, level, event, source, code), number in seen.items():
            if number > EACH_BY_ITSELF:
                told = {"name": name, "levelno": level, "levelname": logging.getLevelName(level), "msg": event}
                about = {name: value for name, value in (("source", source), ("code", code)) if value is not None}
                super().emit(logging.makeLogRecord({**told, **about, "left_out": number - EACH_BY_ITSELF}))


def _alike(record: logging.LogRecord) -> _Alike:
    said = record.msg if isinstance(record.msg, dict) else {**record.__dict__, "event": record.msg}
    source, code = (value if isinstance(value := said.get(name), str) else None for name in ("source", "code"))
    return record.name, record.levelno, str(said.get("event")), source, code


def _add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    trace_id = current_trace_id()
    if trace_id is not None:
        event["trace_id"] = trace_id
    return event


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: value if key.startswith("_") else _clean(key, value) for key, value in event.items()}


def _clean(key: str, value: object) -> object:
    if _names_secret(key):
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    if len(text) > _LONGEST:  # cut before: what is cut of a token is its end, and the rest is still known as one
        text = f"{text[:_LONGEST]}…"
    return written_out(redact(text), lines=key == "exception")


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()


def redact(text: str) -> str:
    """Return the text without JWTs, credentials of an `Authorization` header, named secrets and URL passwords."""
    text = _JWT.sub(lambda match: match[0] if match[1] is None else REDACTED, text)
    text = _CREDENTIALS.sub(rf"\1 {REDACTED}", text)
    text = _NAMED.sub(rf"\1\2{REDACTED}", text)
    return _USERINFO.sub(rf"\1{REDACTED}@", text)


def _names_secret(key: str) -> bool:
    """Tell whether a field of that name holds a secret whatever it looks like (`client_secret`, `Authorization`)."""
    return _SECRET_KEY.search(key.replace("-", "_")) is not None
