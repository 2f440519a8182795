"""Every failure the product can answer with. The class says what kind of failure, `code` says which one.

ToolsProviderError
├── InvalidAgentToken     the token that came in is missing or not good enough          401
├── NotPermitted          the caller may not do this                                    403
│   └── InsufficientScope     … but could, with a token of more scope                   403
├── NotFound              there is nothing of that name that the caller may see         404
├── Conflict              the state of things forbids it                                409
├── PreconditionFailed    the caller's `If-Match` is out of date                        412
├── Unreadable            the request is not HTTP that can be read                      400
│   ├── ReadTimeout           … or did not come in time                                 408
│   ├── TargetTooLong         … or has too long an address                              414
│   └── HeadersTooLarge       … or too many or too long headers                         431
├── TooLarge              a body over its limit                                         413
├── Misdirected           the request is for another host                               421
├── UnsupportedMediaType  a body of a kind that is not taken here                       415
├── Invalid               arguments or a document are wrong; every violation is listed  422
├── BadAnswer             another server refused us or answered nonsense                502
├── Unavailable           another server is unavailable now, or this one is busy        503
└── DeadlineExceeded      another server took too long                                  504

The numbers are what the doors make of a class (`app/api/http/problems.py`); nothing below them knows HTTP statuses.
An upstream's own 4xx or 5xx is not an error of ours: it is a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with what was sent: where (RFC 6901 JSON Pointer into it) and what."""

    pointer: str
    detail: str


class ToolsProviderError(Exception):
    """A failure with a stable `code` (docs/reference/codes.md) and a `detail` that says what to do about it.

    `detail` is shown to callers: it never carries a token, a secret or an inner address. `inside` is for admins alone
    (log, audit): what happened and where, inner addresses included.
    """

    def __init__(self, code: str, detail: str, *, inside: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.inside = inside


class InvalidAgentToken(ToolsProviderError):
    """The agent's token is missing, not acceptable, or was refused by the identity provider."""


class NotPermitted(ToolsProviderError):
    """The caller is known but may not do this."""


class InsufficientScope(NotPermitted):
    """The token lacks scopes that this tool requires; `scopes` is what to ask for (RFC 6750 section 3.1)."""

    def __init__(self, scopes: Sequence[str], detail: str) -> None:
        super().__init__("insufficient_scope", detail)
        self.scopes = tuple(scopes)


class NotFound(ToolsProviderError):
    """Nothing of that name exists for this caller."""


class Conflict(ToolsProviderError):
    """The request contradicts what is stored."""


class PreconditionFailed(ToolsProviderError):
    """The resource has changed since the caller read it (RFC 9110 section 13.1.1)."""


class Unreadable(ToolsProviderError):
    """What came in is not HTTP that can be read, or reads two ways."""


class ReadTimeout(Unreadable):
    """A request did not come in full in time."""


class TargetTooLong(Unreadable):
    """The address in the request line exceeds its limit."""


class HeadersTooLarge(Unreadable):
    """The headers of a request exceed a limit."""


class TooLarge(ToolsProviderError):
    """What was sent exceeds a limit."""


class Misdirected(ToolsProviderError):
    """What was sent is for a host that this server does not answer for."""


class UnsupportedMediaType(ToolsProviderError):
    """What was sent is of a kind that is not taken here."""


class Invalid(ToolsProviderError):
    """Arguments, a request or a document are wrong."""

    def __init__(self, code: str, detail: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(code, detail)
        self.violations = tuple(violations)


class BadAnswer(ToolsProviderError):
    """Another server refused us or answered something unusable."""


class Unavailable(ToolsProviderError):
    """Another server is unavailable now, or this one is busy or stopping; `retry_after` is in seconds."""

    def __init__(self, code: str, detail: str, retry_after: float = 1.0, *, inside: str | None = None) -> None:
        super().__init__(code, detail, inside=inside)
        self.retry_after = retry_after


class DeadlineExceeded(ToolsProviderError):
    """Another server did not answer within its deadline."""
