"""What the demo, the tests and development stand on: an identity provider, upstreams to call, and the demo itself.

In `app` only the command line of a checkout imports it; the production image does not contain it.
"""
