"""Upstreams and documents at IPv6 addresses (RFC 3986 section 3.2.2: in brackets)."""

import re
import socket
from collections.abc import Iterator

import pytest

from tests.api.conftest import Start
from tests.api.probe import Probe
from tests.support.installation import Headers
from tests.support.servers import running


@pytest.fixture
def port() -> Iterator[int]:
    """A port of ::1 where a probe listens."""
    opened = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        opened.bind(("::1", 0))
    except OSError:
        opened.close()
        pytest.skip("There is no IPv6 here.")
    with running(Probe().app, opened):
        yield int(opened.getsockname()[1])


def test_following_the_hint_makes_a_document_at_an_ipv6_address_a_source(
    start: Start, port: int, admin: Headers, agent: Headers
) -> None:
    source = {"name": "Six", "slug": "six", "url": f"http://[::1]:{port}/openapi.json"}
    refused = start().http.post("/api/v1/sources", json=source, headers=admin)
    assert (refused.status_code, refused.json()["code"]) == (422, "address_refused")
    (hint,) = set(re.findall(r"adds (\S+) to ALLOWED_UPSTREAMS", refused.json()["detail"]))
    assert hint == f"[::1]:{port}"
    provider = start(allowed_upstreams=(hint,))
    registered = provider.register(admin, str(source["url"]), slug="six")
    assert registered["base_url"] == f"http://[::1]:{port}"
    assert provider.execute(agent, "six/echo", number=1).json()["result"]["query"] == {"number": "1"}
