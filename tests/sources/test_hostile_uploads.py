"""Documents that are made to hurt: answered with a reason, at a bounded cost, while others go on."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sources.conftest import document
from tests.support.installation import Headers, RunningProvider

BASE_URL = "http://127.0.0.1:9"
HEAD = "openapi: 3.1.0\ninfo: {title: B, version: '1'}\npaths: {}\n"
MOST_MEMORY = 150_000_000  # bytes that one of them may cost the process that answers
MANY = 1_000_001


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"source_read_timeout": 5.0}


@pytest.fixture
def rest(provider: RunningProvider, admin: Headers) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{provider.address}/api/v1", headers=admin, trust_env=False, timeout=100) as client:
        yield client
        for source in client.get("/sources").json()["items"]:
            client.delete(f"/sources/{source['id']}")


def with_schemas(**schemas: Any) -> str:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/A0"}}}
    paths = {"/a": {"post": {"requestBody": {"content": content}, "responses": {}}}}
    return json.dumps(document() | {"paths": paths, "components": {"schemas": schemas}})


def levels(number: int, below: Any, start: str) -> str:
    return f"a0: &a0 {start}\n" + "".join(f"a{n}: &a{n} {below(f'*a{n - 1}')}\n" for n in range(1, number))


def wide(level: int) -> Any:
    return {"allOf": [{"$ref": f"#/components/schemas/A{level + 1}"}] * 10} if level < 8 else {"type": "object"}


REFUSED = {
    "aliases that double": (HEAD + levels(60, lambda a: f"[{a}, {a}]", "[x]"), "SOURCE_MAX_ALIAS_NODES"),
    "a large alias many times": (
        HEAD + "a: &a [" + "x, " * 9_999 + "x]\nb: [" + "*a, " * 9_999 + "*a]\n",
        "SOURCE_MAX_ALIAS_NODES",
    ),
    "merged keys that double": (
        HEAD + levels(60, lambda a: f"{{<<: [{a}, {a}], k: {a}}}", "{x: 1}"),
        "SOURCE_MAX_ALIAS_NODES",
    ),
    "an alias to itself": (HEAD + "a: &a [*a]\n", "alias"),
    "deep json": ("[" * 500_000, "SOURCE_MAX_DEPTH"),
    "deep yaml": (HEAD + "a: " + "[" * 100_000, "SOURCE_MAX_DEPTH"),
    "deep objects": ('{"a":' * 900 + "1" + "}" * 900, "SOURCE_MAX_DEPTH"),
    "many empty lists": ('{"a":[' + "[]," * MANY + "[]]}", "SOURCE_MAX_NODES"),
    "many numbers": ('{"a":[' + "1," * MANY + "1]}", "SOURCE_MAX_NODES"),
    "many names": ("{" + ",".join(f'"{n}":0' for n in range(MANY)) + "}", "SOURCE_MAX_NODES"),
    "many files": (
        json.dumps(document() | {"paths": {f"/{n}": {"$ref": f"http://a.example/{n}.json"} for n in range(50_000)}}),
        "SOURCE_MAX_FILES",
    ),
    "many operations": (json.dumps(document(*(f"/{n}" for n in range(10_001)))), "SOURCE_MAX_OPERATIONS"),
    "a number without end": (HEAD + "a: " + "9" * 1_000_000 + "\n", "number"),
    "an infinite number": (HEAD + "a: 1e999\n", "number"),
    "no utf-8": (HEAD + "a: \x00\n", "YAML"),
    "a tag that runs code": (HEAD + "a: !!python/object/apply:os.system [id]\n", "tag"),
    "keys that are lists": (HEAD + "? [a, b]\n: 1\n", "key"),
    "two documents": (HEAD + "---\n" + HEAD, "another"),
    "an open quotation": (HEAD + "a: '" + "x " * 1_000_000, "YAML"),
}
READ = {
    "references that fan out": with_schemas(**{f"A{level}": wide(level) for level in range(9)}),
    "a schema that is itself": with_schemas(A0={"$ref": "#/components/schemas/A0"}),
    "a schema of itself": with_schemas(A0={"allOf": [{"$ref": "#/components/schemas/A0"}]}),
    "a long chain": with_schemas(**{f"A{n}": {"$ref": f"#/components/schemas/A{n + 1}"} for n in range(20_000)}),
    "a slow pattern": with_schemas(A0={"type": "string", "pattern": "(a+)+$"}),
    "a long text": json.dumps(document("/a") | {"x-long": "x" * 10_000_000}),
}


SOURCE = {"name": "Bomb", "slug": "bomb", "base_url": BASE_URL}


def send(rest: httpx.Client, content: str | bytes) -> httpx.Response:
    return rest.post("/sources", data={"source": json.dumps(SOURCE)}, files={"document": content})


def memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@pytest.mark.parametrize("bomb", REFUSED)
def test_a_bomb_is_refused_with_the_limit_or_the_place(bomb: str, rest: httpx.Client) -> None:
    content, reason = REFUSED[bomb]
    answer = send(rest, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_document"), answer.text
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("bomb", READ)
def test_what_is_large_only_when_unfolded_is_read_as_it_is(bomb: str, rest: httpx.Client) -> None:
    answer = send(rest, READ[bomb])
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["report"]) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak of a process's memory")
@pytest.mark.parametrize("bomb", ["aliases that double", "many empty lists", "many names", "deep json"])
def test_a_bomb_costs_the_process_that_answers_little_memory(bomb: str, rest: httpx.Client) -> None:
    content = REFUSED[bomb][0]
    rest.get("/sources")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = memory("VmRSS")
    assert send(rest, content).status_code == 422
    assert memory("VmHWM") - before < MOST_MEMORY


def test_others_are_answered_while_a_bomb_is_read(
    rest: httpx.Client, provider: RunningProvider, admin: Headers
) -> None:
    slow = HEAD + "a:\n" + "- x\n" * 900_000
    assert answered_while(lambda: send(rest, slow), provider, admin, {201, 422}) > 5


PART = b"--b\r\nContent-Disposition: form-data; name=document; filename=x\r\n\r\n"
FORMS = {
    "starts of boundaries": (PART + b"\r\n--" * 4_500_000, "last boundary"),
    "line ends": (PART + b"\r" * 18_000_000, "last boundary"),
    "many parts": (PART * 100_000, "Too many files"),
    "many headers": (b"--b\r\n" + b"a: b\r\n" * 1_000_000, "Invalid multipart data."),
    "a long header": (b"--b\r\na: " + b"b" * 10_000_000, "Invalid multipart data."),
    "an unnamed part": (b"--b\r\n\r\nx\r\n--b--\r\n", "name"),
    "a part nobody asked for": (PART.replace(b"document", b"other") + b"x\r\n--b--\r\n", "`source` and `document`"),
    "a part twice": ((PART + b"x\r\n") * 2 + b"--b--\r\n", "each once"),
    "nothing": (b"", "last boundary"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_malformed_form_is_refused_while_others_are_answered(
    form: str, rest: httpx.Client, provider: RunningProvider, admin: Headers
) -> None:
    body, reason = FORMS[form]
    answers: list[httpx.Response] = []

    def post() -> httpx.Response:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        answers.append(rest.post("/sources", content=body, headers=headers))
        return answers[0]

    answered_while(post, provider, admin, {422})
    assert answers[0].json()["code"] == "invalid_request"
    assert reason in answers[0].json()["detail"]


def answered_while(
    work: Callable[[], httpx.Response], provider: RunningProvider, admin: Headers, expected: set[int]
) -> int:
    """How many others were answered meanwhile; none waited for most of the work, however slow the machine is."""
    ended: list[httpx.Response] = []
    working = threading.Thread(target=lambda: ended.append(work()))
    working.start()
    began = time.monotonic()
    waits: list[float] = []
    while working.is_alive():
        started = time.monotonic()
        assert provider.http.get("/api/v1/tools", headers=admin).status_code == 200
        waits.append(time.monotonic() - started)
    working.join()
    assert ended[0].status_code in expected, ended[0].text
    assert max(waits, default=0) < max(1, (time.monotonic() - began) / 2)
    return len(waits)
