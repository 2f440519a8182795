"""An issuer whose every token the tests choose: keys over real HTTP, any claim, any algorithm."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI, Response

ISSUER = "https://identity.example/realms/tools-provider"


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The key of that name; made once, because making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Signs tokens and serves its keys at /certs. `down` makes it answer 503."""

    def __init__(self) -> None:
        self.down = False
        self.key_requests = 0
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate("key-1")
        self.app = FastAPI(title="issuer")
        self.app.get("/certs", response_model=None)(self.certs)

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on; the earlier ones stay published."""
        self._keys[kid] = rsa_key(kid)
        self.kid = kid

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return self._keys[self.kid]

    async def certs(self) -> dict[str, Any] | Response:
        self.key_requests += 1
        if self.down:
            return Response(status_code=503)
        keys = []
        for kid, key in self._keys.items():
            keys.append(
                {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}
            )
        encryption = rsa_key("encryption").public_key()
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(encryption, as_dict=True)
        return {"keys": [*keys, {**jwk, "kid": "encryption", "use": "enc"}]}

    def token(
        self,
        *roles: str,
        sub: str = "user-1",
        key: Any = None,
        algorithm: str = "RS256",
        headers: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """An access token for pizzeria-backend; a claim given as None is left out."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "sub": sub,
            "aud": "pizzeria-backend",
            "azp": "tools-provider-token-exchange",
            "preferred_username": "johndoe",
            "typ": "Bearer",
            "jti": "token-1",
            "iat": now,
            "exp": now + 300,
            "resource_access": {"pizzeria-backend": {"roles": list(roles)}},
        } | claims
        present = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(
            present, self.key if key is None else key, algorithm, headers={"kid": self.kid, **(headers or {})}
        )
