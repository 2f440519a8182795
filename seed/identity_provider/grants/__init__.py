"""The grants of the token endpoint, one module each, by `grant_type`."""
