"""What admins choose and say of tools, as pure functions of operations: below sources, and told of no source's row.

`selection.py` chooses operations, `overrides.py` is what admins say of single tools, `shaping.py` makes one operation
of it, and `curation.py` puts all of this together.
"""
