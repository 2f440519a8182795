"""Why another server could not be used: a word, a sentence for anyone, and one for whoever can mend it."""

import errno
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from socket import EAI_AGAIN, gaierror

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from cryptography import x509

_NO_MORE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # of what the system gives
_MOST_SHOWN = 200  # characters of what the other side chose
_TLS_RECORD = r"b'\x15\x03"  # an alert (RFC 8446 section 5.1), as aiohttp quotes what it cannot read
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_…


@dataclass(frozen=True, slots=True)
class Cause:
    """`reason` is a word for programs; `connected`: the request may have arrived.

    `plain` and `detail` can follow "the server cannot be used:". `plain` is for anyone, `detail` for whoever runs this.
    Neither names the server: whoever tells of it knows how it was called.
    """

    reason: str
    connected: bool
    plain: str
    detail: str


class Shortage(Exception):
    """Nothing was sent for want of something of our own: says nothing of the other side."""


def is_shortage(error: OSError) -> bool:
    """Whether the system had nothing more to give us."""
    return error.errno in _NO_MORE


class TellingSSLObject(ssl.SSLObject):
    """Keeps with the refusal of a certificate the certificates that were presented: later nobody can be asked."""

    def do_handshake(self) -> None:
        """Raise SSLCertVerificationError with `presented`, certificates in PEM, the server's first."""
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            # ssl offers this itself from Python 3.13 on
            chain = self._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]
            error.presented = tuple(each.public_bytes() for each in chain)  # type: ignore[attr-defined]
            raise


_Kinds = type[BaseException] | tuple[type[BaseException], ...]
_ROWS: tuple[tuple[_Kinds, str, bool, str, str], ...] = (
    ((Shortage, httpx.PoolTimeout), "shortage", False, "too much is under way on this server", ""),
    (
        (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
        *(
            "no_connection",
            False,
            "it accepts no connection",
            "a firewall may drop what is sent to it, or TLS never begins there",
        ),
    ),
    ((aiohttp.ClientConnectorDNSError, gaierror), "name", False, "its name cannot be resolved", ""),
    (ssl.SSLCertVerificationError, "certificate", False, "its TLS certificate is not trusted", ""),
    (aiohttp.ClientSSLError, "tls", False, "it does not speak TLS as we do", ""),
    (
        ConnectionRefusedError,
        *("refused", False, "it refuses connections", "nothing listens there, or a firewall refuses"),
    ),
    (aiohttp.ClientConnectorError, "no_route", False, "no way leads to it", ""),
    (aiohttp.ClientPayloadError, "early_end", True, "it broke off in the middle of its answer", ""),
    ((aiohttp.ServerTimeoutError, httpx.TimeoutException, TimeoutError), "slow", True, "it did not answer in time", ""),
    (
        (aiohttp.ClientConnectionError, ConnectionError),
        *("hung_up", True, "it closed the connection without an answer"),
        "it failed, closes idle connections sooner than we do, or wants TLS (https://) or a client certificate",
    ),
    (LineTooLong, "header_too_large", True, "a header of its answer is too large", ""),
    ((aiohttp.ClientResponseError, HttpProcessingError), "framing", True, "its answer is not HTTP", ""),
    (httpx.ConnectError, "no_route", False, "no way leads to it", ""),
)


def cause_of(error: BaseException) -> Cause:
    """Return what an error of aiohttp, httpx, ssl or the system means, or one that was raised from such an error.

    The first row decides that fits the error or what it was raised from.
    """
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None and before not in chain:
        chain.append(before)
    for kinds, reason, connected, plain, hint in _ROWS:
        if any(isinstance(each, kinds) for each in chain):
            return _told(Cause(reason, connected, plain, plain), hint, chain)
    return Cause("not_sent", False, "the request could not be sent", "the request could not be sent")


def _told(cause: Cause, hint: str, chain: Sequence[BaseException]) -> Cause:
    match cause.reason:
        case "name":
            hint = _name_server(chain)
        case "certificate":
            return _certificate(_from_ssl(chain))
        case "tls":
            return _tls(cause, _from_ssl(chain))
        case "no_route":
            return _no_route(cause, chain)
        case "early_end" | "header_too_large" | "framing":
            return _unreadable(cause, chain)
    return _with(cause, hint)


def _with(cause: Cause, hint: str) -> Cause:
    return replace(cause, detail=f"{cause.plain} ({hint})") if hint else cause


def _name_server(chain: Sequence[BaseException]) -> str:
    number = next((each.errno for each in chain if isinstance(each, gaierror)), None)
    return "the name server does not answer" if number == EAI_AGAIN else "the name server does not know it"


def _no_route(cause: Cause, chain: Sequence[BaseException]) -> Cause:
    if any(isinstance(each, ConnectionError) for each in chain):  # a connection that is lost so early was to be TLS
        plain = "it does not speak TLS as we do"
        return Cause("tls", False, plain, f"{plain} (it hangs up when TLS begins: is it http://?)")
    number = next((each.errno for each in chain if isinstance(each, OSError) and each.errno), None)
    return _with(cause, os.strerror(number) if number else "")


def _from_ssl(chain: Sequence[BaseException]) -> ssl.SSLError:
    """Return the error that ssl itself raised; aiohttp's are of the same kind and know less."""
    return next(each for each in reversed(chain) if isinstance(each, ssl.SSLError))


def _tls(cause: Cause, error: ssl.SSLError) -> Cause:
    said = error.reason or ""
    if said in _NO_TLS:
        return _with(cause, "what answers there does not speak TLS: is it http://?")
    return _with(cause, said.replace("_", " ").lower())


def _unreadable(cause: Cause, chain: Sequence[BaseException]) -> Cause:
    """Add what aiohttp says of an answer that it cannot read, without the bytes that it quotes."""
    said = next((each.message for each in chain if isinstance(each, HttpProcessingError)), "")
    if _TLS_RECORD in said:
        return _with(cause, "it speaks TLS there: is it https://?")
    if said.startswith("Too many headers"):
        return Cause("header_too_large", True, "its answer has too many headers", "its answer has too many headers")
    return _with(cause, said.partition(":")[0].partition("\n")[0][:_MOST_SHOWN])


def _certificate(error: ssl.SSLError) -> Cause:
    """Tell whose certificate was refused, who issued it, and which day it ends."""
    assert isinstance(error, ssl.SSLCertVerificationError)  # noqa: S101 - what this row of the table is for
    chain = _read(getattr(error, "presented", ()))
    about = _about(chain) if chain else "its certificate "
    match error.verify_code:
        case code if code == _EXPIRED:
            ended = f"{min(each.not_valid_after_utc for each in chain):%Y-%m-%d}" if chain else "an earlier day"
            plain, detail = "has expired", f"ended on {ended}"
        case code if code == _NOT_YET:
            plain, detail = "is not valid yet", "is not valid yet: is this machine's clock right?"
        case code if code in {_OTHER_NAME, _OTHER_ADDRESS}:
            plain, detail = "is for another name", "is not for the name that is called"
        case _:
            plain = "is not trusted"
            detail = (
                f"is not trusted ({error.verify_message}): put its authority into the file that SSL_CERT_FILE names"
            )
    return Cause("certificate", False, f"its TLS certificate {plain}", f"{about}{detail}")


def _read(presented: Sequence[str]) -> Sequence[x509.Certificate]:
    """Return the certificates; none if one of them is odd, which OpenSSL takes and `cryptography` does not."""
    try:
        return [x509.load_pem_x509_certificate(each.encode()) for each in presented]
    except (ValueError, x509.InvalidVersion):
        return ()


def _about(chain: Sequence[x509.Certificate]) -> str:
    leaf = chain[0]
    days = f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
    return f"its certificate for {_names(leaf)} ({days}, issued by {_shown(chain[-1].issuer)}) "


def _names(certificate: x509.Certificate) -> str:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return _shown(certificate.subject)
    return _printable(", ".join(str(name.value) for name in found)) or _shown(certificate.subject)


def _shown(name: x509.Name) -> str:
    return _printable(name.rfc4514_string())


def _printable(text: str) -> str:
    """Return the beginning of what the other side chose, with a mark for each character that is not shown as it is."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:_MOST_SHOWN])
