"""One exchange with the identity provider: what is sent, and what every answer means."""

import contextlib
import logging
from typing import Any

import httpx
import pytest

from app.credentials.token_exchange.exchanger import ExchangeTarget, Inconclusive
from app.credentials.token_exchange.issued_token import IssuedTokenCheck
from app.credentials.token_exchange.keycloak import KeycloakExchanger
from app.errors import BadAnswer, InvalidAgentToken, NotPermitted, ToolsProviderError, Unavailable
from app.identity.issuer_watch import IssuerWatch
from tests.credentials.conftest import PIZZERIA, RESOURCE, Agents
from tests.support.clock import Clock
from tests.support.issuer import EXCHANGE_CLIENT, REALM, SECRET, USER, Answer, Issuer, private_key
from tests.support.servers import address_of, listener

pytestmark = pytest.mark.anyio


async def failure(
    keycloak: KeycloakExchanger, agents: Agents, target: ExchangeTarget = PIZZERIA, **claims: Any
) -> ToolsProviderError:
    agent = await agents.agent(**claims)
    with pytest.raises(ToolsProviderError) as failed:
        await keycloak.exchange(agent, target)
    assert agent.value not in str(failed.value)
    assert SECRET not in str(failed.value)
    assert "127.0.0.1" not in str(failed.value)
    return failed.value


async def test_the_request_is_that_of_rfc_8693(keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer) -> None:
    agent = await agents.agent()
    await keycloak.exchange(agent, PIZZERIA)
    assert issuer.forms == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "client_id": EXCHANGE_CLIENT,
            "client_secret": SECRET,
            "subject_token": agent.value,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": "pizzeria-backend",
        }
    ]
    assert issuer.accepts == ["application/json"]


async def test_scopes_of_the_target_are_asked_for(keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer) -> None:
    await keycloak.exchange(await agents.agent(), ExchangeTarget("pizzeria-backend", ("menu:read", "orders:read")))
    assert issuer.forms[0]["scope"] == "menu:read orders:read"


async def test_what_comes_back_is_the_token_and_its_life(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, clock: Clock
) -> None:
    answer = issuer.issue({"audience": "pizzeria-backend", "client_id": EXCHANGE_CLIENT})
    issuer.exchange = lambda _: Answer(body=answer)
    token = await keycloak.exchange(await agents.agent(), PIZZERIA)
    assert token.value == answer["access_token"]
    assert token.token_id == "ntrtte:exchanged"
    assert token.expires_at == clock.now + 300
    assert not token.cached
    assert token.value not in repr(token)


@pytest.mark.parametrize("audience", ["", "  "])
def test_nothing_can_be_asked_for_without_an_audience(audience: str) -> None:
    with pytest.raises(ValueError) as refused:
        ExchangeTarget(audience)
    assert str(refused.value) == "a token is never exchanged without an audience"


REFUSALS: list[tuple[tuple[int, str, str], type[ToolsProviderError], str, str]] = [
    ((400, "invalid_request", "Invalid token"), InvalidAgentToken, "token_revoked", "Sign in again"),
    ((400, "invalid_grant", "whatever"), InvalidAgentToken, "token_revoked", "Sign in again"),
    ((401, "invalid_grant", "Session not active"), InvalidAgentToken, "token_revoked", "Sign in again"),
    ((400, "invalid_token", "whatever"), InvalidAgentToken, "token_revoked", "Sign in again"),
    ((401, "invalid_token", "Token is not active"), InvalidAgentToken, "token_revoked", "Sign in again"),
    (
        (400, "invalid_request", "Requested audience not available: pizzeria-backend"),
        NotPermitted,
        "exchange_audience_not_available",
        "role that opens it",
    ),
    ((400, "invalid_target", ""), NotPermitted, "exchange_audience_not_available", "Audience mapper"),
    (
        (400, "invalid_scope", "Missing consents for Token Exchange in client x"),
        NotPermitted,
        "consent_required",
        "consent",
    ),
    (
        (401, "unauthorized_client", "Invalid client or Invalid client credentials"),
        BadAnswer,
        "exchange_client_rejected",
        "TOKEN_EXCHANGE_CLIENT_SECRET",
    ),
    ((401, "another", ""), BadAnswer, "exchange_client_rejected", "Credentials"),
    (
        (401, "invalid_client", "Invalid client or Invalid client credentials"),
        BadAnswer,
        "exchange_client_unknown",
        "TOKEN_EXCHANGE_CLIENT_ID",
    ),
    (
        (400, "invalid_client", "Parameter client_assertion_type is missing"),
        BadAnswer,
        "exchange_client_rejected",
        "Client Id and Secret",
    ),
    ((400, "invalid_client", "Bearer-only not allowed"), BadAnswer, "exchange_client_rejected", EXCHANGE_CLIENT),
    (
        (400, "invalid_client", "Public client is not allowed to exchange token"),
        BadAnswer,
        "exchange_client_public",
        "Client authentication",
    ),
    (
        (400, "invalid_request", "Standard token exchange is not enabled for the requested client"),
        BadAnswer,
        "exchange_not_enabled",
        "Standard Token Exchange",
    ),
    (
        (400, "unsupported_grant_type", "Unsupported grant_type"),
        BadAnswer,
        "exchange_not_enabled",
        "token-exchange-standard",
    ),
    (
        (403, "access_denied", "Client not allowed to exchange"),
        BadAnswer,
        "exchange_not_enabled",
        "Standard Token Exchange",
    ),
    (
        (403, "access_denied", "Client is not within the token audience"),
        BadAnswer,
        "exchange_requester_not_in_audience",
        "Audience mapper for 'exchange-client'",
    ),
    ((400, "invalid_client", "Audience not found"), BadAnswer, "exchange_audience_not_found", "`default_audience`"),
    ((400, "invalid_client", "Client disabled"), BadAnswer, "exchange_audience_disabled", "'pizzeria-backend'"),
    ((400, "invalid_scope", "Invalid scopes: nope"), BadAnswer, "exchange_scope_invalid", "`scopes`"),
    (
        (400, "invalid_request", "Scope offline_access not allowed for token exchange"),
        BadAnswer,
        "exchange_scope_invalid",
        "offline_access",
    ),
    (
        (400, "invalid_request", "requested_token_type unsupported"),
        BadAnswer,
        "exchange_token_type_unsupported",
        "KEYCLOAK_URL",
    ),
    (
        (400, "invalid_request", "Parameter 'subject_token' supports access tokens only"),
        BadAnswer,
        "exchange_token_type_unsupported",
        "KEYCLOAK_URL",
    ),
    (
        (400, "invalid_request", "Invalid subject token type"),
        BadAnswer,
        "exchange_token_type_unsupported",
        "KEYCLOAK_URL",
    ),
    (
        (
            400,
            "invalid_request",
            "Sender-constrained token exchange rejected as the token was not issued for the requesting client",
        ),
        BadAnswer,
        "exchange_sender_constrained",
        "DPoP",
    ),
    (
        (400, "invalid_request", "The size of OIDC parameter 'subject_token' is longer than allowed."),
        BadAnswer,
        "exchange_token_too_long",
        "fewer claims",
    ),
    ((400, "invalid_request", "DPoP proof is missing"), BadAnswer, "exchange_sender_constrained", "DPoP"),
    ((403, "access_denied", "Realm not enabled"), BadAnswer, "realm_disabled", "Realm settings"),
    ((404, "Realm does not exist", "For more, look at the log"), BadAnswer, "realm_disabled", "KEYCLOAK_REALM"),
    ((403, "invalid_request", "HTTPS required"), BadAnswer, "https_required", "https"),
    (
        (400, "invalid_scope", "Scopes [menu:read] not present in the initial access token [openid]"),
        BadAnswer,
        "exchange_policy_refused",
        "Client policies",
    ),
    ((403, "access_denied", "another policy"), BadAnswer, "exchange_policy_refused", "Client policies"),
    ((400, "invalid_request", ""), BadAnswer, "exchange_policy_refused", "Client policies"),
    ((418, "teapot", ""), BadAnswer, "exchange_policy_refused", "Client policies"),
]


@pytest.mark.parametrize(("answer", "kind", "code", "advice"), REFUSALS)
async def test_every_refusal_has_its_code_and_says_what_to_change(
    keycloak: KeycloakExchanger,
    agents: Agents,
    issuer: Issuer,
    answer: tuple[int, str, str],
    kind: type[ToolsProviderError],
    code: str,
    advice: str,
) -> None:
    status, error, description = answer
    issuer.exchange = lambda _: Answer(status, {"error": error, "error_description": description})
    failed = await failure(keycloak, agents)
    assert type(failed) is kind
    assert failed.code == code
    assert advice in failed.detail
    assert "{" not in failed.detail


async def test_a_refused_scope_is_named(keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer) -> None:
    issuer.exchange = lambda _: Answer(400, {"error": "invalid_scope", "error_description": "Invalid scopes: a b"})
    failed = await failure(keycloak, agents, ExchangeTarget("pizzeria-backend", ("menu:read", "menu:write")))
    assert "(menu:read menu:write)" in failed.detail
    assert "(none)" in (await failure(keycloak, agents, PIZZERIA)).detail


PAGE = b"<html><head><title>403\n Forbidden</title></head>\n<body>Ray id <b>7</b></body></html>"
NOT_KEYCLOAKS: list[tuple[int, Any, str]] = [
    (400, PAGE, "403 Forbidden Ray id 7"),
    (401, b"", ""),
    (403, PAGE * 20, ("403 Forbidden Ray id 7 " * 20)[:200]),
    (403, {}, "{}"),
    (403, [], "[]"),
    (403, {"message": "Forbidden"}, '{"message": "Forbidden"}'),
    (404, b"nothing\xffhere", "nothing\ufffdhere"),
    (413, {"error": "", "error_description": "too large"}, '{"error": "", "error_description": "too large"}'),
    (499, {"error": {"code": 7}}, '{"error": {"code": 7}}'),
    (403, b"<" * 200_000, "<" * 200),  # would take minutes, were all of it looked at
]


@pytest.mark.parametrize(("status", "body", "words"), NOT_KEYCLOAKS)
async def test_what_something_else_answers_is_no_refusal_of_the_identity_provider_s(
    keycloak: KeycloakExchanger,
    agents: Agents,
    issuer: Issuer,
    realm_url: str,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: Any,
    words: str,
) -> None:
    issuer.exchange = lambda _: Answer(status, body)
    failed = await failure(keycloak, agents)
    assert isinstance(failed, Inconclusive)
    assert (failed.code, failed.retry_after) == ("idp_foreign_answer", 1)
    assert failed.detail.startswith(f"Something else answered in the identity provider's place (HTTP {status} without")
    assert "KEYCLOAK_URL" in failed.detail
    assert "proxy" in failed.detail
    (logged,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert logged.message == "what answered the exchange is not Keycloak"
    told = {name: logged.__dict__[name] for name in ("status", "answer", "url")}
    assert told == {"status": status, "answer": words, "url": f"{realm_url}/protocol/openid-connect/token"}


async def test_a_redirect_in_its_place_is_not_followed_and_told_with_where_it_leads(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    leads_to = "https://login.example.com/realms/tools-provider/protocol/openid-connect/token"
    issuer.exchange = lambda _: Answer(308, b"", headers={"location": leads_to})
    assert (await failure(keycloak, agents)).code == "idp_broken"
    (logged,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert f"redirects to {leads_to}" in logged.__dict__["answer"]


async def test_a_description_that_is_no_text_is_none(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.exchange = lambda _: Answer(403, {"error": "e" * 301, "error_description": {"a": 1}})
    with caplog.at_level(logging.INFO, "app"):
        assert (await failure(keycloak, agents)).code == "exchange_policy_refused"
    logged = caplog.records[-1].__dict__
    assert (logged["error"], logged["description"]) == ("e" * 300, "")


async def test_the_identity_provider_s_own_words_are_logged_without_secrets(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.exchange = lambda _: Answer(403, {"error": "access_denied", "error_description": "only on Sundays" * 100})
    with caplog.at_level(logging.DEBUG, "app"):
        await failure(keycloak, agents)
    logged = next(line for line in caplog.records if line.message == "token exchange refused").__dict__
    assert logged["code"] == "exchange_policy_refused"
    assert (logged["status"], logged["error"]) == (403, "access_denied")
    assert logged["description"].startswith("only on Sundays")
    assert len(logged["description"]) == 300
    assert SECRET not in str(logged)
    assert issuer.forms[0]["subject_token"] not in str(logged)


async def test_a_secret_that_a_proxy_quotes_is_not_logged(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.exchange = lambda form: Answer(403, {"error": form["client_secret"], "error_description": f"is {SECRET}"})
    with caplog.at_level(logging.DEBUG, "app"):
        await failure(keycloak, agents)
    logged = next(line for line in caplog.records if line.message == "token exchange refused").__dict__
    assert (logged["error"], logged["description"]) == ("[redacted]", "is [redacted]")


DOWN: list[tuple[Answer, str, float]] = [
    (Answer(429, b"slow down"), "idp_overloaded", 1),
    (Answer(429, b"", headers={"retry-after": "7"}), "idp_overloaded", 7),
    (Answer(429, b"", headers={"retry-after": "86400"}), "idp_overloaded", 60),
    (Answer(429, b"", headers={"retry-after": "0"}), "idp_overloaded", 1),
    (Answer(429, b"", headers={"retry-after": "Wed, 21 Oct 2037 07:28:00 GMT"}), "idp_overloaded", 1),
    (Answer(500, {"error": "unknown_error"}), "idp_broken", 1),
    (Answer(502, b"<html>"), "idp_broken", 1),
    (Answer(503, b"", headers={"retry-after": "5"}), "idp_broken", 5),
    (Answer(200, b"", cut=True), "idp_unreachable", 1),
    (Answer(200, b'{"access_token": "', cut=True), "idp_unreachable", 1),
    (Answer(200, b"<html>sign in</html>"), "idp_broken", 1),
    (Answer(200, b'{"access_token": "'), "idp_broken", 1),
    (Answer(200, b""), "idp_broken", 1),
    (Answer(200, ["access_token"]), "idp_broken", 1),
    (Answer(201, {"access_token": "x"}), "idp_broken", 1),
    (Answer(204, b""), "idp_broken", 1),
    (Answer(200, b" " * 262_145), "idp_broken", 1),
    (Answer(200, b"x", headers={"content-encoding": "br"}), "idp_broken", 1),
    (Answer(307, b"", headers={"location": f"{REALM}/protocol/openid-connect/certs"}), "idp_broken", 1),
]


@pytest.mark.parametrize(("answer", "code", "retry_after"), DOWN)
async def test_an_identity_provider_that_cannot_answer_is_unavailable(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, answer: Answer, code: str, retry_after: float
) -> None:
    issuer.exchange = lambda _: answer
    failed = await failure(keycloak, agents)
    assert isinstance(failed, Unavailable)
    assert (failed.code, failed.retry_after) == (code, retry_after)
    assert failed.detail.startswith("The identity provider")
    assert len(issuer.forms) == 1  # never sent twice, and nowhere else
    assert issuer.certs_requests == 1  # those of the agent's token


async def test_an_answer_that_cannot_be_read_is_told_to_the_log(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    for answer, words in (
        (Answer(200, b"<h1>Sign in</h1>"), "Sign in"),
        (Answer(302, b"Found"), "Found"),
        (Answer(200, b" " * 262_145), ""),
    ):
        caplog.clear()
        issuer.exchange = lambda _, answer=answer: answer  # type: ignore[misc]
        assert (await failure(keycloak, agents)).code == "idp_broken"
        logged = caplog.records[-1].__dict__
        assert (logged["status"], logged["answer"]) == (answer.status, words)


async def test_a_token_is_not_called_revoked_where_the_identity_provider_names_another_issuer(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, clock: Clock
) -> None:
    issuer.exchange = lambda _: Answer(400, {"error": "invalid_request", "error_description": "Invalid token"})
    issuer.discovery = lambda: Answer(body={"issuer": "http://inner:8080/realms/test"})
    failed = await failure(keycloak, agents)
    assert type(failed) is BadAnswer
    assert failed.code == "issuer_mismatch_at_provider"
    assert "KC_HOSTNAME" in failed.detail
    assert "OIDC_ISSUER" in failed.detail
    assert "inner" not in failed.detail
    issuer.discovery = lambda: Answer(body={"issuer": issuer.issuer})
    clock.advance(10)
    assert (await failure(keycloak, agents)).code == "token_revoked"
    assert issuer.discovery_requests == 2


async def test_other_refusals_do_not_ask_whose_issuer_it_is(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer
) -> None:
    issuer.discovery = lambda: Answer(body={"issuer": "http://inner:8080/realms/test"})
    issuer.exchange = lambda _: Answer(403, {"error": "access_denied"})
    assert (await failure(keycloak, agents)).code == "exchange_policy_refused"
    assert issuer.discovery_requests == 0


async def test_an_identity_provider_that_is_not_there_is_unreachable(
    client: httpx.AsyncClient,
    check: IssuedTokenCheck,
    watch: IssuerWatch,
    agents: Agents,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with contextlib.closing(listener()) as closed:
        keycloak = KeycloakExchanger(
            client,
            check,
            watch,
            realm_url=address_of(closed),
            client_id="c",
            client_secret=lambda: SECRET,
            timeout=5,
        )
        assert (await failure(keycloak, agents)).code == "idp_unreachable"
    logged = caplog.records[-1]
    assert logged.message == "the identity provider cannot be reached"
    assert logged.__dict__["error"] == "it refuses connections (nothing listens there, or a firewall refuses)"
    assert logged.__dict__["url"].endswith("/protocol/openid-connect/token")


async def test_the_whole_exchange_has_one_deadline(
    client: httpx.AsyncClient,
    check: IssuedTokenCheck,
    watch: IssuerWatch,
    realm_url: str,
    agents: Agents,
    issuer: Issuer,
) -> None:
    issuer.exchange = lambda _: Answer(silent=True)
    keycloak = KeycloakExchanger(
        client, check, watch, realm_url=realm_url, client_id="c", client_secret=lambda: SECRET, timeout=0.2
    )
    failed = await failure(keycloak, agents)
    assert failed.code == "idp_unreachable"
    assert "TOKEN_EXCHANGE_TIMEOUT" in failed.detail


NOW = 1_800_000_000
NO_TOKEN = "there is no access token in it"
NO_BEARER = "its token_type is not Bearer"
OTHER_TYPE = "its issued_token_type is not that of an access token"
OTHER_AUDIENCE = "it is not for the audience that was asked for"
OTHER_USER = "it belongs to another user"
NO_ACCESS_TOKEN = "it is not a plain access token"
ENDED = "it has expired or does not say when it will"
NOT_YET = "it is not valid yet"
OTHER_CLIENT = "it was issued to another client than 'exchange-client' (claim `azp`)"
ACTED = "it names an actor (claim `act`) that nobody asked for"
WHEN = "it was issued in the future or does not say when"
TOO_LONG = "it is valid for more than a day"
LIES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no token": ({}, {"access_token": None}, NO_TOKEN),
    "empty token": ({}, {"access_token": ""}, NO_TOKEN),
    "token is a number": ({}, {"access_token": 7}, NO_TOKEN),
    "opaque token": ({}, {"access_token": "opaque"}, "it is not signed as it should be"),
    "no token type": ({}, {"token_type": None}, NO_BEARER),
    "token type N_A": ({}, {"token_type": "N_A"}, NO_BEARER),
    "token type DPoP": ({}, {"token_type": "DPoP"}, NO_BEARER),
    "token type is a list": ({}, {"token_type": ["Bearer"]}, NO_BEARER),
    "an ID token": ({}, {"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"}, OTHER_TYPE),
    "issued token type is a list": ({}, {"issued_token_type": ["x"]}, OTHER_TYPE),
    "wrong audience": ({"aud": "inventory-backend"}, {}, OTHER_AUDIENCE),
    "audience only begins alike": ({"aud": "pizzeria-backend-2"}, {}, OTHER_AUDIENCE),
    "no audience": ({"aud": None}, {}, OTHER_AUDIENCE),
    "another user": ({"sub": "someone-else"}, {}, OTHER_USER),
    "no user": ({"sub": None}, {}, OTHER_USER),
    "another issuer": ({"iss": "https://identity.example/realms/other"}, {}, "it has another issuer"),
    "an ID token by its claim": ({"typ": "ID"}, {}, NO_ACCESS_TOKEN),
    "no typ": ({"typ": None}, {}, NO_ACCESS_TOKEN),
    "bound to a key": ({"cnf": {"jkt": "x"}}, {}, NO_ACCESS_TOKEN),
    "expired": ({"exp": NOW - 30}, {}, ENDED),
    "no exp": ({"exp": None}, {}, ENDED),
    "exp is text": ({"exp": "soon"}, {}, ENDED),
    "not valid yet": ({"nbf": NOW + 31}, {}, NOT_YET),
    "nbf is text": ({"nbf": "soon"}, {}, NOT_YET),
    "another client": ({"azp": "agent"}, {}, OTHER_CLIENT),
    "no client": ({"azp": None}, {}, OTHER_CLIENT),
    "clients": ({"azp": [EXCHANGE_CLIENT]}, {}, OTHER_CLIENT),
    "an actor": ({"act": {"sub": "somebody"}}, {}, ACTED),
    "an actor that is none": ({"act": False}, {}, ACTED),
    "issued in the future": ({"iat": NOW + 31}, {}, WHEN),
    "no iat": ({"iat": None}, {}, WHEN),
    "iat is text": ({"iat": "now"}, {}, WHEN),
    "a life of more than a day": ({"exp": NOW + 86_401}, {}, TOO_LONG),
    "a life of more than a day that is nearly over": ({"iat": NOW - 86_400, "exp": NOW + 1}, {}, TOO_LONG),
}


@pytest.mark.parametrize(("claims", "members", "reason"), LIES.values(), ids=LIES.keys())
async def test_a_token_that_is_not_what_was_asked_for_is_never_used(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, claims: dict[str, Any], members: dict[str, Any],
    reason: str,
) -> None:  # fmt: skip
    def lie(form: dict[str, str]) -> Answer:
        token = issuer.forged(**{"aud": form["audience"], "azp": EXCHANGE_CLIENT, **claims})
        answer = {**issuer.issue(form), "access_token": token, **members}
        return Answer(body={name: value for name, value in answer.items() if value is not None})

    issuer.exchange = lie
    failed = await failure(keycloak, agents)
    assert type(failed) is BadAnswer
    assert failed.code == "exchange_result_invalid"
    assert f"cannot be used: {reason}. Nothing was sent" in failed.detail


@pytest.mark.parametrize(
    ("audience", "held"),
    [
        (["pizzeria-backend", EXCHANGE_CLIENT], f"`{EXCHANGE_CLIENT}`"),
        ([RESOURCE, "pizzeria-backend"], f"`{RESOURCE}`"),
        ([RESOURCE, "pizzeria-backend", EXCHANGE_CLIENT], f"`{EXCHANGE_CLIENT}` and `{RESOURCE}`"),
    ],
)
async def test_a_token_that_the_upstream_could_use_here_is_never_used_and_the_mapper_is_named(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, audience: list[str], held: str
) -> None:
    issuer.exchange = lambda form: Answer(body=issuer.issue(form, aud=audience))
    failed = await failure(keycloak, agents)
    assert (type(failed), failed.code) == (BadAnswer, "exchange_result_invalid")
    assert failed.detail == (
        f"What the identity provider returned cannot be used: its `aud` holds {held} too, so the upstream could use it "
        "here in the user's name. Nothing was sent to the upstream. An operator removes what adds "
        f"{held}: in Keycloak, a mapper (Audience, Audience Resolve or Hardcoded claim) of a client scope under "
        "Clients > 'exchange-client' > Client scopes, or of 'exchange-client'-dedicated there. The agent's client "
        "keeps its own."
    )


async def test_a_source_with_an_audience_of_ours_is_told_so(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer
) -> None:
    failed = await failure(keycloak, agents, ExchangeTarget(EXCHANGE_CLIENT))
    assert failed.code == "exchange_result_invalid"
    assert "gives the source the `default_audience` of its own API" in failed.detail


@pytest.mark.parametrize(
    ("claims", "cure"),
    [
        ({"azp": "agent"}, "check what KEYCLOAK_URL and OIDC_ISSUER point to"),
        (
            {"act": {"sub": "x"}},
            "the mapper that adds `act`: in Keycloak, from the client scopes under Clients > 'ex",
        ),
        ({"iat": NOW + 31}, "correct the clocks"),
        ({"exp": NOW + 86_401}, "Clients > 'exchange-client' > Advanced > Access Token Lifespan"),
        ({"groups": ["g" * 50_000]}, "groups or roles away from Clients > 'exchange-client' > Client scopes"),
    ],
)
async def test_what_is_configured_wrongly_is_told_with_what_to_change(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, claims: dict[str, Any], cure: str
) -> None:
    issuer.exchange = lambda form: Answer(body=issuer.issue(form, **claims))
    assert cure in (await failure(keycloak, agents)).detail


async def test_the_actors_of_the_agent_s_own_token_may_stay(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer
) -> None:
    actor = {"sub": "assistant", "act": {"sub": "desk"}}
    agent = await agents.agent(act=actor)
    issuer.exchange = lambda form: Answer(body=issuer.issue(form, act=actor))
    assert (await keycloak.exchange(agent, PIZZERIA)).token_id == "ntrtte:exchanged"
    for other in ({"sub": "assistant"}, {**actor, "iss": "x"}):
        issuer.exchange = lambda form, other=other: Answer(body=issuer.issue(form, act=other))  # type: ignore[misc]
        with pytest.raises(BadAnswer) as refused:
            await keycloak.exchange(agent, PIZZERIA)
        assert ACTED in refused.value.detail


async def test_a_stranger_s_signature_is_never_used(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer
) -> None:
    def lie(form: dict[str, str]) -> Answer:
        stranger = issuer.token(key=private_key("stranger"), aud=form["audience"])
        return Answer(body={**issuer.issue(form), "access_token": stranger})

    issuer.exchange = lie
    assert (await failure(keycloak, agents)).code == "exchange_result_invalid"


async def test_the_agent_s_own_token_is_no_result(keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer) -> None:
    issuer.exchange = lambda form: Answer(body={**issuer.issue(form), "access_token": form["subject_token"]})
    failed = await failure(keycloak, agents, aud=[EXCHANGE_CLIENT, "pizzeria-backend"])
    assert failed.code == "exchange_result_invalid"
    assert "cannot be used: the agent's own token came back. Nothing was sent" in failed.detail


@pytest.mark.parametrize(
    ("claims", "members"),
    [
        ({"aud": ["account", "pizzeria-backend"]}, {}),
        ({"exp": NOW - 29}, {}),
        ({"nbf": NOW + 30}, {}),
        ({"iat": NOW + 30}, {}),
        ({"exp": NOW + 86_400}, {}),
        ({"act": None}, {}),
        ({}, {"token_type": "bearer"}),
        ({}, {"issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}),
        ({}, {"issued_token_type": None}),
    ],
)
async def test_these_results_are_good_too(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, claims: dict[str, Any], members: dict[str, Any]
) -> None:
    def answer(form: dict[str, str]) -> Answer:
        body = {**issuer.issue(form, **claims), **members}
        return Answer(body={name: value for name, value in body.items() if value is not None})

    issuer.exchange = answer
    assert (await keycloak.exchange(await agents.agent(), PIZZERIA)).token_id == "ntrtte:exchanged"


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [(120, 120), (120.5, 120.5), (1, 1), (0.5, 0.5), (3_000, 300), (0, None), (-1, None), ("300", None), (None, None),
     (True, None), ([300], None), ({}, None)],
)  # fmt: skip
async def test_a_life_that_is_not_said_properly_is_unknown(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, clock: Clock, expires_in: Any, life: float | None
) -> None:
    issuer.exchange = lambda form: Answer(body={**issuer.issue(form), "expires_in": expires_in})
    token = await keycloak.exchange(await agents.agent(), PIZZERIA)
    assert token.expires_at == (0 if life is None else clock.now + life)


async def test_a_missing_life_is_unknown(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(form: dict[str, str]) -> Answer:
        members = issuer.issue(form)
        del members["expires_in"]
        return Answer(body=members)

    issuer.exchange = answer
    with caplog.at_level(logging.DEBUG, "app"):
        assert (await keycloak.exchange(await agents.agent(), PIZZERIA)).expires_at == 0
    assert "Token exchange successful for audience 'pizzeria-backend', expires in 0s" in caplog.messages


async def test_fewer_scopes_than_the_source_needs_are_not_enough(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer
) -> None:
    issuer.exchange = lambda form: Answer(body={**issuer.issue(form), "scope": "profile menu:read menu:write-all"})
    scopes = ("menu:read", "menu:write", "orders:write")
    failed = await failure(keycloak, agents, ExchangeTarget("pizzeria-backend", scopes))
    assert type(failed) is NotPermitted
    assert failed.code == "exchange_scope_not_granted"
    assert "did not grant: menu:write orders:write." in failed.detail


@pytest.mark.parametrize("scope", [None, 7])
async def test_an_answer_that_names_no_scope_grants_what_was_asked_for(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, scope: Any
) -> None:
    issuer.exchange = lambda form: Answer(body={**issuer.issue(form), "scope": scope})
    token = await keycloak.exchange(await agents.agent(), ExchangeTarget("pizzeria-backend", ("menu:read",)))
    assert token.value


async def test_the_result_waits_for_keys_that_are_new(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, clock: Clock
) -> None:
    agent = await agents.agent()
    clock.advance(10)
    issuer.publish("key-2")
    assert (await keycloak.exchange(agent, PIZZERIA)).token_id == "ntrtte:exchanged"


async def test_a_result_that_cannot_be_checked_is_not_used(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, clock: Clock
) -> None:
    agent = await agents.agent()
    clock.advance(10)
    issuer.publish("key-2")
    issuer.certs = lambda: Answer(503)
    with pytest.raises(Inconclusive) as failed:
        await keycloak.exchange(agent, PIZZERIA)
    assert (failed.value.code, failed.value.retry_after) == ("idp_unreachable", 5)
    assert "keys cannot be fetched" in failed.value.detail


async def test_success_is_told_at_debug_in_the_guide_s_words(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "app"):
        token = await keycloak.exchange(await agents.agent(sub=USER), PIZZERIA)
    assert "Token exchange successful for audience 'pizzeria-backend', expires in 300s" in caplog.messages
    assert token.value not in caplog.text
    assert issuer.forms[0]["subject_token"] not in caplog.text
