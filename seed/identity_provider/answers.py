"""What endpoints answer: OAuth errors and JSON, with Keycloak's headers."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
BAD_CLIENT = "Invalid client or Invalid client credentials"


class OAuthError(Exception):
    """A refusal as RFC 6749 section 5.2 shapes it, with Keycloak's status and text."""

    def __init__(self, status: int, error: str, description: str | None = None) -> None:
        super().__init__(f"{status} {error}: {description}")
        self.status = status
        self.error = error
        self.description = description

    def response(self) -> JSONResponse:
        body = {"error": self.error}
        if self.description is not None:
            body["error_description"] = self.description
        return JSONResponse(body, self.status, headers=NO_STORE)


def invalid_request(description: str) -> OAuthError:
    return OAuthError(400, "invalid_request", description)


def invalid_grant(description: str) -> OAuthError:
    return OAuthError(400, "invalid_grant", description)


def invalid_scope(description: str) -> OAuthError:
    return OAuthError(400, "invalid_scope", description)


def json_answer(body: Mapping[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(dict(body), status, headers=NO_STORE)
