"""What the demo, the tests and development stand on: an identity provider, upstreams to call, and the demo itself.

Nothing in `app` imports it but the command line of a checkout; the production image does not carry it.
"""
