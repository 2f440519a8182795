"""What a call to an upstream authenticates with: `upstream_auth.py` chooses, `token_exchange/` exchanges."""
