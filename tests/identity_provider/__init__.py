"""The embedded identity provider's own side: switches, limits, start."""
