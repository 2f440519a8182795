"""What a call to an upstream authenticates with.

`credential.py` says what every kind does, `kinds.py` lists them, and each has a module of its own beside it. That of
exchanged tokens has the longest story: it is in `token_exchange/`.
"""
