"""What an administrator does to a realm while tokens are in use, on either identity provider."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Protocol

import httpx

from seed.identity_provider import IdentityProvider
from tests.keycloak.contract_realm import NAME

Json = dict[str, Any]


class Administration(Protocol):
    """Changes hold for the length of the block."""

    def realm_with(self, **members: Any) -> Any: ...
    def client_with(self, client_id: str, **members: Any) -> Any: ...
    def user_with(self, username: str, **members: Any) -> Any: ...
    def log_out(self, username: str) -> None: ...
    def rotate_keys(self) -> None: ...


class EmbeddedAdministration:
    """Edits the export that the embedded identity provider serves."""

    def __init__(self, provider: IdentityProvider, export: Json) -> None:
        self._provider = provider
        self._export = export

    @contextmanager
    def realm_with(self, **members: Any) -> Generator[None]:
        with self._edited(lambda export: export.update(members)):
            yield

    @contextmanager
    def client_with(self, client_id: str, **members: Any) -> Generator[None]:
        with self._edited(lambda export: _named(export["clients"], "clientId", client_id).update(members)):
            yield

    @contextmanager
    def user_with(self, username: str, **members: Any) -> Generator[None]:
        with self._edited(lambda export: _named(export["users"], "username", username).update(members)):
            yield

    def log_out(self, username: str) -> None:
        assert self._provider.log_out(username) > 0

    def rotate_keys(self) -> None:
        self._provider.keys.rotate()

    @contextmanager
    def _edited(self, edit: Callable[[Json], None]) -> Generator[None]:
        changed = deepcopy(self._export)
        edit(changed)
        self._provider.load(changed)
        try:
            yield
        finally:
            self._provider.load(self._export)


def _named(items: list[Json], key: str, name: str) -> Json:
    return next(item for item in items if item[key] == name)


class KeycloakAdministration:
    """Keycloak's admin REST API; `user` administers realm `master`."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._login = {"client_id": "admin-cli", "grant_type": "password", "username": user, "password": password}
        self._http = httpx.Client(base_url=f"{url}/admin", timeout=60, trust_env=False)
        self._token = ""
        self._renew_at = 0.0

    def close(self) -> None:
        self._http.close()

    def version(self) -> str:
        return str(self._call("GET", "serverinfo").json()["systemInfo"]["version"])

    @contextmanager
    def imported(self, realm: Json) -> Generator[None]:
        """Have the realm on the server for the length of the block; one of that name is replaced."""
        self._call("DELETE", f"realms/{realm['realm']}", missing_ok=True)
        self._call("POST", "realms", realm)
        try:
            yield
        finally:
            self._call("DELETE", f"realms/{realm['realm']}")

    @contextmanager
    def realm_with(self, **members: Any) -> Generator[None]:
        with self._changed(f"realms/{NAME}", members):
            yield

    @contextmanager
    def client_with(self, client_id: str, **members: Any) -> Generator[None]:
        with self._changed(f"realms/{NAME}/clients/{self._client(client_id)}", members):
            yield

    @contextmanager
    def user_with(self, username: str, **members: Any) -> Generator[None]:
        with self._changed(f"realms/{NAME}/users/{self._user(username)}", members):
            yield

    def log_out(self, username: str) -> None:
        self._call("POST", f"realms/{NAME}/users/{self._user(username)}/logout")

    def rotate_keys(self) -> None:
        realm = self._call("GET", f"realms/{NAME}").json()
        flags = {"priority": ["200"], "enabled": ["true"], "active": ["true"], "keySize": ["2048"]}
        component = {"name": "newer", "providerId": "rsa-generated", "config": flags}
        component |= {"providerType": "org.keycloak.keys.KeyProvider", "parentId": realm["id"]}
        self._call("POST", f"realms/{NAME}/components", component)

    @contextmanager
    def _changed(self, path: str, members: Json) -> Generator[None]:
        original = self._call("GET", path).json()
        self._call("PUT", path, original | members)
        try:
            yield
        finally:
            self._call("PUT", path, original)

    def _client(self, client_id: str) -> str:
        return str(self._call("GET", f"realms/{NAME}/clients?clientId={client_id}").json()[0]["id"])

    def _user(self, username: str) -> str:
        return str(self._call("GET", f"realms/{NAME}/users?exact=true&username={username}").json()[0]["id"])

    def _call(self, method: str, path: str, body: Json | None = None, *, missing_ok: bool = False) -> httpx.Response:
        if time.monotonic() > self._renew_at:
            answer = self._http.post(f"{self._url}/realms/master/protocol/openid-connect/token", data=self._login)
            assert answer.status_code == 200, f"KEYCLOAK_URL: the administrator cannot log in: {answer.text}"
            self._token, self._renew_at = answer.json()["access_token"], time.monotonic() + 30
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._http.request(method, f"/{path}", json=body, headers=headers)
        assert answer.is_success or (missing_ok and answer.status_code == 404), f"{method} {path}: {answer.text}"
        return answer
