"""How an upstream decides who is calling: by the access token's signature, issuer, life and audience.

Shared by the example upstreams, and short enough to copy. `keys.py` keeps the issuer's keys, `verifier.py` decides,
`caller.py` is the result, `problems.py` tells a refused caller why, `dependencies.py` ties them to an application.
"""
