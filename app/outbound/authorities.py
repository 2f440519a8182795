"""Which authorities are trusted to say who a server is."""

import errno
import os
import ssl
from functools import cache

import httpx

from app.outbound.causes import TellingSSLObject


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Return the TLS context of all connections: it trusts public authorities, or those of SSL_CERT_FILE or _DIR.

    Raises ValueError, which names the variable, if they cannot be read.
    """
    name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
    stated = os.environ.get(name, "")
    try:
        if stated and name == "SSL_CERT_DIR" and not any(map(os.path.isdir, stated.split(os.pathsep))):
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder")  # OpenSSL would trust nobody and say nothing
        context = httpx.create_ssl_context()
    except OSError as error:
        why = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificates in PEM"
        raise ValueError(f"{name}: {stated} cannot be read ({why}).") from None
    context.sslobject_class = TellingSSLObject
    return context
