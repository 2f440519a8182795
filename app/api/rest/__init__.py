"""The REST door, for admins and programs."""
