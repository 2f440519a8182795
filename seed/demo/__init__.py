"""The demo: an agent calls a real HTTP API through MCP with its user's delegated identity.

`stack.py` starts everything (`provider.py`, and `gate.py`, which is how the identity provider goes down), `story.py`
plays it step by step with `people.py`, `stage.py` and `telling.py` show it, `afterwards.py` is what to continue with,
`run.py` the whole. What a step says is what it has checked: `Stage.claim` writes a line only for what holds, and ends
the demo otherwise.
"""
