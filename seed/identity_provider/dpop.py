"""DPoP proofs (RFC 9449): which key a token request is bound to, with Keycloak's texts."""

import base64
import hashlib
import json
from typing import Any

import jwt
from starlette.requests import Request

from seed.identity_provider.answers import OAuthError, invalid_request
from seed.identity_provider.realm import Client

REQUIRED = "dpop.bound.access.tokens"
ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
SECONDS_PAST, SECONDS_AHEAD = 25, 15
PROOFS_KEPT = 10_000  # the oldest go first
MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


class Proofs:
    """The proofs seen so far: each may be used once."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def use(self, proof_id: str, now: float) -> None:
        """Raises OAuthError when the proof has been used before."""
        while self._seen and (len(self._seen) >= PROOFS_KEPT or next(iter(self._seen.values())) <= now):
            del self._seen[next(iter(self._seen))]
        if proof_id in self._seen:
            raise invalid_request("DPoP proof has already been used")
        self._seen[proof_id] = now + SECONDS_PAST + SECONDS_AHEAD


def bound_key(request: Request, client: Client, proofs: Proofs, url: str, now: float) -> str | None:
    """The RFC 7638 thumbprint of the key that the request proves; None without a proof. Raises OAuthError."""
    proof = request.headers.get("dpop")
    if proof is None:
        if client.switched_on(REQUIRED):
            raise missing_proof()
        return None
    jwk = _key(proof)
    claims = _claims(proof, jwk)
    if not all(claims.get(name) for name in ("htm", "htu", "iat", "jti")):
        raise invalid_request("DPoP mandatory claims are missing")
    if claims["htm"] != request.method:
        raise invalid_request("DPoP HTTP method mismatch")
    if str(claims["htu"]).partition("?")[0] != url:
        raise invalid_request("DPoP HTTP URL mismatch")
    issued = claims["iat"]
    if not isinstance(issued, int | float) or not now - SECONDS_PAST <= issued <= now + SECONDS_AHEAD:
        raise invalid_request("DPoP proof is not active")
    proofs.use(str(claims["jti"]), now)
    return _thumbprint(jwk)


def missing_proof() -> OAuthError:
    return invalid_request("DPoP proof is missing")


def _key(proof: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(proof)
    except jwt.PyJWTError as error:
        raise invalid_request("DPoP header verification failure") from error
    if header.get("typ") != "dpop+jwt":
        raise invalid_request(f"Invalid or missing type in DPoP header: {header.get('typ')}")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict):
        raise invalid_request("No JWK in DPoP header")
    return jwk


def _claims(proof: str, jwk: dict[str, Any]) -> dict[str, Any]:
    options: jwt.types.Options = {"verify_iat": False, "verify_exp": False, "verify_aud": False}
    try:
        return dict(jwt.decode(proof, jwt.PyJWK(jwk), algorithms=ALGORITHMS, options=options))
    except (jwt.PyJWTError, ValueError, TypeError) as error:  # keys may be anything
        cause = "org.keycloak.exceptions.TokenSignatureInvalidException: Invalid token signature"
        raise invalid_request(f"DPoP verification failure: {cause}") from error


def _thumbprint(jwk: dict[str, Any]) -> str:
    members = {name: jwk[name] for name in MEMBERS[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
