"""What Keycloak's refusals of an exchange mean, and what to change so that they stop.

`error` alone tells little: `invalid_request` may be a dead token, a missing switch, or an audience that this user may
not have. So a row is found by status, `error` and the beginning of `error_description`, as Keycloak 26.7 words them.
"""

from dataclasses import dataclass

from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.errors import BadAnswer, InvalidAgentToken, NotPermitted, ToolsProviderError


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row. None as status and an empty text fit anything; `detail` may name {client}, {audience} and {scopes}."""

    status: int | None
    error: str
    description: str
    kind: type[ToolsProviderError]
    code: str
    detail: str

    def fits(self, status: int, error: str, description: str) -> bool:
        """Tell whether this row is about that answer."""
        return (
            self.status in (None, status)
            and self.error in ("", error)
            and description.lower().startswith(self.description.lower())
        )


_DEAD_TOKEN = (
    "The identity provider no longer accepts this token: it was revoked, its session has ended (logout), it has "
    "expired, or its user is disabled. Sign in again."
)
_SWITCH = (
    "Standard token exchange is off. In Keycloak: Clients > {client} > Settings > Capability config > Standard Token "
    "Exchange: On. The audience's own client needs no switch."
)
_AUDIENCE_NOT_AVAILABLE = (
    "The identity provider does not give this user a token for the audience {audience}. Either the user lacks the role "
    "that opens it (ask for that role), or the configuration lacks it: in Keycloak, Clients > {client} > Client scopes "
    "must hold a client scope with an Audience mapper for {audience}: as Default, or as Optional with Include in token "
    "scope on and named in the source's `scopes`."
)
_SECRET = (
    "The identity provider refused the secret of {client}. Copy it from Clients > {client} > Credentials (Client "
    "Authenticator: Client Id and Secret) into TOKEN_EXCHANGE_CLIENT_SECRET and start this server again, or into the "
    "file that TOKEN_EXCHANGE_CLIENT_SECRET_FILE names, without a restart."
)
_UNKNOWN_CLIENT = (
    "The identity provider has no enabled client {client}. Compare TOKEN_EXCHANGE_CLIENT_ID with Keycloak's Clients, "
    "and turn the client's switch Enabled on."
)
_NOT_IN_AUDIENCE = (
    "The agent's token was not made for {client}. In Keycloak, add a client scope with an Audience mapper for {client} "
    "to the agent's client (Clients > the agent's client > Client scopes), then sign in again."
)
_AUDIENCE_UNKNOWN = (
    "The identity provider has no client {audience}. Correct the source's `default_audience`, or create the client."
)
_SCOPES = (
    "The exchange client does not have all the scopes that the source asks for ({scopes}). In Keycloak, add them under "
    "Clients > {client} > Client scopes as Optional, or correct the source's `scopes`."
)
_CONSENT = (
    "The user has not consented to {client}. The user consents in the account console, or an admin turns 'Consent "
    "required' off (Clients > {client} > Settings > Login settings)."
)
_BOUND = (
    "The agent's token is bound to a key (DPoP or mTLS) and cannot be exchanged by another client. Turn "
    "'Require DPoP bound tokens' and certificate binding off for the agent's client."
)
_TOO_LONG = (
    "The agent's token is longer than the identity provider takes (20,000 characters, unless Keycloak says otherwise). "
    "Give it fewer claims: take client scopes with groups or roles away from the agent's client. Or start Keycloak "
    "with a higher --spi-login-protocol--openid-connect--req-token-params-default-max-size."
)
_TYPE = "The identity provider exchanges or issues no access tokens here. Check what KEYCLOAK_URL really points to."
_POLICY = (
    "A policy of the identity provider refused the exchange. Its own words are in this server's log; look at the "
    "realm's Realm settings > Client policies."
)

_ROWS = (
    # The caller's token and rights.
    Refusal(400, "invalid_request", "Invalid token", InvalidAgentToken, "token_revoked", _DEAD_TOKEN),
    Refusal(None, "invalid_grant", "", InvalidAgentToken, "token_revoked", _DEAD_TOKEN),  # RFC 6749 section 5.2
    Refusal(None, "invalid_token", "", InvalidAgentToken, "token_revoked", _DEAD_TOKEN),  # RFC 6750 section 3.1
    Refusal(
        400,
        "invalid_request",
        "Requested audience not available",
        NotPermitted,
        "exchange_audience_not_available",
        _AUDIENCE_NOT_AVAILABLE,
    ),
    Refusal(
        400, "invalid_target", "", NotPermitted, "exchange_audience_not_available", _AUDIENCE_NOT_AVAILABLE
    ),  # RFC 8693 section 2.2.2
    Refusal(400, "invalid_scope", "Missing consents", NotPermitted, "consent_required", _CONSENT),
    # The exchange client.
    Refusal(401, "invalid_client", "", BadAnswer, "exchange_client_unknown", _UNKNOWN_CLIENT),
    Refusal(401, "", "", BadAnswer, "exchange_client_rejected", _SECRET),
    Refusal(400, "invalid_client", "Parameter client_assertion", BadAnswer, "exchange_client_rejected", _SECRET),
    Refusal(400, "invalid_client", "Bearer-only", BadAnswer, "exchange_client_rejected", _SECRET),
    Refusal(
        400,
        "invalid_client",
        "Public client",
        BadAnswer,
        "exchange_client_public",
        "In Keycloak, turn on Clients > {client} > Settings > Capability config > Client authentication.",
    ),
    Refusal(
        400, "invalid_request", "Standard token exchange is not enabled", BadAnswer, "exchange_not_enabled", _SWITCH
    ),
    Refusal(
        400,
        "unsupported_grant_type",
        "",
        BadAnswer,
        "exchange_not_enabled",
        "The identity provider does not support token exchange. Keycloak needs version 26.2 or later, with the feature "
        "token-exchange-standard on, which is the default.",
    ),
    Refusal(403, "access_denied", "Client not allowed to exchange", BadAnswer, "exchange_not_enabled", _SWITCH),
    Refusal(
        403,
        "access_denied",
        "Client is not within the token audience",
        BadAnswer,
        "exchange_requester_not_in_audience",
        _NOT_IN_AUDIENCE,
    ),
    # The source's audience and scopes.
    Refusal(400, "invalid_client", "Audience not found", BadAnswer, "exchange_audience_not_found", _AUDIENCE_UNKNOWN),
    Refusal(
        400,
        "invalid_client",
        "Client disabled",
        BadAnswer,
        "exchange_audience_disabled",
        "The client {audience} is disabled. In Keycloak, turn Clients > {audience} > Enabled on.",
    ),
    Refusal(400, "invalid_scope", "Invalid scopes", BadAnswer, "exchange_scope_invalid", _SCOPES),
    Refusal(
        400,
        "invalid_request",
        "Scope offline_access",
        BadAnswer,
        "exchange_scope_invalid",
        "An exchange cannot ask for offline_access. Take it out of the source's `scopes`.",
    ),
    # What kind of token.
    Refusal(400, "invalid_request", "requested_token_type", BadAnswer, "exchange_token_type_unsupported", _TYPE),
    Refusal(400, "invalid_request", "Parameter 'subject_token'", BadAnswer, "exchange_token_type_unsupported", _TYPE),
    Refusal(400, "invalid_request", "Invalid subject token type", BadAnswer, "exchange_token_type_unsupported", _TYPE),
    Refusal(400, "invalid_request", "The size of OIDC parameter", BadAnswer, "exchange_token_too_long", _TOO_LONG),
    Refusal(400, "invalid_request", "Sender-constrained", BadAnswer, "exchange_sender_constrained", _BOUND),
    Refusal(400, "invalid_request", "DPoP", BadAnswer, "exchange_sender_constrained", _BOUND),
    # The realm.
    Refusal(
        403,
        "access_denied",
        "Realm not enabled",
        BadAnswer,
        "realm_disabled",
        "The realm is disabled. In Keycloak, turn Realm settings > Enabled on.",
    ),
    Refusal(
        404,
        "",
        "",
        BadAnswer,
        "realm_disabled",
        "The identity provider has no such realm. Check KEYCLOAK_REALM, and the path of KEYCLOAK_URL.",
    ),
    Refusal(
        403,
        "invalid_request",
        "HTTPS required",
        BadAnswer,
        "https_required",
        "The realm requires HTTPS. Set KEYCLOAK_URL to an https address, or change Realm settings > Require SSL.",
    ),
    Refusal(None, "", "", BadAnswer, "exchange_policy_refused", _POLICY),
)


def refusal_of(status: int, error: str, description: str, target: ExchangeTarget, client_id: str) -> ToolsProviderError:
    """Return what to raise for a 4xx answer of the token endpoint."""
    row = next(row for row in _ROWS if row.fits(status, error, description))
    detail = row.detail.format(
        client=f"'{client_id}'", audience=f"'{target.audience}'", scopes=" ".join(target.scopes) or "none"
    )
    return row.kind(row.code, detail)
