"""An identity provider whose every token, key and answer a test chooses; served over real HTTP.

It knows nothing of Keycloak's rules: by default it exchanges whatever it is asked to.
"""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from starlette.types import Receive, Scope, Send

REALM = "/realms/test"
EXCHANGE_CLIENT = "exchange-client"
SECRET = "the-secret-of-the-exchange-client"
USER = "3f1b3c1e-user"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def private_key(name: str, algorithm: str = "RS256", bits: int = 2048) -> PrivateKey:
    """The key of that name; made once for all tests, because RSA keys take long."""
    return _made_once(name, algorithm, bits)


@cache
def _made_once(_name: str, algorithm: str, bits: int) -> PrivateKey:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk_of(key: PrivateKey, kid: str, **members: Any) -> dict[str, Any]:
    """The public JWK as Keycloak shows it; a member given as None is left out."""
    if isinstance(key, rsa.RSAPrivateKey):
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    whole = {**jwk, "kid": kid, "use": "sig", **members}
    return {name: value for name, value in whole.items() if value is not None}


def segment(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(content: str, kid: str) -> str:
    """The content with an RS256 signature of that key, whatever the content is."""
    key = cast("rsa.RSAPrivateKey", private_key(kid))
    signature = key.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{content}.{segment(signature)}"


@dataclass
class Answer:
    """`cut` breaks the connection in the middle of the body; `silent` never answers."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Issuer:
    """The ASGI application and its state.

    `forms` are the token requests as they came, `accepts` what they asked for, `gate` holds their answers.
    """

    def __init__(
        self, issuer: str = "https://identity.example/realms/test", now: Callable[[], float] = time.time
    ) -> None:
        self.issuer = issuer
        self.now = now
        self.signing: tuple[str, str] = ("key-1", "RS256")
        self.jwks: list[Any] = []
        self.publish("key-1")
        self.certs: Callable[[], Answer] = lambda: Answer(body={"keys": self.jwks})
        self.certs_requests = 0
        self.discovery: Callable[[], Answer] = lambda: Answer(body={"issuer": self.issuer})
        self.discovery_requests = 0
        self.exchange: Callable[[dict[str, str]], Answer] = self.exchanged
        self.forms: list[dict[str, str]] = []
        self.accepts: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()

    def publish(self, kid: str, algorithm: str = "RS256", *, sign: bool = True, **members: Any) -> None:
        """Show a key at the certs endpoint, and sign with it from now on."""
        self.jwks.append(jwk_of(private_key(kid, algorithm), kid, **{"alg": algorithm, **members}))
        if sign:
            self.signing = (kid, algorithm)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of an agent token; a claim given as None is left out."""
        now = int(self.now())
        claims = {
            "iss": self.issuer,
            "sub": USER,
            "aud": [EXCHANGE_CLIENT, "account"],
            "azp": "agent",
            "typ": "Bearer",
            "jti": "onrtro:agent-token",
            "iat": now,
            "exp": now + 300,
            "scope": "openid profile",
            "realm_access": {"roles": ["user", "admin"]},
        }
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(self, headers: Mapping[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        """A signed agent token; `headers` add to or replace the usual ones."""
        kid, algorithm = self.signing
        algorithm = (headers or {}).get("alg", algorithm)
        signer = key if key is not None else private_key(kid, self.signing[1])
        return jwt.encode(self.claims(**changes), signer, algorithm, headers={"kid": kid, **(headers or {})})

    def forged(self, headers: Any = None, **changes: Any) -> str:
        """A token with a good RS256 signature over a header and claims that no library would write."""
        kid, algorithm = self.signing
        head = {"alg": algorithm, "kid": kid, "typ": "JWT", **(headers or {})}
        return signed(f"{segment(head)}.{segment(self.claims(**changes))}", kid)

    def issue(self, form: Mapping[str, str], **changes: Any) -> dict[str, Any]:
        """The members of a good answer; `changes` are to the token's claims."""
        claims = {"aud": form["audience"], "azp": form["client_id"], "jti": "ntrtte:exchanged"}
        return {
            "access_token": self.token(**{**claims, **changes}),
            "expires_in": 300,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": form.get("scope", "profile email"),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }

    def exchanged(self, form: dict[str, str]) -> Answer:
        return Answer(body=self.issue(form))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == f"{REALM}/protocol/openid-connect/certs":
            self.certs_requests += 1
            await _send(self.certs(), receive, send)
        elif scope["path"] == f"{REALM}/.well-known/openid-configuration":
            self.discovery_requests += 1
            await _send(self.discovery(), receive, send)
        elif scope["path"] == f"{REALM}/protocol/openid-connect/token":
            message = await receive()
            form = dict(parse_qsl(message["body"].decode(), keep_blank_values=True))
            self.forms.append(form)
            self.accepts += [value.decode() for name, value in scope["headers"] if name == b"accept"]
            self.arrived.set()
            await asyncio.to_thread(self.gate.wait, 30)
            await _send(self.exchange(form), receive, send)
        else:
            await _send(Answer(404), receive, send)


async def _send(answer: Answer, receive: Receive, send: Send) -> None:
    while answer.silent:
        if (await receive())["type"] == "http.disconnect":
            return
    length = len(answer.content) + (100 if answer.cut else 0)
    headers = {"content-type": "application/json", "content-length": str(length), **answer.headers}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": answer.content})
