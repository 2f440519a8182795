"""An upstream whose document and answers are bytes that a test chooses, with a loop of its own; it keeps every head."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anyio.from_thread import start_blocking_portal

from tests.support.scripted import Answer, Scripted, ok, scripted

DOCUMENT_PATH = "/openapi.json"


class Raw:
    """`document` answers for the document, `answer` anything else; `heads` are the requests that were no document's."""

    def __init__(self) -> None:
        self.server = Scripted()
        self.document: bytes | Answer = b""
        self.answer: bytes | Answer = ok(b"{}")

    @property
    def address(self) -> str:
        return self.server.address

    @property
    def url(self) -> str:
        return f"{self.address}{DOCUMENT_PATH}"

    @property
    def heads(self) -> list[str]:
        return [head for head in self.server.heads if not _asks_for_the_document(head)]

    def describe(self, content: dict[str, Any] | bytes, kind: str = "application/json") -> None:
        """Serve this document from now on."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.document = ok(body, f"Content-Type: {kind}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self.document if _asks_for_the_document(self.server.heads[-1]) else self.answer
        if callable(answer):
            await answer(reader, writer)
        else:
            writer.write(answer)
            await writer.drain()


def _asks_for_the_document(head: str) -> bool:
    return head.startswith(f"GET {DOCUMENT_PATH} ")


@contextmanager
def raw_upstream(tls: ssl.SSLContext | None = None) -> Iterator[Raw]:
    raw = Raw()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(scripted(raw.serve, tls)) as raw.server,
    ):
        yield raw
