"""Agent tokens that must not pass, at both doors: 401, a challenge, nothing of the token in the answer."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.api.conftest import Start
from tests.api.probe import Probe
from tests.api.protocol import ERAS, post, told
from tests.support.installation import EXCHANGE_CLIENT, EmbeddedIdentityProvider, Headers, RunningProvider, bearer
from tests.support.issuer import EXCHANGE_CLIENT as EXCHANGE_CLIENT_THERE
from tests.support.issuer import REALM, Answer, Issuer, private_key
from tests.support.raw import raw_upstream
from tests.support.servers import running

ROGUE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
DOORS = ["rest", "rest-list", *ERAS]
Forge = Callable[[EmbeddedIdentityProvider], str]


def ask(provider: RunningProvider, door: str, headers: Headers) -> httpx.Response:
    if door == "rest":
        return provider.execute(headers, "probe/echo")
    if door == "rest-list":
        return provider.http.get("/api/v1/tools", headers=headers)
    return post(provider, headers, "tools/call", door, name="probe__echo", arguments={})


def claims_of(identity: EmbeddedIdentityProvider, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": identity.issuer,
        "sub": "11111111-2222-3333-4444-555555555555",
        "aud": EXCHANGE_CLIENT,
        "azp": "tools-provider-frontend",
        "typ": "Bearer",
        "jti": "forged",
        "iat": now,
        "exp": now + 300,
        "scope": "mcp:tools",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def signed(**changes: Any) -> Forge:
    """A token that the identity provider really signed, with other claims; None leaves a claim out."""
    return lambda identity: identity.state.keys.sign(claims_of(identity, **changes))


def by(key: Any, algorithm: str, **header: Any) -> Forge:
    """A token with good claims, signed by a key of the attacker's."""

    def forge(identity: EmbeddedIdentityProvider) -> str:
        kid = identity.state.keys.jwks()["keys"][0]["kid"]
        return jwt.encode(claims_of(identity), key, algorithm, headers={"kid": kid, **header})

    return forge


def unsigned(algorithm: str) -> Forge:
    def forge(identity: EmbeddedIdentityProvider) -> str:
        parts = ({"alg": algorithm, "typ": "JWT"}, claims_of(identity))
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
        return f"{encoded[0]}.{encoded[1]}."

    return forge


def with_public_key_as_secret(identity: EmbeddedIdentityProvider) -> str:
    """HS256 with what everybody can download (CVE-2016-5431 and its kin); by hand, because PyJWT refuses to sign so."""
    jwk = identity.state.keys.jwks()["keys"][0]
    public = jwt.PyJWK(jwk).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac_signed(public, {"alg": "HS256", "kid": jwk["kid"]}, claims_of(identity))


def with_strange_kid(kid: Any) -> Forge:
    """A good RS256 signature of the attacker's, under a key id that no library would write."""

    def forge(identity: EmbeddedIdentityProvider) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": kid}
        parts = [
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims_of(identity))
        ]
        content = b".".join(parts)
        signature = ROGUE.sign(content, padding.PKCS1v15(), hashes.SHA256())
        return (content + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()

    return forge


def with_jwk_as_secret(identity: EmbeddedIdentityProvider) -> str:
    """HS256 with the JWK as it is published (CVE-2026-48526)."""
    jwk = identity.state.keys.jwks()["keys"][0]
    return hmac_signed(json.dumps(jwk).encode(), {"alg": "HS256", "kid": jwk["kid"]}, claims_of(identity))


def with_slash(identity: EmbeddedIdentityProvider) -> str:
    return identity.state.keys.sign(claims_of(identity, iss=f"{identity.issuer}/"))


def hmac_signed(secret: bytes, header: dict[str, Any], claims: dict[str, Any]) -> str:
    import_parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    content = b".".join(import_parts)
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(content, secret)
    return (content + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


NOW = int(time.time())
BAD: dict[str, tuple[Forge, str]] = {
    "J01 none": (unsigned("none"), "token_"),
    "J01 None": (unsigned("None"), "token_"),
    "J01 nOnE": (unsigned("nOnE"), "token_"),
    "J02 HS256 with the public key": (with_public_key_as_secret, "token_algorithm_refused"),
    "J02 HS256 with the published JWK": (with_jwk_as_secret, "token_algorithm_refused"),
    "J03 rogue key under a known kid": (by(ROGUE, "RS256"), "token_invalid"),
    "J03 unknown kid": (by(ROGUE, "RS256", kid="unknown"), "token_invalid"),
    "J04 kid that walks": (by(ROGUE, "RS256", kid="../../../../dev/null"), "token_invalid"),
    "J04 kid that injects": (by(ROGUE, "RS256", kid="' OR 1=1 --"), "token_invalid"),
    "J04 kid of 8 kB": (by(ROGUE, "RS256", kid="k" * 8192), "token_invalid"),
    "J04 kid that is a list": (with_strange_kid(["a", "b"]), "token_invalid"),
    "J04 kid that is a number": (with_strange_kid(7), "token_invalid"),
    "J05 embedded jwk": (
        by(ROGUE, "RS256", jwk=jwt.algorithms.RSAAlgorithm.to_jwk(ROGUE.public_key(), as_dict=True)),
        "token_invalid",
    ),
    "J05 jku": (by(ROGUE, "RS256", jku="http://127.0.0.1:1/jwks"), "token_invalid"),
    "J06 crit": (by(ROGUE, "RS256", crit=["exp"]), "token_invalid"),
    "J07 foreign issuer": (signed(iss="https://elsewhere.example/realms/tools-provider"), "token_issuer_mismatch"),
    "J07 trailing slash": (with_slash, "token_issuer_mismatch"),
    "J07 no issuer": (signed(iss=None), "token_issuer_mismatch"),
    "J08 foreign audience": (signed(aud="pizzeria-backend"), "token_audience_mismatch"),
    "J08 longer audience": (signed(aud=f"{EXCHANGE_CLIENT}-2"), "token_audience_mismatch"),
    "J08 no audience": (signed(aud=None), "token_audience_mismatch"),
    "J08 empty list": (signed(aud=[]), "token_audience_mismatch"),
    "J08 object": (signed(aud={EXCHANGE_CLIENT: True}), "token_"),
    "J09 expired": (signed(exp=NOW - 3600), "token_expired"),
    "J09 no exp": (signed(exp=None), "token_invalid"),
    "J09 exp is text": (signed(exp=str(NOW + 300)), "token_invalid"),
    "J09 exp is huge": (signed(exp=1e300), "token_invalid"),
    "J10 nbf ahead": (signed(nbf=NOW + 3600), "clock_skew"),
    "J10 iat ahead": (signed(iat=NOW + 3600, exp=NOW + 7200), "clock_skew"),
    "J11 no sub": (signed(sub=None), "token_subject_missing"),
    "J11 empty sub": (signed(sub=""), "token_subject_missing"),
    "J11 sub is a number": (signed(sub=7), "token_"),
    "J12 ID token": (signed(typ="ID"), "token_type_refused"),
    "J12 refresh token": (signed(typ="Refresh"), "token_type_refused"),
    "J12 logout token": (signed(typ="Logout"), "token_type_refused"),
    "J13 garbage": (lambda _: "garbage", "token_invalid"),
    "J13 three dots": (lambda _: "a.b.c", "token_invalid"),
    "J16 20 kB": (lambda _: "a" * 20_000, "token_invalid"),
    "J20 75 s late": (signed(exp=NOW - 75), "token_expired"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("forge", "code"), BAD.values(), ids=BAD)
def test_a_bad_token_is_refused(
    provider: RunningProvider,
    identity_provider: EmbeddedIdentityProvider,
    probe: Probe,
    forge: Forge,
    code: str,
    door: str,
) -> None:
    value = forge(identity_provider)
    seen, asked = len(probe.seen), identity_provider.counts().get("token", 0)
    answer = ask(provider, door, bearer(value))
    assert answer.status_code == 401, answer.text
    assert told(answer)["code"].startswith(code)
    assert len(told(answer)["trace_id"]) == 32
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token"')
    assert 'resource_metadata="http' in challenge
    assert 'scope="mcp:tools"' in challenge
    assert value not in answer.text + challenge
    assert len(probe.seen) == seen
    assert identity_provider.counts().get("token", 0) == asked


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "token_missing"),
        ({"Authorization": ""}, "token_missing"),
        ({"Authorization": "Bearer"}, "token_invalid"),
        ({"Authorization": "Bearer one two"}, "token_invalid"),
        ({"Authorization": "Bearer a,b"}, "token_invalid"),
        ({"Authorization": "Basic YWRtaW46YWRtaW4="}, "token_invalid"),
    ],
)
def test_a_header_without_exactly_one_bearer_token_is_refused(
    provider: RunningProvider, probe: Probe, headers: Headers, code: str, door: str
) -> None:
    answer = ask(provider, door, headers)
    assert answer.status_code == 401
    assert told(answer)["code"] == code
    assert ("error=" in answer.headers["www-authenticate"]) is (code != "token_missing")


@pytest.mark.parametrize("path", ["/api/v1/tools", "/mcp"])
def test_two_authorization_headers_are_refused(provider: RunningProvider, agent: Headers, path: str) -> None:
    twice = [("Authorization", agent["Authorization"]), ("Authorization", agent["Authorization"])]
    answer = provider.http.get(path, headers=twice)
    assert (answer.status_code, told(answer)["code"]) == (401, "token_invalid")


@pytest.mark.parametrize("path", ["/api/v1/tools", "/mcp"])
def test_a_token_in_the_query_is_refused_even_beside_a_good_header(
    provider: RunningProvider, agent: Headers, path: str
) -> None:
    value = agent["Authorization"].removeprefix("Bearer ")
    for headers in ({}, agent):
        answer = provider.http.get(path, params={"access_token": value}, headers=headers)
        assert (answer.status_code, told(answer)["code"]) == (401, "token_invalid")
        assert value not in answer.text


@pytest.mark.parametrize("door", DOORS)
def test_j22_a_token_that_went_through_too_many_hands_is_not_permitted(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, probe: Probe, admin: Headers, door: str
) -> None:
    def acting(depth: int) -> Headers:
        actor: dict[str, Any] = {}
        for number in range(depth):
            actor = {"act": {"sub": f"actor-{number}", **actor}}
        return bearer(signed(**actor)(identity_provider))

    assert ask(provider, door, acting(3)).status_code == 200
    answer = ask(provider, door, acting(4))
    assert (answer.status_code, told(answer)["code"]) == (403, "delegation_too_deep")
    (record, *_) = provider.audit(admin, outcome="delegation_too_deep", limit=1)
    assert record["trace_id"] == told(answer)["trace_id"]


def test_j05_keys_are_asked_of_the_issuer_alone(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, probe: Probe
) -> None:
    with raw_upstream() as canary:
        for place in ("jku", "x5u"):
            token = by(ROGUE, "RS256", **{place: f"{canary.address}/jwks", "kid": "theirs"})(identity_provider)
            assert ask(provider, "rest", bearer(token)).status_code == 401
        assert canary.server.connections == 0


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("length", [65_537, 200_000])
def test_j16_a_token_over_the_limit_is_refused_unread(
    provider: RunningProvider, probe: Probe, length: int, door: str
) -> None:
    answer = ask(provider, door, bearer("eyJ" + "a" * (length - 3)))
    assert (answer.status_code, told(answer)["code"]) == (401, "token_invalid")
    assert "TOKEN_MAX_BYTES" in told(answer)["detail"]
    assert answer.elapsed.total_seconds() < 1


@pytest.mark.parametrize("door", DOORS)
def test_a_token_of_a_user_with_many_groups_is_read(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, probe: Probe, door: str
) -> None:
    token = signed(groups=[f"/departments/{number:04}/people" for number in range(1_650)])(identity_provider)
    assert 60_000 < len(token) <= 65_536
    assert ask(provider, door, bearer(token)).status_code == 200


@pytest.mark.parametrize("seconds", [20, -20])
def test_clocks_may_differ_by_seconds(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, probe: Probe, seconds: int
) -> None:
    there = int(time.time()) + seconds
    token = signed(iat=there, nbf=there, exp=there + 5)(identity_provider)
    assert ask(provider, "rest", bearer(token)).status_code == 200


@pytest.mark.parametrize(("claims", "code"), [({"exp": NOW - 1}, "token_expired"), ({"iat": NOW + 20}, "clock_skew")])
def test_an_operator_says_what_is_accepted(
    start: Start, identity_provider: EmbeddedIdentityProvider, claims: dict[str, int], code: str
) -> None:
    strict = start(clock_leeway=0, token_max_bytes=2_000)
    now = int(time.time())
    moved = {name: value - NOW + now for name, value in claims.items()}
    assert ask(strict, "rest-list", bearer(signed(**moved)(identity_provider))).json()["code"] == code
    assert "2000" in ask(strict, "rest-list", bearer("x" * 2_001)).json()["detail"]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with running(issuer) as address:
        issuer.issuer = f"{address}{REALM}"
        yield issuer


@pytest.fixture
def beside_issuer(start: Start, issuer: Issuer) -> RunningProvider:
    return start(
        keycloak_url=issuer.issuer.removesuffix(REALM),
        keycloak_realm=REALM.rpartition("/")[2],
        token_exchange_client_id=EXCHANGE_CLIENT_THERE,
    )


def statuses(provider: RunningProvider, tokens: list[str]) -> list[int]:
    def listed(token: str) -> int:
        return provider.http.get("/api/v1/tools", headers=bearer(token)).status_code

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(listed, tokens))


def test_j17_a_flood_of_unknown_keys_makes_few_fetches_and_keeps_nobody_out(
    beside_issuer: RunningProvider, issuer: Issuer
) -> None:
    assert statuses(beside_issuer, [issuer.token()]) == [200]
    asked = issuer.certs_requests
    unknown = [issuer.token({"kid": f"unknown-{number}"}, jti=f"{number}") for number in range(200)]
    assert set(statuses(beside_issuer, unknown)) <= {401, 503}
    assert issuer.certs_requests <= asked + 5
    assert statuses(beside_issuer, [issuer.token(jti="good")]) == [200]


def test_a_new_key_is_accepted_or_waited_for_right_after_keys_were_fetched_and_after_strangers(
    beside_issuer: RunningProvider, issuer: Issuer
) -> None:
    assert statuses(beside_issuer, [issuer.token()]) == [200]
    issuer.publish("key-2")
    assert statuses(beside_issuer, [issuer.token(jti="2")]) == [200]
    stranger = issuer.token({"kid": "unknown"})
    assert statuses(beside_issuer, [stranger, stranger]) == [401, 401]
    issuer.publish("key-3")
    assert statuses(beside_issuer, [issuer.token(jti="3")]) == [200]
    statuses(beside_issuer, [issuer.token({"kid": f"unknown-{number}"}) for number in range(100)])
    issuer.publish("key-4")
    waiting = beside_issuer.http.get("/api/v1/tools", headers=bearer(issuer.token(jti="4")))
    assert (waiting.status_code, waiting.json()["code"]) == (503, "idp_unreachable")
    assert 1 <= int(waiting.headers["retry-after"]) <= 5
    assert statuses(beside_issuer, [issuer.token(jti="5", headers={"kid": "key-3"}, key=private_key("key-3"))]) == [200]


def test_j18_a_key_is_taken_with_the_first_token_that_it_signed(beside_issuer: RunningProvider, issuer: Issuer) -> None:
    issuer.publish("key-2")
    assert statuses(beside_issuer, [issuer.token()]) == [200]


NO_KEYS: dict[str, Answer] = {
    "500": Answer(500),
    "a page": Answer(body=b"<html></html>"),
    "half a JSON": Answer(body=b'{"keys": ['),
    "an answer that breaks off": Answer(body=b"{}", cut=True),
    "no key": Answer(body={"keys": []}),
    "nothing": Answer(body=b""),
    "a list": Answer(body=[]),
    "other keys": Answer(body={"keys": [{"kty": "oct", "k": "AAAA", "kid": "key-1", "use": "sig", "alg": "HS256"}]}),
}


@pytest.mark.parametrize("answer", NO_KEYS.values(), ids=NO_KEYS)
def test_j19_known_keys_serve_while_no_new_ones_can_be_had(
    beside_issuer: RunningProvider, issuer: Issuer, answer: Answer
) -> None:
    assert statuses(beside_issuer, [issuer.token()]) == [200]
    unknown = issuer.token({"kid": "unknown"})
    issuer.certs = lambda: answer
    assert statuses(beside_issuer, [unknown, issuer.token(jti="2")])[1] == 200
    assert statuses(beside_issuer, [issuer.token(jti="3"), unknown])[0] == 200


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "forge",
    [signed(), signed(aud=["other", EXCHANGE_CLIENT]), signed(iat=NOW + 2), signed(nbf=NOW)],
    ids=["plain", "two audiences", "2 s ahead", "nbf"],
)
def test_a_good_token_passes(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, probe: Probe, forge: Forge, door: str
) -> None:
    answer = ask(provider, door, bearer(forge(identity_provider)))
    assert answer.status_code == 200, answer.text


def test_unknown_paths_below_api_ask_for_a_token_first(provider: RunningProvider, agent: Headers) -> None:
    assert provider.http.get("/api/v1/nothing").status_code == 401
    answer = provider.http.get("/api/v1/nothing", headers=agent)
    assert (answer.status_code, told(answer)["code"]) == (404, "route_not_found")


def test_a_refusal_leaves_one_record_without_the_token(provider: RunningProvider, admin: Headers) -> None:
    answer = provider.http.get("/api/v1/tools", headers=bearer("eyJhbGciOiJub25lIn0.e30.c2ln"))
    records = [
        record
        for record in provider.audit(admin, kind="refusal", limit=50)
        if record["trace_id"] == told(answer)["trace_id"]
    ]
    assert [(record["action"], record["outcome"], record["door"]) for record in records] == [
        ("authenticate", told(answer)["code"], "rest")
    ]
    assert "eyJ" not in json.dumps(records)
