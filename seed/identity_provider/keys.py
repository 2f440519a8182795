"""The realm's signing keys: one active, older ones still published."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

ALGORITHM = "RS256"
OLD_KEYS_KEPT = 10
Claims = dict[str, Any]


class TokenRefused(Exception):
    """A token that this realm did not sign, or that has expired."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its name; the name is the key's RFC 7638 thumbprint."""

    private: RSAPrivateKey = field(repr=False)
    kid: str

    @classmethod
    def generate(cls) -> "SigningKey":
        private = generate_private_key(public_exponent=65537, key_size=2048)
        return cls(private, _thumbprint(private))

    def public_jwk(self, use: str = "sig", algorithm: str = ALGORITHM) -> dict[str, Any]:
        jwk = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"kid": self.kid, "kty": "RSA", "alg": algorithm, "use": use, "n": jwk["n"], "e": jwk["e"]}


class Keys:
    """Signs and verifies; `rotate` makes a new active key and keeps the last ten old ones unless told otherwise."""

    def __init__(self) -> None:
        self._signing = [SigningKey.generate()]
        # Keycloak publishes an encryption key too: a reader that takes any key of the set must fail here as well.
        self._encryption = SigningKey.generate()

    def rotate(self, *, drop_old: bool = False) -> None:
        self._signing = [SigningKey.generate(), *([] if drop_old else self._signing[:OLD_KEYS_KEPT])]

    def jwks(self) -> dict[str, Any]:
        signing = [key.public_jwk() for key in self._signing]
        return {"keys": [*signing, self._encryption.public_jwk("enc", "RSA-OAEP")]}

    def public_key_base64(self) -> str:
        public = self._signing[0].private.public_key()
        return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    def sign(self, claims: Claims) -> str:
        active = self._signing[0]
        return jwt.encode(claims, active.private, algorithm=ALGORITHM, headers={"kid": active.kid})

    def verified(self, token: str, issuer: str, now: float) -> Claims:
        """The claims of a token that this realm issued under this issuer. Raises TokenRefused."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next((key for key in self._signing if key.kid == kid), None)
            if key is None:
                raise TokenRefused(f"no key {kid}")
            options: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
            claims = jwt.decode(token, key.private.public_key(), algorithms=[ALGORITHM], issuer=issuer, options=options)
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenRefused(str(error)) from error
        if claims.get("exp", 0) <= now:
            raise TokenRefused("expired")
        return dict(claims)


def _thumbprint(private: RSAPrivateKey) -> str:
    jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    members = json.dumps({"e": jwk["e"], "kty": "RSA", "n": jwk["n"]}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()
