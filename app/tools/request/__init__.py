"""The request of one call: `plan.py` puts each argument where it belongs and nowhere else.

`styles.py` writes values for a URL or a header, `content.py` writes the body.
"""
