"""Which agent tokens are accepted, and what the others are told."""

import base64
import hashlib
import string
from collections.abc import Callable
from itertools import count
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from app.errors import InvalidAgentToken, NotPermitted, Unavailable
from app.identity.verifier import AgentTokenVerifier
from tests.identity.conftest import MAX_LENGTH
from tests.support.clock import Clock
from tests.support.issuer import USER, Answer, Issuer, jwk_of, private_key, segment, signed

pytestmark = pytest.mark.anyio

ALPHABET = f"{string.ascii_letters}{string.digits}-_"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


async def refusal(verifier: AgentTokenVerifier, token: str) -> InvalidAgentToken:
    with pytest.raises(InvalidAgentToken) as refused:
        await verifier.verify(token)
    if token:
        assert token not in str(refused.value)
    return refused.value


async def test_a_good_token_says_whose_it_is(verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock) -> None:
    value = issuer.token()
    agent = await verifier.verify(value)
    assert agent.value == value
    assert agent.digest == hashlib.sha256(value.rpartition(".")[0].encode()).digest()
    assert agent.issuer == issuer.issuer
    assert agent.subject == USER
    assert agent.preferred_username is None
    assert agent.client_id == "agent"
    assert agent.token_id == "onrtro:agent-token"
    assert agent.scopes == {"openid", "profile"}
    assert agent.roles == {"user", "admin"}
    assert agent.expires_at == clock.now + 300
    assert value not in repr(agent)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "exchange-client"},
        {"aud": ["http://localhost:8040/mcp"]},
        {"nbf": 1_800_000_000},
        {"act": {"sub": "a", "act": {"sub": "b", "act": {"sub": "c"}}}},
        {"act": "not an actor"},
        {"exp": 1_800_000_000 + 366 * 86_400},
    ],
)
async def test_these_are_good_too(verifier: AgentTokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
    assert (await verifier.verify(issuer.token(**claims))).subject == USER


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", None])
async def test_the_type_in_the_header_does_not_matter(
    verifier: AgentTokenVerifier, issuer: Issuer, typ: str | None
) -> None:
    assert (await verifier.verify(issuer.token(headers={"typ": typ}))).subject == USER


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
)
async def test_every_signature_algorithm_of_a_realm_is_accepted_with_its_own_key(
    verifier: AgentTokenVerifier, issuer: Issuer, algorithm: str
) -> None:
    issuer.publish(f"key-{algorithm}", algorithm)
    assert (await verifier.verify(issuer.token())).subject == USER


@pytest.mark.parametrize(
    "claims",
    [
        {"realm_access": {"roles": "admin"}},
        {"realm_access": ["admin"]},
        {"realm_access": {"roles": ["admin", 7]}},
        {"realm_access": None, "roles": ["admin"], "resource_access": {"agent": {"roles": ["admin"]}}},
    ],
)
async def test_roles_come_from_a_well_formed_realm_access_only(
    verifier: AgentTokenVerifier, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert (await verifier.verify(issuer.token(**claims))).roles == frozenset()


async def test_optional_claims_of_a_wrong_type_count_as_absent(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    agent = await verifier.verify(issuer.forged(azp=7, jti=[], scope=["admin"]))
    assert (agent.client_id, agent.token_id, agent.scopes) == (None, None, frozenset())


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("johndoe", "johndoe"),
        ("jürgen@example.com", "jürgen@example.com"),
        (" two words ", "two words"),
        ("john\ndoe\x00\u2028\x1b[31m", "johndoe[31m"),
        ("x" * 256, "x" * 255),
        ("", None),
        ("\n", None),
        (7, None),
        (["johndoe"], None),
    ],
)
async def test_the_user_s_name_is_one_that_can_be_shown(
    verifier: AgentTokenVerifier, issuer: Issuer, claim: Any, name: str | None
) -> None:
    assert (await verifier.verify(issuer.forged(preferred_username=claim))).preferred_username == name


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://evil.example/realms/test"}, "token_issuer_mismatch"),
        ({"iss": "https://identity.example/realms/test/"}, "token_issuer_mismatch"),
        ({"iss": None}, "token_issuer_mismatch"),
        ({"iss": ["https://identity.example/realms/test"]}, "token_issuer_mismatch"),
        ({"aud": "other"}, "token_audience_mismatch"),
        ({"aud": "exchange-client-2"}, "token_audience_mismatch"),
        ({"aud": "exchange"}, "token_audience_mismatch"),
        ({"aud": None}, "token_audience_mismatch"),
        ({"aud": []}, "token_audience_mismatch"),
        ({"aud": {}}, "token_audience_mismatch"),
        ({"aud": {"exchange-client": 1}}, "token_audience_mismatch"),
        ({"aud": ["exchange-client", ["account"]]}, "token_audience_mismatch"),
        ({"aud": ""}, "token_audience_mismatch"),
        ({"exp": 1_800_000_000 - 75}, "token_expired"),
        ({"exp": 1_800_000_000 - 30}, "token_expired"),
        ({"exp": 0}, "token_expired"),
        ({"exp": -1}, "token_expired"),
        ({"exp": None}, "token_invalid"),
        ({"exp": "1900000000"}, "token_invalid"),
        ({"exp": 1e300}, "token_invalid"),
        ({"exp": 1_800_000_100.5}, "token_invalid"),
        ({"exp": True}, "token_invalid"),
        ({"exp": 10**18}, "token_invalid"),
        ({"exp": 10**400}, "token_invalid"),
        ({"exp": 1_800_000_001 + 366 * 86_400}, "token_invalid"),
        ({"iat": None}, "token_invalid"),
        ({"iat": "now"}, "token_invalid"),
        ({"nbf": "soon"}, "token_invalid"),
        ({"iat": 1_800_000_000 + 75}, "clock_skew"),
        ({"iat": 1_800_000_000 + 31}, "clock_skew"),
        ({"nbf": 1_800_000_000 + 75}, "clock_skew"),
        ({"nbf": 1_800_000_000 + 31}, "clock_skew"),
        ({"sub": None}, "token_subject_missing"),
        ({"sub": ""}, "token_subject_missing"),
        ({"sub": 42}, "token_subject_missing"),
        ({"sub": [USER]}, "token_subject_missing"),
        ({"typ": "ID"}, "token_type_refused"),
        ({"typ": "Refresh"}, "token_type_refused"),
        ({"typ": "Logout"}, "token_type_refused"),
        ({"typ": "DPoP"}, "token_type_refused"),
        ({"typ": "bearer"}, "token_type_refused"),
        ({"typ": None}, "token_type_refused"),
        ({"cnf": {"jkt": "thumbprint"}}, "token_type_refused"),
        ({"cnf": {"x5t#S256": "thumbprint"}, "typ": "DPoP"}, "token_type_refused"),
    ],
)
async def test_claims_that_are_not_good_enough_have_their_own_code(
    verifier: AgentTokenVerifier, issuer: Issuer, claims: dict[str, Any], code: str
) -> None:
    assert (await refusal(verifier, issuer.forged(**claims))).code == code


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": None}, "OIDC_ISSUER"),
        ({"iss": None}, "`https://identity.example/realms/test`"),
        ({"cnf": {}}, "DPoP"),
        ({"typ": "ID"}, "`access_token`"),
        ({"exp": None}, "must be integers"),
        ({"exp": 10**12}, "more than a year"),
        ({"exp": 0}, "Refresh it"),
        ({"iat": 10**12}, "clocks"),
    ],
)
async def test_a_refusal_says_what_to_do(
    verifier: AgentTokenVerifier, issuer: Issuer, claims: dict[str, Any], words: str
) -> None:
    assert words in (await refusal(verifier, issuer.forged(**claims))).detail


SIGNED_WRONGLY: list[tuple[Callable[[Issuer], str], str]] = [
    (lambda _: "opaque", "This is not a signed JWT (three parts joined by dots)."),
    (lambda _: "!!!!.e30.AA", "The parts of the token must be base64url without padding."),
    (lambda _: f"{segment(b'{')}.e30.AA", "The token's header cannot be read."),
    (lambda _: f"{segment([1])}.e30.AA", "The token's header cannot be read."),
    (lambda issuer: issuer.forged(headers={"alg": 5}), "The token's header names no algorithm."),
    (lambda issuer: issuer.forged(headers={"alg": "none"}), "The token must be signed with an asymmetric algorithm."),
    (lambda issuer: issuer.forged(headers={"alg": "PS256"}), "The token's algorithm is not that of its key."),
    (lambda issuer: issuer.forged(headers={"kid": 1}), "The token's key id (`kid`) is not a string."),
    (lambda issuer: issuer.forged(headers={"kid": None}), "The token's header names no key (`kid`)."),
    (
        lambda issuer: issuer.forged(headers={"kid": "stranger"}),
        "The token is signed with a key that its issuer does not publish.",
    ),
    (
        lambda issuer: issuer.forged(headers={"crit": []}),
        "The token's header has critical extensions, and this server knows none.",
    ),
    (lambda issuer: issuer.token(key=private_key("stranger")), "The token's signature or form is wrong."),
    (
        lambda _: signed(f"{segment({'alg': 'RS256', 'kid': 'key-1'})}.{segment([1])}", "key-1"),
        "The token's content is not a JSON object.",
    ),
]


@pytest.mark.parametrize(("token", "words"), SIGNED_WRONGLY, ids=[words for _, words in SIGNED_WRONGLY])
async def test_a_refused_signature_is_told_in_its_own_words(
    verifier: AgentTokenVerifier, issuer: Issuer, token: Callable[[Issuer], str], words: str
) -> None:
    assert (await refusal(verifier, token(issuer))).detail == words


async def test_a_token_over_the_limit_is_told_the_cure(verifier: AgentTokenVerifier) -> None:
    assert (await refusal(verifier, "x" * MAX_LENGTH)).detail.startswith("This is not a signed JWT")
    refused = await refusal(verifier, "x" * (MAX_LENGTH + 1))
    assert refused.code == "token_invalid"
    assert refused.detail.startswith("The token has more than 16384 characters. ")
    assert "fewer claims" in refused.detail
    assert "TOKEN_MAX_BYTES" in refused.detail


async def test_a_token_is_ascii(verifier: AgentTokenVerifier) -> None:
    refused = await refusal(verifier, "é.a.b")
    assert (refused.code, refused.detail) == ("token_invalid", "A token is ASCII text.")


async def test_a_lightweight_token_is_told_what_it_lacks(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    lightweight = issuer.token(sub=None, aud=None, realm_access=None, scope=None)
    refused = await refusal(verifier, lightweight)
    assert refused.code == "token_subject_missing"
    assert "lightweight" in refused.detail.lower()


async def test_an_audience_mismatch_names_what_would_be_accepted(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    refused = await refusal(verifier, issuer.token(aud="account"))
    assert "`exchange-client` or `http://localhost:8040/mcp`" in refused.detail


@pytest.mark.parametrize(("behind", "good"), [(2, True), (29, True), (30, False), (75, False)])
async def test_expiry_allows_for_a_few_seconds_between_clocks(
    verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock, behind: int, good: bool
) -> None:
    token = issuer.token(exp=int(clock.now) - behind)
    if good:
        assert (await verifier.verify(token)).expires_at == clock.now - behind
    else:
        assert (await refusal(verifier, token)).code == "token_expired"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_token_from_a_clock_a_little_ahead_is_good(
    verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock, claim: str
) -> None:
    assert (await verifier.verify(issuer.forged(**{claim: int(clock.now) + 30}))).subject == USER


async def test_more_than_three_actors_are_not_permitted(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    actors = {"sub": "a", "act": {"sub": "b", "act": {"sub": "c", "act": {"sub": "d"}}}}
    with pytest.raises(NotPermitted) as refused:
        await verifier.verify(issuer.token(act=actors))
    assert refused.value.code == "delegation_too_deep"
    assert "actors" in refused.value.detail


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", "HS256", "RS1", "ES256K"])
async def test_other_algorithms_are_refused(verifier: AgentTokenVerifier, issuer: Issuer, algorithm: str) -> None:
    header = {"alg": algorithm, "kid": "key-1"}
    for signature in ("", segment(b"x")):
        token = f"{segment(header)}.{segment(issuer.claims())}.{signature}"
        assert (await refusal(verifier, token)).code == "token_algorithm_refused"
    assert issuer.certs_requests == 0


@pytest.mark.parametrize("header", [{}, {"alg": None}, {"alg": ["RS256"]}, {"alg": 5}])
async def test_a_token_must_name_its_algorithm(
    verifier: AgentTokenVerifier, issuer: Issuer, header: dict[str, Any]
) -> None:
    token = signed(f"{segment({'kid': 'key-1', **header})}.{segment(issuer.claims())}", "key-1")
    assert (await refusal(verifier, token)).code == "token_algorithm_refused"


async def test_the_public_key_is_no_shared_secret(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    public = private_key("key-1").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    content = f"{segment({'alg': 'HS256', 'kid': 'key-1'})}.{segment(issuer.claims())}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(content.encode(), pem)
    assert (await refusal(verifier, f"{content}.{segment(mac)}")).code == "token_algorithm_refused"


async def test_a_key_serves_its_own_algorithm_only(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    assert (await refusal(verifier, issuer.token(headers={"alg": "PS256"}))).code == "token_algorithm_refused"


async def test_a_stranger_s_key_under_a_known_id_is_refused(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    assert (await refusal(verifier, issuer.token(key=private_key("stranger")))).code == "token_invalid"


@pytest.mark.parametrize(
    "offer",
    [
        {"jwk": jwk_of(private_key("stranger"), "stranger")},
        {"jku": "{certs}"},
        {"x5u": "{certs}"},
        {"jwk": jwk_of(private_key("stranger"), "key-1"), "kid": "key-1"},
    ],
)
async def test_keys_that_a_token_brings_along_are_not_used(
    verifier: AgentTokenVerifier, issuer: Issuer, realm_url: str, offer: dict[str, Any]
) -> None:
    header = {name: realm_url if value == "{certs}" else value for name, value in offer.items()}
    token = issuer.token(headers={"kid": "stranger", **header}, key=private_key("stranger"))
    assert (await refusal(verifier, token)).code == "token_invalid"
    assert issuer.certs_requests == 1  # the realm's own, and nothing that the token names


@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "' OR 1=1 --", "x" * 8_000, "", ["key-1"], 1, {"kid": "key-1"}, True]
)
async def test_odd_key_ids_are_unknown_keys(verifier: AgentTokenVerifier, issuer: Issuer, kid: Any) -> None:
    assert (await refusal(verifier, issuer.forged(headers={"kid": kid}))).code == "token_invalid"


async def test_a_token_must_name_its_key(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    for header in ({"alg": "RS256"}, {"alg": "RS256", "kid": None}):
        token = signed(f"{segment(header)}.{segment(issuer.claims())}", "key-1")
        assert (await refusal(verifier, token)).code == "token_invalid"


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "b64", None])
async def test_critical_extensions_are_refused(verifier: AgentTokenVerifier, issuer: Issuer, crit: Any) -> None:
    token = issuer.forged(headers={"crit": crit, "b64": True, "exp": 1})
    assert (await refusal(verifier, token)).code == "token_invalid"


async def test_an_unencoded_payload_is_refused(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    assert (await refusal(verifier, issuer.forged(headers={"b64": False}))).code == "token_invalid"


@pytest.mark.parametrize(
    "garbage",
    [
        "garbage",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "...",
        "ééé.a.b",
        "!!!!.e30.AA",
        f"{segment(b'{')}.e30.AA",
        f"{segment([1])}.e30.AA",
        f"{segment(b'null')}.e30.AA",
        segment({"alg": "RS256", "kid": "key-1"}) + ".%%%.AA",
        segment({"alg": "RS256", "kid": "key-1"}) + ".e30.%",
        "Basic dXNlcjpwYXNz",
        "two words",
        "x" * 16_385,
    ],
)
async def test_garbage_is_no_token(verifier: AgentTokenVerifier, garbage: str) -> None:
    assert (await refusal(verifier, garbage)).code == "token_invalid"


def padded(token: str) -> str:
    return f"{token}=="


def with_other_last_bits(token: str) -> str:
    """Another last character that stands for the same bytes: of an RS256 signature it carries two bits of six."""
    others = (token[:-1] + character for character in ALPHABET if character != token[-1])
    return next(each for each in others if bytes_of(each) == bytes_of(token))


def in_the_other_alphabet(token: str) -> str:
    content, signature = token.rsplit(".", 1)
    return f"{content}.{signature.replace('-', '+').replace('_', '/')}"


def with_a_character_of_no_alphabet(token: str) -> str:
    return f"{token[:-4]}~{token[-4:]}"


def with_a_line_end(token: str) -> str:
    return f"{token[:-4]}\n{token[-4:]}"


def bytes_of(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.rsplit(".", 1)[1] + "==")


SPELLINGS = [padded, with_other_last_bits, in_the_other_alphabet, with_a_character_of_no_alphabet, with_a_line_end]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_token_is_written_in_one_way(
    verifier: AgentTokenVerifier, issuer: Issuer, spelling: Callable[[str], str]
) -> None:
    token = next(each for number in count() if set("-_") <= set((each := issuer.token(jti=str(number)))[-342:]))
    await verifier.verify(token)
    other = spelling(token)
    assert other != token
    assert bytes_of(other) == bytes_of(token)  # what a lenient reader makes of it
    refused = await refusal(verifier, other)
    assert (refused.code, refused.detail) == (
        "token_invalid",
        "The parts of the token must be base64url without padding.",
    )


@pytest.mark.parametrize("part", [0, 1])
async def test_the_signed_parts_have_one_spelling_too(verifier: AgentTokenVerifier, issuer: Issuer, part: int) -> None:
    parts = issuer.token(jti="x").split(".")[:2]
    parts[part] += "=="
    assert "without padding" in (await refusal(verifier, signed(".".join(parts), "key-1"))).detail


@pytest.mark.parametrize("jti", ["some-id", None])
async def test_a_revoked_token_stays_so_under_the_second_signature_that_anybody_can_make_of_the_first(
    verifier: AgentTokenVerifier, issuer: Issuer, jti: str | None
) -> None:
    issuer.publish("key-EC", "ES256")
    token = issuer.token(jti=jti)
    content, signature = token.rsplit(".", 1)
    r, s = (int.from_bytes(half) for half in (bytes_of(token)[:32], bytes_of(token)[32:]))
    twin = f"{content}.{segment(r.to_bytes(32) + (P256_ORDER - s).to_bytes(32))}"
    assert twin != f"{content}.{signature}"
    assert (await verifier.verify(twin)).digest == (await verifier.verify(token)).digest
    await verifier.refuse(await verifier.verify(token))
    assert (await refusal(verifier, twin)).code == "token_revoked"
    assert (await refusal(verifier, token)).code == "token_revoked"


async def test_of_tokens_without_an_id_only_the_refused_one_is_revoked(
    verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token(jti=None)
    await verifier.refuse(await verifier.verify(token))
    clock.advance(1)
    assert (await verifier.verify(issuer.token(jti=None))).token_id is None
    assert (await refusal(verifier, token)).code == "token_revoked"


async def test_no_token_is_missing(verifier: AgentTokenVerifier) -> None:
    missing = await refusal(verifier, "")
    assert missing.code == "token_missing"
    assert "Authorization: Bearer" in missing.detail


@pytest.mark.parametrize("payload", [b"[]", b'"text"', b"{", b"", b"\xff"])
async def test_a_signed_payload_must_be_a_json_object(
    verifier: AgentTokenVerifier, issuer: Issuer, payload: bytes
) -> None:
    content = f"{segment({'alg': 'RS256', 'kid': 'key-1'})}.{segment(payload)}"
    assert (await refusal(verifier, signed(content, "key-1"))).code == "token_invalid"


async def test_a_token_of_the_longest_length_is_read_and_no_longer_one(
    verifier: AgentTokenVerifier, issuer: Issuer
) -> None:
    missing = MAX_LENGTH - len(issuer.token(pad=""))
    fitting = issuer.token(pad="x" * (missing * 3 // 4))
    assert MAX_LENGTH - 4 <= len(fitting) <= MAX_LENGTH
    assert (await verifier.verify(fitting)).subject == USER
    assert (await refusal(verifier, issuer.token(pad="x" * (missing * 3 // 4 + 12)))).code == "token_invalid"


async def test_a_verified_token_is_remembered_for_a_minute(
    verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token()
    agent = await verifier.verify(token)
    issuer.jwks.clear()
    issuer.publish("key-2")
    clock.advance(59)
    assert await verifier.verify(token) is agent
    clock.advance(300)
    assert (await refusal(verifier, token)).code == "token_invalid"


async def test_a_remembered_token_still_expires(verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock) -> None:
    token = issuer.token(exp=int(clock.now) + 20)
    await verifier.verify(token)
    clock.advance(19)
    await verifier.verify(token)
    clock.advance(31)
    assert (await refusal(verifier, token)).code == "token_expired"


async def test_a_token_that_the_identity_provider_refused_is_revoked_from_then_on(
    verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    token, another = issuer.token(), issuer.token(jti="another")
    agent = await verifier.verify(token)
    await verifier.refuse(agent)
    assert (await refusal(verifier, token)).code == "token_revoked"
    assert (await verifier.verify(another)).subject == USER
    clock.advance(329)
    revoked = await refusal(verifier, token)
    assert revoked.code == "token_revoked"
    assert "Sign in again" in revoked.detail
    clock.advance(1)
    assert (await refusal(verifier, token)).code == "token_expired"


async def test_without_the_issuer_s_keys_no_token_is_called_bad(verifier: AgentTokenVerifier, issuer: Issuer) -> None:
    issuer.certs = lambda: Answer(500)
    with pytest.raises(Unavailable) as failed:
        await verifier.verify(issuer.token())
    assert failed.value.code == "idp_unreachable"
