"""A certificate authority of a test's own, and TLS contexts of servers whose certificates it issues."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Keeps its files in a folder; `file` is the certificate that those who trust it read."""

    def __init__(self, folder: Path, name: str = "Authority of a test") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(name)
        self.file = folder / "authority.pem"
        today = datetime.now(UTC)
        own = _certificate(
            self._name, self._name, self._key.public_key(), (today - timedelta(99), today + timedelta(99))
        )
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._own = own.sign(self._key, hashes.SHA256())
        self.file.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))

    def server(
        self,
        name: str,
        *,
        begins: int = -9,
        ends: int = 9,
        clients: bool = False,
        change: Callable[[bytes], bytes] = bytes,
    ) -> ssl.SSLContext:
        """Return the context of a server whose certificate is for a name or an address; the days count from today.

        `clients`: it asks for certificates of its clients. `change` makes an odd certificate of the good one, in DER.
        Key and certificate are in `NAME.pem` in the folder.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        today = datetime.now(UTC)
        days = (today + timedelta(begins), today + timedelta(ends))
        issued = _certificate(_common_name(name), self._name, key.public_key(), days)
        issued = issued.add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
        for number in (4, 5):  # of no meaning, for changes
            issued = issued.add_extension(
                x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{number}"), b"\5\0"), critical=False
            )
        signed = change(issued.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
        pem = self._folder / f"{name}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(
            private + ssl.DER_cert_to_PEM_cert(signed).encode() + self._own.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        if clients:
            context.load_verify_locations(self.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    return builder.not_valid_before(days[0]).not_valid_after(days[1])


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
