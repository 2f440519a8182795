"""The probe as an upstream, shared with the tests of the doors."""

from tests.api.conftest import agent, probe_address

__all__ = ["agent", "probe_address"]
