"""What the doors share: `entry.py` stands before every route; callers, bodies, leaving clients, problems, pages."""
