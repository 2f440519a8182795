"""Tokens bound to a key: nobody but their own client can exchange them."""

import time
from typing import Any

import httpx
import pytest

from tests.keycloak.contract_realm import DPOP, OUTSIDER, PASSWORD, PIZZERIA, REQUESTER, secret_of
from tests.keycloak.proof import ProofKey
from tests.keycloak.wire import TYPE, Wire, claims_of, exchange_form, refusal_of

NOT_ITS_CLIENT = (
    400,
    "invalid_request",
    "Sender-constrained token exchange rejected as the token was not issued for the requesting client",
)
JAVA_EXCEPTION = "org.keycloak.exceptions.TokenSignatureInvalidException"
MISSING = (400, "invalid_request", "DPoP proof is missing")


class Holder:
    """An agent with a key."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.key = ProofKey()
        self.url = f"{wire.realm_url}/protocol/openid-connect/token"

    def log_in(self, proof: str | None, **changes: str) -> httpx.Response:
        form = {"grant_type": "password", "client_id": DPOP, "client_secret": secret_of(DPOP), "username": "johndoe"}
        return self.wire.post("token", (form | {"password": PASSWORD} | changes).items(), _headers(proof))

    def exchange(self, token: str, requester: str, proof: str | None, **changes: str) -> httpx.Response:
        form = exchange_form(token, requester, **({"audience": PIZZERIA} | changes))
        return self.wire.post("token", form, _headers(proof))

    def proof(self, **changes: Any) -> str:
        return self.key.proof(self.url, **changes)


def _headers(proof: str | None) -> dict[str, str]:
    return {} if proof is None else {"DPoP": proof}


@pytest.fixture(scope="module")
def holder(wire: Wire) -> Holder:
    return Holder(wire)


@pytest.fixture(scope="module")
def bound_token(holder: Holder) -> str:
    return str(holder.log_in(holder.proof()).json()["access_token"])


def test_a_token_names_the_key_it_is_bound_to(holder: Holder) -> None:
    answer = holder.log_in(holder.proof()).json()
    claims = claims_of(answer["access_token"])
    assert answer["token_type"] == claims["typ"] == "DPoP"
    assert set(claims["cnf"]) == {"jkt", "kc-jkt-type"}
    assert claims["cnf"]["jkt"] == holder.key.thumbprint


@pytest.mark.parametrize("requester", [REQUESTER, OUTSIDER])
def test_another_requester_is_refused_with_or_without_a_proof(holder: Holder, bound_token: str, requester: str) -> None:
    assert refusal_of(holder.exchange(bound_token, requester, None)) == NOT_ITS_CLIENT
    assert refusal_of(holder.exchange(bound_token, requester, holder.proof())) == NOT_ITS_CLIENT


def test_the_key_is_checked_before_the_requested_type(holder: Holder, bound_token: str) -> None:
    answer = holder.exchange(bound_token, REQUESTER, None, requested_token_type=f"{TYPE}nonsense")
    assert refusal_of(answer) == NOT_ITS_CLIENT


def test_its_own_client_needs_a_proof_of_the_same_key(holder: Holder, bound_token: str) -> None:
    other = ProofKey().proof(holder.url)
    assert refusal_of(holder.exchange(bound_token, DPOP, None)) == MISSING
    mismatch = (400, "invalid_request", "DPoP confirmation doesn't match DPoP proof")
    assert refusal_of(holder.exchange(bound_token, DPOP, other)) == mismatch

    answer = holder.exchange(bound_token, DPOP, holder.proof()).json()
    assert answer["token_type"] == "DPoP"
    assert claims_of(answer["access_token"])["cnf"]["jkt"] == holder.key.thumbprint


def test_a_proof_with_a_bearer_token_binds_what_is_exchanged(holder: Holder, agent_token: str) -> None:
    answer = holder.exchange(agent_token, REQUESTER, holder.proof()).json()
    assert answer["token_type"] == "DPoP"
    assert claims_of(answer["access_token"])["cnf"]["jkt"] == holder.key.thumbprint


def test_a_proof_is_looked_at_after_the_secret_and_before_all_else(holder: Holder) -> None:
    wrong_secret = holder.log_in(None, client_secret="wrong")
    assert refusal_of(wrong_secret)[:2] == (401, "unauthorized_client")
    assert refusal_of(holder.log_in(None, password="wrong")) == MISSING
    assert refusal_of(holder.exchange("garbage", DPOP, None)) == MISSING
    unreadable = (400, "invalid_request", "DPoP header verification failure")
    assert refusal_of(holder.exchange("garbage", REQUESTER, "garbage")) == unreadable


def test_a_proof_is_good_once(holder: Holder) -> None:
    proof = holder.proof()
    assert holder.log_in(proof).status_code == 200
    assert refusal_of(holder.log_in(proof)) == (400, "invalid_request", "DPoP proof has already been used")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"htm": "GET"}, "DPoP HTTP method mismatch"),
        ({"htu": "http://elsewhere.example/"}, "DPoP HTTP URL mismatch"),
        ({"iat": int(time.time()) - 3600}, "DPoP proof is not active"),
        ({"iat": int(time.time()) + 3600}, "DPoP proof is not active"),
        ({"jti": None}, "DPoP mandatory claims are missing"),
        ({"htu": None}, "DPoP mandatory claims are missing"),
        ({"header": {"typ": "JWT"}}, "Invalid or missing type in DPoP header: JWT"),
        ({"header": {"jwk": None}}, "No JWK in DPoP header"),
        (
            {"header": {"jwk": ProofKey().jwk}},
            f"DPoP verification failure: {JAVA_EXCEPTION}: Invalid token signature",
        ),
    ],
)
def test_a_wrong_proof_is_refused(holder: Holder, changes: dict[str, Any], problem: str) -> None:
    assert refusal_of(holder.log_in(holder.proof(**changes))) == (400, "invalid_request", problem)


def test_introspection_shows_the_binding(wire: Wire, holder: Holder, bound_token: str) -> None:
    told = wire.introspect(bound_token, REQUESTER).json()
    assert (told["active"], told["token_type"]) == (True, "DPoP")
    assert told["cnf"]["jkt"] == holder.key.thumbprint
