"""Who is calling: verifies the agent's access token and says whose it is.

`verifier.py` decides, `agent_token.py` is the result. `signed_claims.py` checks signatures with the issuer's keys,
which `jwks.py` keeps; `claims.py` reads single claims. Nothing else decides on claims. `issuer_watch.py` compares the
identity provider's own name with the one that tokens must carry; `published.py` reads what it publishes.
"""
