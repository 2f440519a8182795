"""Token exchange: which token a call to an upstream carries. The whole story is in this folder.

1. A source without an audience: the agent's token goes through unchanged (`upstream_auth.py`).
2. A source with one: `CachingExchanger` (caching.py) looks for a token it already has, or waits for the exchange that
   is under way for the same key.
3. Else `GuardedExchanger` (guarded.py) asks, unless the identity provider's circuit breaker is open: cached tokens are
   served meanwhile, because the cache stands outside the breaker. What is really sent, `AuditedExchanger` (audited.py)
   puts into audit, metrics and trace.
4. `KeycloakExchanger` (keycloak.py) speaks RFC 8693 as Keycloak standard token exchange V2 does; `refusals.py` tells
   its refusals apart, and `issued_token.py` checks what came back before anyone uses it.
"""
