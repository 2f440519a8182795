"""The doors: REST for admins and programs (`rest/`), MCP for agents (`mcp/`), and what they share (`http/`).

Only here are FastAPI, Starlette and MCP known. A door authenticates, hands typed values to a use case, and renders what
comes back (`http/problems.py` for failures).
"""
