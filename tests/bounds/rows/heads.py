"""Request line and headers, as anybody can send them."""

from tests.bounds.row import OK
from tests.bounds.sending import request

ROWS = [
    request(
        "request line",
        "a long target",
        lambda stage, scale: stage.head(f"GET /api/v1/tools?q={'a' * 300 * scale}", None),
        OK,
        "invalid_request",
        "target_too_long",
    ),
    request(
        "headers",
        "one long value",
        lambda stage, scale: stage.head("GET /api/v1/tools", None, f"X-Long: {'a' * 50_000 * scale}"),
        OK,
        "headers_too_large",
    ),
]
