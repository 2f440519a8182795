"""DPoP proofs (RFC 9449), as an agent makes them."""

import base64
import hashlib
import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm


class ProofKey:
    """A key that tokens get bound to; `thumbprint` is that of RFC 7638."""

    def __init__(self) -> None:
        self._private = generate_private_key(SECP256R1())
        self.jwk: dict[str, Any] = ECAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        members = {name: self.jwk[name] for name in ("crv", "kty", "x", "y")}
        digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
        self.thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def proof(self, url: str, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A proof for a POST to the address; `changes` replaces claims, None leaves one out."""
        claims = {"htm": "POST", "htu": url, "iat": int(time.time()), "jti": str(uuid.uuid4())} | changes
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(present, self._private, "ES256", {"typ": "dpop+jwt", "jwk": self.jwk} | (header or {}))
