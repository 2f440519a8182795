"""What the contract says to an identity provider, over HTTP."""

from collections.abc import Iterable
from typing import Any

import httpx
import jwt

from tests.keycloak.contract_realm import AGENT, NAME, PASSWORD, REQUESTER, secret_of

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN = f"{TYPE}access_token"
Form = Iterable[tuple[str, str]]
Json = dict[str, Any]


class Wire:
    """One realm of one identity provider."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.realm_url = f"{base_url}/realms/{NAME}"
        self.http = httpx.Client(timeout=20, trust_env=False)

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self.http.get(f"{self.realm_url}{path}", params=parameters)

    def post(self, endpoint: str, form: Form, headers: dict[str, str] | None = None) -> httpx.Response:
        body = str(httpx.QueryParams(list(form)))
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | (headers or {})
        return self.http.post(f"{self.realm_url}/protocol/openid-connect/{endpoint}", content=body, headers=headers)

    def token(self, **form: str) -> httpx.Response:
        return self.post("token", form.items())

    def log_in(self, username: str = "johndoe", client_id: str = AGENT, **form: str) -> Json:
        """The whole answer of the password grant, which must succeed."""
        answer = self.token(grant_type="password", client_id=client_id, username=username, password=PASSWORD, **form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def agent_token(self, username: str = "johndoe", client_id: str = AGENT, **form: str) -> str:
        return str(self.log_in(username, client_id, **form)["access_token"])

    def exchange(self, subject_token: str, requester: str = REQUESTER, /, **form: str | list[str]) -> httpx.Response:
        """The exchange request of the guide; `form` replaces its parameters, a list repeats one."""
        return self.post("token", exchange_form(subject_token, requester, **form))

    def introspect(self, token: str, client_id: str, headers: dict[str, str] | None = None) -> httpx.Response:
        form = {"token": token, "client_id": client_id, "client_secret": secret_of(client_id)}
        return self.post("token/introspect", form.items(), headers)


def exchange_form(subject_token: str, requester: str = REQUESTER, /, **changes: str | list[str]) -> Form:
    form: dict[str, str | list[str]] = {
        "grant_type": EXCHANGE,
        "client_id": requester,
        "client_secret": secret_of(requester),
        "subject_token": subject_token,
        "subject_token_type": ACCESS_TOKEN,
    }
    for name, values in (form | changes).items():
        for value in [values] if isinstance(values, str) else values:
            yield name, value


def claims_of(token: str) -> Json:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def audiences_of(claims: Json) -> set[str]:
    audience = claims.get("aud", [])
    return {audience} if isinstance(audience, str) else set(audience)


def refusal_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, error and description of a refusal; anything else in the body is part of the difference."""
    body = answer.json()
    assert set(body) <= {"error", "error_description"}, body
    return answer.status_code, body["error"], body.get("error_description", "")
