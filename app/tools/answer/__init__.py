"""The answer to one call: `result.py` is what comes back.

`body.py` makes JSON, a text or a description of the bytes, without the secret that was sent; `streams.py` and `html.py`
read what is neither JSON nor plain text, `errors.py` finds the sentences in an error.
"""
