"""What the doors share: `protocol.py` bounds what comes in, `entry.py` stands before every route.

Callers, bodies, leaving clients, problems, pages.
"""
