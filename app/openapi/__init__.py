"""Reads OpenAPI documents: bytes in, operations and a report out. Pure: no network, no database.

`reading.py` turns bytes into a tree within limits, `conversion.py` walks it operation by operation so that a bad one
never loses the others. What comes out is `app/operation`.
"""
