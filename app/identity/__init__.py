"""Who is calling: verifies the agent's access token and says whose it is.

`verifier.py` decides, `jwks.py` keeps the issuer's keys, `agent_token.py` is the result. Nothing else
decides on claims.
"""
