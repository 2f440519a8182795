"""HTTP/1.1 whatever a client offers: who offers another protocol (`Upgrade`) may be answered as if it had not.

That is RFC 9110 section 7.8. Java's HTTP client offers h2c with every request, and so do the MCP clients made with it.
"""

from array import array
from asyncio import AbstractEventLoop
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

_ENDS = b"\r\n"


class OneProtocol(HttpToolsProtocol):
    """httptools takes what follows the head of such a request for the other protocol, and its body for no body.

    So that head is read twice, the second time without the offer, and what follows it as what it is.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = _Parser(self)

    def on_headers_complete(self) -> None:
        """See httptools."""
        if not self.parser.should_upgrade() or self.parser.get_method() == b"CONNECT":
            self.on_head()

    def on_message_complete(self) -> None:
        """See httptools."""
        if not self.parser.should_upgrade():
            self.on_end()

    def on_head(self) -> None:
        """Begin with the request, whose head has come in full."""
        super().on_headers_complete()

    def on_end(self) -> None:
        """Finish the request, whose body has come in full."""
        super().on_message_complete()

    def without_offer(self) -> bytes:
        """Return the head that was just read, as bytes."""
        start = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return _ENDS.join([start, *fields, _ENDS])


class _Parser(httptools.HttpRequestParser):
    def __init__(self, protocol: OneProtocol) -> None:
        super().__init__(protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._protocol = protocol

    def feed_data(self, data: "bytes | bytearray | memoryview[int] | array[int]") -> None:
        rest = bytes(data)
        while True:
            try:
                super().feed_data(rest)
            except httptools.HttpParserUpgrade as offered:
                rest = self._protocol.without_offer() + rest[offered.args[0] :]
            else:
                return
