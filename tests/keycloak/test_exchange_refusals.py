"""Every refusal of the token exchange that configuration can provoke: status, error and text."""

from dataclasses import dataclass, field

import pytest

from tests.keycloak.contract_realm import (
    AGENT,
    BEARER_ONLY,
    CONSENT,
    DISABLED,
    DISABLED_AUDIENCE,
    GATED,
    HOP,
    INVENTORY,
    LONG,
    NAME,
    OPTIONAL_AUDIENCE,
    OUTSIDER,
    PIZZERIA,
    PUBLIC,
    REFRESHING,
    REQUESTER,
    ROLE_ONLY,
    SERVICE,
    SIGNED_JWT,
    WITHOUT_SWITCH,
    secret_of,
)
from tests.keycloak.wire import EXCHANGE, TYPE, Wire, exchange_form, refusal_of

Values = dict[str, str | list[str]]
BAD_CLIENT = "Invalid client or Invalid client credentials"
SWITCH_OFF = (400, "invalid_request", "Standard token exchange is not enabled for the requested client")
INVALID_TOKEN = (400, "invalid_request", "Invalid token")
NOT_IN_AUDIENCE = (403, "access_denied", "Client is not within the token audience")
AUDIENCE_NOT_FOUND = (400, "invalid_client", "Audience not found")
TYPE_UNSUPPORTED = (400, "invalid_request", "requested_token_type unsupported")
ONLY_ACCESS_TOKENS = (400, "invalid_request", "Parameter 'subject_token' supports access tokens only")


def not_available(*audiences: str) -> tuple[int, str, str]:
    return 400, "invalid_request", f"Requested audience not available: {', '.join(audiences)}"


@dataclass(frozen=True, slots=True)
class Row:
    """An exchange and its refusal. `changes` replaces form parameters; `without` leaves some out."""

    name: str
    answer: tuple[int, str, str]
    requester: str = REQUESTER
    user: str = "johndoe"
    changes: Values = field(default_factory=dict)
    without: tuple[str, ...] = ()


ROWS = [
    Row("switch off", SWITCH_OFF, WITHOUT_SWITCH),
    Row("switch off is said before the token is read", SWITCH_OFF, WITHOUT_SWITCH, changes={"subject_token": "x"}),
    Row("switch off is said before parameters are missed", SWITCH_OFF, WITHOUT_SWITCH, without=("subject_token",)),
    *(
        Row(
            f"{name} is of another exchange",
            (400, "invalid_request", f"Parameter '{name}' is not supported for standard token exchange"),
            changes={name: "x"},
        )
        for name in ("requested_subject", "requested_issuer", "subject_issuer")
    ),
    *(
        Row(
            f"{name} missing",
            (400, "invalid_request", f"Parameter '{name}' required for standard token exchange"),
            without=(name,),
        )
        for name in ("subject_token", "subject_token_type")
    ),
    *(
        Row(f"subject token type {name}", ONLY_ACCESS_TOKENS, changes={"subject_token_type": f"{TYPE}{name}"})
        for name in ("refresh_token", "id_token", "jwt", "saml2")
    ),
    Row("garbage as subject token", INVALID_TOKEN, changes={"subject_token": "x"}),
    Row("empty subject token", INVALID_TOKEN, changes={"subject_token": ""}),
    Row("token before requested type", INVALID_TOKEN, changes={"subject_token": "x", "requested_token_type": "x"}),
    Row("requester not in the subject token's audience", NOT_IN_AUDIENCE, OUTSIDER),
    Row("unknown audience before requester's audience", AUDIENCE_NOT_FOUND, OUTSIDER, changes={"audience": "nobody"}),
    Row(
        "public requester",
        (400, "invalid_client", "Public client is not allowed to exchange token"),
        PUBLIC,
        without=("client_secret",),
    ),
    Row("unknown audience before public requester", AUDIENCE_NOT_FOUND, PUBLIC, changes={"audience": "nobody"}),
    Row("unknown audience", AUDIENCE_NOT_FOUND, changes={"audience": "nobody"}),
    Row("empty audience", AUDIENCE_NOT_FOUND, changes={"audience": ""}),
    Row("one of two audiences unknown", AUDIENCE_NOT_FOUND, changes={"audience": [PIZZERIA, "nobody"]}),
    Row("address instead of client id", AUDIENCE_NOT_FOUND, changes={"audience": "http://localhost:8040/mcp"}),
    Row(
        "disabled audience",
        (400, "invalid_client", "Client disabled"),
        changes={"audience": DISABLED_AUDIENCE},
    ),
    Row(
        "disabled audience before requester's audience",
        (400, "invalid_client", "Client disabled"),
        OUTSIDER,
        changes={"audience": DISABLED_AUDIENCE},
    ),
    Row("audience in no scope", not_available(INVENTORY), changes={"audience": INVENTORY}),
    Row("one of two audiences not available", not_available(INVENTORY), changes={"audience": [PIZZERIA, INVENTORY]}),
    Row("two audiences not available", not_available(INVENTORY, SERVICE), changes={"audience": [SERVICE, INVENTORY]}),
    Row(
        "optional audience scope not asked for, no role at the audience",
        not_available(PIZZERIA),
        OPTIONAL_AUDIENCE,
        "auditor",
        changes={"audience": PIZZERIA},
    ),
    Row("no audience scope, no role", not_available(PIZZERIA), ROLE_ONLY, "auditor", changes={"audience": PIZZERIA}),
    Row("audience behind a role the user lacks", not_available(INVENTORY), GATED, changes={"audience": INVENTORY}),
    Row(
        "unavailable audience of an ID token",
        not_available(INVENTORY),
        changes={"audience": INVENTORY, "requested_token_type": f"{TYPE}id_token"},
    ),
    Row(
        "unknown scope",
        (400, "invalid_scope", "Invalid scopes: nope menu:read"),
        changes={"scope": "nope menu:read"},
    ),
    Row("empty scope", (400, "invalid_scope", "Invalid scopes: "), changes={"scope": ""}),
    Row(
        "another client's scope before an unavailable audience",
        (400, "invalid_scope", "Invalid scopes: mcp:tools"),
        changes={"scope": "mcp:tools", "audience": INVENTORY},
    ),
    Row("requester's audience before scope", NOT_IN_AUDIENCE, OUTSIDER, changes={"scope": "nope"}),
    *(
        Row(f"requested type {name}", TYPE_UNSUPPORTED, changes={"requested_token_type": f"{TYPE}{name}"})
        for name in ("refresh_token", "jwt", "saml2", "nonsense")
    ),
    Row(
        "requested type before audience",
        TYPE_UNSUPPORTED,
        changes={"requested_token_type": "x", "audience": "nobody"},
    ),
    Row(
        "refresh token with offline_access",
        (400, "invalid_request", "Scope offline_access not allowed for token exchange"),
        REFRESHING,
        changes={"requested_token_type": f"{TYPE}refresh_token", "scope": "offline_access"},
    ),
    Row(
        "consent missing",
        (400, "invalid_scope", f"Missing consents for Token Exchange in client {CONSENT}"),
        CONSENT,
    ),
    Row(
        "consent before an unavailable audience",
        (400, "invalid_scope", f"Missing consents for Token Exchange in client {CONSENT}"),
        CONSENT,
        changes={"audience": INVENTORY},
    ),
    *(
        Row(f"{name} twice", (400, "invalid_request", "duplicated parameter"), changes={name: ["menu:read"] * 2})
        for name in ("scope", "subject_token", "subject_token_type", "requested_token_type")
    ),
    Row("wrong secret", (401, "unauthorized_client", BAD_CLIENT), changes={"client_secret": "wrong"}),
    Row("empty secret", (401, "unauthorized_client", BAD_CLIENT), changes={"client_secret": ""}),
    Row("no secret", (401, "unauthorized_client", BAD_CLIENT), without=("client_secret",)),
    Row("wrong secret is said before the subject token is read", (401, "unauthorized_client", BAD_CLIENT), changes={
        "client_secret": "wrong", "subject_token": "x",
    }),
    Row("wrong secret before switch off", (401, "unauthorized_client", BAD_CLIENT), WITHOUT_SWITCH, changes={
        "client_secret": "wrong",
    }),
    Row("unknown client", (401, "invalid_client", BAD_CLIENT), "nobody"),
    Row("no client at all", (401, "invalid_client", BAD_CLIENT), without=("client_id", "client_secret")),
    Row("disabled requester", (401, "invalid_client", BAD_CLIENT), DISABLED),
    Row("requester with signed JWT", (400, "invalid_client", "Parameter client_assertion_type is missing"), SIGNED_JWT),
    Row("bearer-only requester", (400, "invalid_client", "Bearer-only not allowed"), BEARER_ONLY),
    Row("grant type missing", (400, "invalid_request", "Missing form parameter: grant_type"), without=("grant_type",)),
    Row("grant type unknown", (400, "unsupported_grant_type", "Unsupported grant_type"), changes={"grant_type": "x"}),
    Row("grant type twice", (400, "invalid_request", "duplicated parameter"), changes={"grant_type": [EXCHANGE] * 2}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_exchange_is_refused(wire: Wire, tokens: dict[str, str], row: Row) -> None:
    form = exchange_form(tokens[row.user], row.requester, **row.changes)
    answer = wire.post("token", [(name, value) for name, value in form if name not in row.without])

    assert refusal_of(answer) == row.answer
    assert "www-authenticate" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


@pytest.fixture(scope="module")
def tokens(wire: Wire) -> dict[str, str]:
    return {user: wire.agent_token(user) for user in ("johndoe", "auditor")}


def test_a_refresh_token_is_no_subject_token(wire: Wire) -> None:
    assert refusal_of(wire.exchange(wire.log_in()["refresh_token"])) == INVALID_TOKEN


def test_an_id_token_is_no_subject_token(wire: Wire) -> None:
    assert refusal_of(wire.exchange(wire.log_in(scope="openid")["id_token"])) == INVALID_TOKEN


def test_a_token_with_a_changed_signature_is_refused(wire: Wire, agent_token: str) -> None:
    head, payload, signature = agent_token.split(".")
    forged = f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert refusal_of(wire.exchange(forged)) == INVALID_TOKEN


def test_an_exchanged_token_goes_no_further_without_the_next_requester_in_its_audience(
    wire: Wire, agent_token: str
) -> None:
    pizzeria = wire.exchange(agent_token, audience=PIZZERIA).json()["access_token"]
    assert refusal_of(wire.exchange(pizzeria, HOP)) == NOT_IN_AUDIENCE


def test_a_second_hop_reaches_only_its_own_audiences(wire: Wire, agent_token: str) -> None:
    first = wire.exchange(agent_token, LONG, audience=HOP).json()["access_token"]
    assert refusal_of(wire.exchange(first, HOP, audience=PIZZERIA)) == not_available(PIZZERIA)


def test_a_service_account_gets_no_refresh_token(wire: Wire) -> None:
    service = wire.token(grant_type="client_credentials", client_id=SERVICE, client_secret=secret_of(SERVICE))
    answer = wire.exchange(service.json()["access_token"], REFRESHING, requested_token_type=f"{TYPE}refresh_token")
    problem = "Refresh token not valid as requested_token_type because creating a new session is needed"
    assert refusal_of(answer) == (400, "invalid_request", problem)


def test_an_unknown_realm_is_not_found(wire: Wire) -> None:
    for path in ("", "/.well-known/openid-configuration", "/protocol/openid-connect/certs"):
        answer = wire.http.get(f"{wire.base_url}/realms/{NAME}-other{path}")
        assert (answer.status_code, answer.json()) == (404, {"error": "Realm does not exist"})


def test_the_token_endpoint_is_for_posts(wire: Wire) -> None:
    answer = wire.get("/protocol/openid-connect/token", client_id=AGENT)
    assert (answer.status_code, answer.json()) == (405, {"error": "HTTP 405 Method Not Allowed"})


def test_a_token_of_another_name_of_the_same_realm_is_invalid(wire: Wire, agent_token: str) -> None:
    other = Wire(wire.base_url.replace("127.0.0.1", "localhost"))
    try:
        assert other.exchange(agent_token, audience=PIZZERIA).json()["error_description"] == "Invalid token"
        assert other.exchange(other.agent_token(), audience=PIZZERIA).status_code == 200
        assert refusal_of(wire.exchange(other.agent_token(), audience=PIZZERIA)) == INVALID_TOKEN
    finally:
        other.close()
