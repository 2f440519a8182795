"""Headers that no caller sets, in lower case and with hyphens: many servers read `_` in their names as `-`.

They say what only we, the transport or a proxy in front of the upstream may say: how a message is sent and coded, from
where and on whose behalf it comes, which method, host and path are really meant, which trace it belongs to. Conditions
and ranges (`If-Match`, `Range`) are a caller's.
"""

RESERVED = frozenset(
    {
        "accept-encoding",
        "b3",
        "baggage",
        "cdn-loop",
        "client-ip",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",  # where it is written content_type
        "cookie",
        "cookie2",
        "early-data",
        "expect",
        "forwarded",
        "front-end-https",
        "host",
        "http2-settings",
        "keep-alive",
        "origin",
        "proxy",  # CGI makes HTTP_PROXY of it (CVE-2016-5385)
        "referer",
        "set-cookie",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "true-client-ip",
        "uber-trace-id",
        "upgrade",
        "via",
        "x-amzn-trace-id",
        "x-client-ip",
        "x-cloud-trace-context",
        "x-forward-for",
        "x-forwarded",
        "x-host",
        "x-method-override",
        "x-originating-ip",
        "x-real-ip",
        "x-url-scheme",
    }
)
RESERVED_FAMILIES = (
    "access-control-request-",
    "cf-",  # Cloudflare: cf-connecting-ip
    "client-cert",  # RFC 9440
    "fastly-",
    "proxy-",
    "sec-",
    "ssl-client-",
    "wl-proxy-",  # WebLogic
    "x-amzn-oidc-",
    "x-auth-request-",  # oauth2-proxy
    "x-b3-",
    "x-cluster-client-ip",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-http-host-",
    "x-http-method",
    "x-middleware-",  # CVE-2025-29927
    "x-ms-client-principal",
    "x-original-",
    "x-remote-",
    "x-rewrite-",
)
