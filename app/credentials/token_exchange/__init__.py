"""Token exchange: the agent's token for one that fits the upstream's audience. The whole story is in this folder.

1. `CachingExchanger` (caching.py) looks for a token that it already has, or waits for the exchange under way for
   the same key.
2. Else `GuardedExchanger` (guarded.py) asks, unless the identity provider's circuit breaker is open: cached tokens are
   served meanwhile, because the cache stands outside the breaker. What is really sent, `AuditedExchanger` (audited.py)
   puts into audit, metrics and trace.
3. `KeycloakExchanger` (keycloak.py) speaks RFC 8693 as Keycloak standard token exchange V2 does; `refusals.py` tells
   its refusals apart, and `issued_token.py` checks what came back before anyone uses it.
"""
