"""The doors: REST for admins and programs, MCP for agents (`mcp.py`).

Only here are FastAPI, Starlette and MCP known. A door authenticates (`authentication.py`), hands typed values to a use
case, and renders what comes back (`problems.py` for failures).
"""
