"""The answer to one call: `result.py` is what comes back, without the token that `echo.py` takes out of it.

`body.py` makes JSON, a text or a description of the bytes, `streams.py` and `html.py` read what is neither JSON nor
plain text, `errors.py` finds the sentences in an error.
"""
