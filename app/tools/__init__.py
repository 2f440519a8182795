"""What agents call. `executor.py` tells one call in order; each step is a module of its own beside it.

`catalog.py` holds the tools in memory (built at registration, swapped whole, no database on the path of a call),
`request/` puts arguments into a request, `upstream.py` sends it, `answer/` makes a result of what comes back.
"""
