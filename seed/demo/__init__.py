"""The demo: an agent calls a real HTTP API through MCP with its user's delegated identity.

`stack.py` starts everything, `story.py` plays it step by step, `stage.py` shows it. What a step says is what it has
checked: `Stage.claim` writes a line only for what holds, and ends the demo otherwise. `gate.py` is how the identity
provider goes down, `people.py` the admin and the agents, `afterwards.py` what to continue with.
"""
