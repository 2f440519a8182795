"""The MCP door, for agents: `entry.py` stands before the SDK, `server.py` answers, `results.py` is what agents read."""
