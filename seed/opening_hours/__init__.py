"""Opening hours: an API that does not care which audience a token is for, only that the issuer signed it.

It says which token reached it, which is what pass-through is about. Run it alone with `python -m seed.opening_hours`.
"""
