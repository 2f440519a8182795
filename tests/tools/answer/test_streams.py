"""Streams of values are collected into a list, whole values only."""

import orjson
import pytest

from app.tools.answer.body import is_stream
from app.tools.answer.streams import StreamValues, values_of

EVENTS = "text/event-stream"


def of(text: str, content_type: str = EVENTS, *, truncated: bool = False) -> StreamValues:
    stream = values_of(text, content_type, truncated=truncated)
    assert stream is not None
    return stream


def values(stream: StreamValues) -> object:
    return orjson.loads(stream.raw)


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: one\n\n", [{"data": "one"}]),
        ('data: {"a": 1}\n\ndata: [DONE]\n\n', [{"data": {"a": 1}}, {"data": "[DONE]"}]),
        ("event: tick\nid: 7\ndata: 1\n\n", [{"event": "tick", "id": "7", "data": 1}]),
        ("data: a\ndata: b\n\n", [{"data": "a\nb"}]),
        ('data: {"a":\ndata: 1}\n\n', [{"data": {"a": 1}}]),
        ("data:tight\r\n\r\ndata:  two spaces\r\r", [{"data": "tight"}, {"data": " two spaces"}]),
        (": comment\nretry: 5\n\ndata\n\n", [{"data": ""}]),
        ("event: only\n\ndata: next\n\n", [{"data": "next"}]),
        ("\ufeffdata: marked\n\n", [{"data": "marked"}]),
        ("data: a\u2028b\x0bc\n\n", [{"data": "a\u2028b\x0bc"}]),
        ("data: 1e999\n\n", [{"data": "1e999"}]),
        ("data: without an end", [{"data": "without an end"}]),
        ("data: without\ndata: an end", [{"data": "without\nan end"}]),
        ("", []),
    ],
)
def test_server_sent_events_become_a_list(text: str, events: list[object]) -> None:
    stream = of(text)
    assert (values(stream), stream.truncated) == (events, False)


def test_of_a_stream_that_was_cut_the_unfinished_event_is_left_out() -> None:
    stream = of("data: 1\n\ndata: 2\n\ndata: 34", truncated=True)
    assert (values(stream), stream.truncated) == ([{"data": 1}, {"data": 2}], True)
    assert values(of("data: 1", truncated=True)) == []


@pytest.mark.parametrize(
    "content_type", ["application/x-ndjson", "application/jsonl", "application/X-JSONLines; charset=utf-8"]
)
def test_lines_of_json_become_a_list(content_type: str) -> None:
    assert values(of('{"a": 1}\r\n\n[2]\n"three"', content_type)) == [{"a": 1}, [2], "three"]
    assert values(of("1\n2\n34", content_type, truncated=True)) == [1, 2]
    assert values_of("1\nnot json\n", content_type, truncated=False) is None


def test_a_json_text_sequence_becomes_a_list() -> None:
    sequence = '\x1e{"a":\n1}\n\x1e2\n\x1e34'
    assert values(of(sequence, "application/json-seq")) == [{"a": 1}, 2, 34]
    assert values(of(sequence, "application/json-seq", truncated=True)) == [{"a": 1}, 2]


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ('{"a":1}\n2\n', "application/vnd.elasticsearch+x-ndjson; compatible-with=8"),
        ('{"a":1}\n2\n', "text/jsonl"),
        ('\x1e{"a":1}\n\x1e2\n', "application/geo+json-seq"),
    ],
)
def test_streams_are_known_by_their_suffix_too(text: str, content_type: str) -> None:
    assert is_stream(content_type)
    assert values(of(text, content_type)) == [{"a": 1}, 2]


def test_what_is_nested_too_deep_to_be_written_again_is_kept() -> None:
    deep = "[" * 300 + "]" * 300
    assert of(f"data: {deep}\n\n").raw == f'[{{"data":{deep}}}]'.encode()
    assert of(deep, "application/x-ndjson").raw == f"[{deep}]".encode()


def test_no_stream_makes_more_than_ten_thousand_values() -> None:
    for text, content_type in (("data\n\n", EVENTS), ("1\n", "application/x-ndjson")):
        assert not of(text * 10_000, content_type).truncated
        stream = of(text * 10_001, content_type)
        assert (len(orjson.loads(stream.raw)), stream.truncated) == (10_000, True)


@pytest.mark.parametrize(
    ("line", "content_type"),
    [
        ("\r", EVENTS),
        ("id:7\n", EVENTS),
        ("data\n", EVENTS),
        ("\n", "application/jsonl"),
        ("\x1e", "application/json-seq"),
    ],
)
def test_no_stream_is_read_beyond_a_hundred_thousand_lines(line: str, content_type: str) -> None:
    last = "data: 1\n\n" if content_type == EVENTS else "1\n"
    assert not of(line * 99_990 + last, content_type).truncated
    stream = of(line * 100_001 + last, content_type)
    assert (values(stream), stream.truncated) == ([], True)


def test_only_streams_are_streams() -> None:
    assert is_stream("Text/Event-Stream; charset=utf-8")
    assert not any(is_stream(each) for each in (None, "", "application/json", "text/plain", "text/event-stream2"))
