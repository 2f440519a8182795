"""Which failures a route answers with, as its OpenAPI responses; docs/reference/codes.md says what to do about each."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

Codes = Mapping[int, Sequence[str]]
Responses = dict[int | str, dict[str, Any]]

_WHEN: Mapping[str, str] = {
    "token_missing": "no bearer token came",
    "token_invalid": "not a JWT, a bad signature, an unknown key, or a required claim is missing",
    "token_expired": "`exp` has passed",
    "token_issuer_mismatch": "another issuer's token",
    "token_audience_mismatch": "the token is not for this server",
    "token_algorithm_refused": "not signed by the asymmetric algorithm of its key",
    "token_type_refused": "an ID, refresh or logout token, or one bound to a key",
    "token_subject_missing": "the token has no `sub`",
    "token_revoked": "the identity provider no longer accepts the token",
    "clock_skew": "`iat` or `nbf` lies in the future",
    "role_required": "the caller holds none of the admin roles, or not the one that may have tokens passed on",
    "insufficient_scope": "the token lacks scopes that the source requires; `WWW-Authenticate` names all of them",
    "consent_required": "the user has not consented to the exchange",
    "passthrough_denied": "the source passes tokens through, which is not allowed here",
    "delegation_too_deep": "more than three actors stand behind the token",
    "audience_origin_conflict": "the audience belongs to another origin",
    "exchange_audience_not_available": "the user or the exchange client may not have the audience",
    "exchange_scope_not_granted": "fewer scopes came back than the source asks for",
    "exchange_not_enabled": "token exchange is off in the realm",
    "exchange_client_unknown": "the exchange client does not exist or is disabled",
    "exchange_client_rejected": "the secret of the exchange client is wrong",
    "exchange_client_public": "the exchange client has no client authentication",
    "exchange_requester_not_in_audience": "the agent's token does not name the exchange client",
    "exchange_audience_not_found": "no client has the id of the audience",
    "exchange_audience_disabled": "the client of the audience is disabled",
    "exchange_scope_invalid": "the source asks for scopes that the exchange client does not have",
    "exchange_token_type_unsupported": "the identity provider does not issue access tokens here",
    "exchange_token_too_long": "the agent's token is longer than the identity provider takes",
    "exchange_sender_constrained": "the agent's token is bound to a key",
    "exchange_policy_refused": "a client policy of the realm refused",
    "exchange_result_invalid": "what came back is not a usable token, or is good for more than was asked for",
    "realm_disabled": "the realm is disabled or does not exist",
    "https_required": "the realm demands HTTPS",
    "issuer_mismatch_at_provider": "the identity provider names another issuer than the one that tokens must carry",
    "idp_unreachable": "the identity provider does not answer",
    "idp_foreign_answer": "something else answered in the identity provider's place",
    "idp_overloaded": "the identity provider answered 429",
    "idp_broken": "the identity provider answered 5xx or something unreadable",
    "circuit_open": "the identity provider failed so often that it is not asked now",
    "upstream_name": "the upstream's name cannot be resolved",
    "upstream_refused": "the upstream refuses connections",
    "upstream_tls": "no secure connection to the upstream",
    "upstream_unreachable": "no connection to the upstream for another reason",
    "upstream_broken": "the upstream's answer cannot be read",
    "upstream_timeout": "the upstream did not answer in time",
    "upstream_circuit_open": "the upstream failed so often that it is not asked now",
    "invalid_json": "the body is not JSON that can be read unambiguously",
    "invalid_request": "a field or parameter is missing, unknown or of the wrong kind",
    "invalid_arguments": "the arguments do not fit the tool; nothing was sent",
    "request_too_large": "what the call would send is over a limit; nothing was sent",
    "cursor_invalid": "the cursor is not one of ours",
    "tool_not_found": "no such tool, or none that the caller may see",
    "body_too_large": "the body is over its limit",
    "database_unavailable": "the database cannot be used now",
    "server_busy": "too many connections, bytes of large requests, or documents that wait to be read at once",
    "server_stopping": "the server was asked to end, and the request took longer than it could wait",
    "internal_error": "a fault of this server; its log has the `trace_id`",
    "source_unknown": "no source has this id or slug",
    "slug_taken": "another source has the slug",
    "slug_required": "no slug can be made of the name",
    "source_changed": "the source has changed since it was read",
    "address_refused": "the address may not be reached from here",
    "redirect_refused": "the document's address redirects",
    "base_url_refused": "the document's server is of another origin, or `base_url` cannot be used",
    "other_server_refused": "an origin or an audience occurs twice in the source",
    "audience_required": "`token_exchange` without `default_audience`",
    "audience_refused": "the audience is one that this server accepts itself",
    "audience_origin_refused": "`AUDIENCE_ORIGINS` does not list this audience with this origin",
    "invalid_document": "not an OpenAPI or Swagger document that can be read",
    "invalid_overrides": "what was stated about a tool does not fit its operation",
    "unsupported_media_type": "the body has a media type that is not accepted here",
    "document_uploaded": "the document was uploaded, so there is nothing to fetch",
    "document_not_kept": "the document is fetched from its `url`, not kept here",
    "document_too_complex": "reading the document takes too much time or memory",
    "document_too_large": "the document is over its limit",
    "document_unreachable": "the document's server cannot be reached, or did not answer 200",
    "document_timeout": "the document did not come in time",
}
_HEADERS = {
    401: {"WWW-Authenticate": "The challenge (RFC 6750), with the address of the resource metadata (RFC 9728)."},
    503: {"Retry-After": "Seconds to wait before the next attempt."},
}
_SCHEMA = {"$ref": "#/components/schemas/Problem"}

CALLER: Codes = {
    401: (
        "token_missing",
        "token_invalid",
        "token_expired",
        "token_issuer_mismatch",
        "token_audience_mismatch",
        "token_algorithm_refused",
        "token_type_refused",
        "token_subject_missing",
        "token_revoked",
        "clock_skew",
    ),
    500: ("internal_error",),
    502: ("issuer_mismatch_at_provider",),
    503: ("idp_unreachable", "idp_foreign_answer", "server_busy", "server_stopping"),
}
ADMIN: Codes = {403: ("role_required",), 503: ("database_unavailable",)}
PARAMETERS: Codes = {422: ("invalid_request",)}
PAGES: Codes = {422: ("cursor_invalid",)}
BODY: Codes = {413: ("body_too_large",), 415: ("unsupported_media_type",), 422: ("invalid_json", "invalid_request")}
SOURCE: Codes = {404: ("source_unknown",)}
CHANGED: Codes = {409: ("source_changed",), 412: ("source_changed",)}
DOCUMENT: Codes = {
    413: ("document_too_large",),
    422: ("invalid_document", "document_too_complex", "address_refused", "redirect_refused", "base_url_refused"),
    502: ("document_unreachable",),
    504: ("document_timeout",),
}
AUDIENCES: Codes = {
    403: ("audience_origin_conflict",),
    422: (
        "audience_required",
        "audience_refused",
        "audience_origin_refused",
        "other_server_refused",
        "passthrough_denied",
    ),
}
CALL: Codes = {
    403: (
        "insufficient_scope",
        "consent_required",
        "passthrough_denied",
        "delegation_too_deep",
        "exchange_audience_not_available",
        "exchange_scope_not_granted",
    ),
    404: ("tool_not_found",),
    413: ("request_too_large",),
    422: ("invalid_arguments",),
    502: (
        "upstream_name",
        "upstream_refused",
        "upstream_tls",
        "upstream_unreachable",
        "upstream_broken",
        "exchange_not_enabled",
        "exchange_client_unknown",
        "exchange_client_rejected",
        "exchange_client_public",
        "exchange_requester_not_in_audience",
        "exchange_audience_not_found",
        "exchange_audience_disabled",
        "exchange_scope_invalid",
        "exchange_token_type_unsupported",
        "exchange_token_too_long",
        "exchange_sender_constrained",
        "exchange_policy_refused",
        "exchange_result_invalid",
        "realm_disabled",
        "https_required",
    ),
    503: ("upstream_circuit_open", "idp_overloaded", "idp_broken", "circuit_open"),
    504: ("upstream_timeout",),
}


class ProblemViolation(BaseModel):
    """One thing that is wrong with what was sent."""

    pointer: str = Field(description="Where: a JSON Pointer (RFC 6901) into the body; empty for the whole.")
    detail: str = Field(description="What is wrong there.")


class Problem(BaseModel):
    """Why a request failed (RFC 9457), and what to do about it."""

    title: str = Field(description="The name of the HTTP status.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    code: str = Field(description="What happened, for programs: it never changes.", examples=["source_unknown"])
    detail: str = Field(description="What happened and what to do about it, for people.")
    trace_id: str | None = Field(description="The trace that the request belongs to, as logs and the audit have it.")
    violations: list[ProblemViolation] = Field(default=[], description="All that is wrong, where it can be several.")


def failures(*sets: Codes) -> Responses:
    """Return the responses of a route that can fail with these codes, each by its status."""
    codes: dict[int, list[str]] = {}
    for each in sets:
        for status, more in each.items():
            codes.setdefault(status, []).extend(more)
    return {status: _response(status, list(dict.fromkeys(codes[status]))) for status in sorted(codes)}


def _response(status: int, codes: Sequence[str]) -> dict[str, Any]:
    lines = "\n".join(f"- `{code}`: {_WHEN[code]}" for code in codes)
    response: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}. The codes:\n{lines}",
        "content": {"application/problem+json": {"schema": _SCHEMA}},
    }
    if status in _HEADERS:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS[status].items()
        }
    return response
