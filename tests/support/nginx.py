"""nginx as it stands before the product: TLS, connections to us that are used again, any path."""

import os
import pwd
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
START_SECONDS = 30

_CONFIGURATION = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream provider {{ server {provider}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_buffering {buffering};
    proxy_request_buffering {buffering};
{locations}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, port: int, provider: str, locations: str, *, buffering: bool) -> Iterator[httpx.Client]:
    """Run nginx on a port of the loopback interface; yields a client that trusts its certificate.

    `locations` are of the configuration, in which `http://provider` is the provider at the address.
    """
    assert PROGRAM is not None
    _write_certificate(folder)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            user=pwd.getpwuid(os.getuid()).pw_name,
            folder=folder,
            port=port,
            provider=provider.removeprefix("http://"),
            locations=locations,
            buffering="on" if buffering else "off",
        )
    )
    process = subprocess.Popen([PROGRAM, "-p", str(folder), "-c", str(configuration)])  # noqa: S603
    try:
        base_url = f"https://localhost:{port}"
        with httpx.Client(
            base_url=base_url,
            verify=ssl.create_default_context(cafile=folder / "certificate.pem"),
            trust_env=False,
            timeout=30,
        ) as http:
            _until_it_answers(process, http)
            yield http
    finally:
        process.terminate()
        process.wait(10)
    assert (folder / "error.log").read_text() == ""


def _until_it_answers(process: "subprocess.Popen[bytes]", http: httpx.Client) -> None:
    while process.poll() is None:
        try:
            http.get("/.well-known/oauth-protected-resource")
        except httpx.ConnectError:
            continue
        return
    raise AssertionError("nginx ended while starting")


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
