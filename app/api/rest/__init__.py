"""The REST door, for admins and programs: `entry.py` stands before every route."""
