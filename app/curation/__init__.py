"""What admins choose and change of tools, as pure functions of operations, which know nothing of stored sources.

`selection.py` chooses operations, `overrides.py` is what admins state about single tools, `shaping.py` applies it to
one operation, and `curation.py` puts all of this together.
"""
