"""What agents call. `executor.py` tells one call in order; each step is a module of its own beside it.

`catalog.py` holds the tools in memory (built at registration, swapped whole, no database on the path of a call),
`request.py` puts arguments into a request so that none can leave its slot, `upstream.py` sends it, `result.py` is what
comes back, without the token that `echo.py` takes out of it.
"""
