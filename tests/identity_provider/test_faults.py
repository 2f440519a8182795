"""The faults that tests and the demo rely on, as a caller meets them."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest

from tests.identity_provider.conftest import ENDPOINTS, REALM, Embedded


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_is_answered_instead(embedded: Embedded, agent_token: str, status: int) -> None:
    embedded.fault("status", status=status, retry_after=7)
    answer = embedded.exchange(agent_token)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert embedded.log_in().status_code == status
    assert embedded.http.get(f"{ENDPOINTS}/certs").status_code == 200


def test_a_fault_of_the_exchange_leaves_logins_alone(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("status", endpoint="exchange", status=503)
    assert embedded.exchange(agent_token).status_code == 503
    assert embedded.log_in().status_code == 200


def test_a_fault_lasts_as_many_requests_as_it_says(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("status", endpoint="exchange", status=503, times=2)
    assert [embedded.exchange(agent_token).status_code for _ in range(3)] == [503, 503, 200]
    assert embedded.http.get("/__dev/faults").json() == []


def test_faults_are_listed_and_cleared(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("status", status=503)
    embedded.fault("latency", endpoint="certs", seconds=0)
    assert [fault["kind"] for fault in embedded.http.get("/__dev/faults").json()] == ["status", "latency"]
    embedded.clear()
    assert embedded.exchange(agent_token).status_code == 200


def test_latency_delays_the_true_answer(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("latency", endpoint="exchange", seconds=0.3)
    started = time.monotonic()
    assert embedded.exchange(agent_token).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_hang_outlasts_the_callers_patience(embedded: Embedded) -> None:
    embedded.fault("hang", endpoint="certs")
    with pytest.raises(httpx.ReadTimeout):
        embedded.http.get(f"{ENDPOINTS}/certs", timeout=0.2)


def test_a_hang_ends_with_the_true_answer_when_faults_are_cleared(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("hang", endpoint="exchange")
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(embedded.exchange, agent_token)
        while embedded.http.get("/__dev/stats").json().get("exchange") != 1:
            assert not waiting.done()
        embedded.clear()
        assert waiting.result(10).status_code == 200


def test_a_dropped_connection_breaks_the_answer_off(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("drop", endpoint="exchange")
    with pytest.raises(httpx.RemoteProtocolError):
        embedded.exchange(agent_token)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [("<html>502</html>", "text/html"), ("{not json", "application/json"), ("", "text/plain")],
)
def test_something_else_is_answered_with_200(
    embedded: Embedded, agent_token: str, content: str, content_type: str
) -> None:
    embedded.fault("body", endpoint="exchange", content=content, content_type=content_type)
    answer = embedded.exchange(agent_token)
    assert (answer.status_code, answer.text) == (200, content)
    assert answer.headers["content-type"].startswith(content_type)


def test_the_key_set_can_be_empty_or_html_or_fail(embedded: Embedded) -> None:
    embedded.fault("body", endpoint="certs", content='{"keys": []}', content_type="application/json", times=1)
    embedded.fault("body", endpoint="certs", content="<html>", times=2)
    assert embedded.http.get(f"{ENDPOINTS}/certs").json() == {"keys": []}
    assert embedded.http.get(f"{ENDPOINTS}/certs").text == "<html>"
    embedded.fault("status", endpoint="certs", status=500)
    assert embedded.http.get(f"{ENDPOINTS}/certs").status_code == 500


def test_discovery_can_fail(embedded: Embedded) -> None:
    embedded.fault("status", endpoint="discovery", status=502)
    assert embedded.http.get(f"{REALM}/.well-known/openid-configuration").status_code == 502


def test_the_exchange_can_lie_about_audience_and_subject(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("claims", claims={"aud": "inventory-backend", "sub": "somebody else", "jti": None})
    claims = claims_of(embedded.exchange(agent_token).json()["access_token"])
    assert (claims["aud"], claims["sub"]) == ("inventory-backend", "somebody else")
    assert "jti" not in claims


def test_a_lie_is_properly_signed(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("claims", claims={"aud": "inventory-backend"})
    token = embedded.exchange(agent_token).json()["access_token"]
    keys = jwt.PyJWKSet.from_dict(embedded.http.get(f"{ENDPOINTS}/certs").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["RS256"], audience="inventory-backend")["sub"]


def test_the_exchange_can_give_the_subject_token_back(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("echo")
    assert embedded.exchange(agent_token).json()["access_token"] == agent_token


def test_members_of_an_answer_can_be_changed_or_missing(embedded: Embedded, agent_token: str) -> None:
    embedded.fault("members", endpoint="exchange", members={"token_type": "mac", "expires_in": None})
    answer = embedded.exchange(agent_token).json()
    assert answer["token_type"] == "mac"
    assert "expires_in" not in answer


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "nonsense"},
        {"kind": "status", "status": 200},
        {"kind": "status", "status": 503, "endpoint": "nowhere"},
        {"kind": "echo", "endpoint": "certs"},
        {"kind": "latency"},
        {"kind": "hang", "surprise": 1},
    ],
)
def test_a_fault_that_means_nothing_is_refused(embedded: Embedded, fault: dict[str, Any]) -> None:
    assert embedded.http.post("/__dev/faults", json=fault).status_code == 422
    assert embedded.http.get("/__dev/faults").json() == []
