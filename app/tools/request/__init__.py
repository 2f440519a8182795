"""The request of one call: `plan.py` puts arguments into it so that none can leave its slot.

`styles.py` writes values for a URL or a header, `content.py` writes the body.
"""
