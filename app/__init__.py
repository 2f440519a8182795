"""MCP Tools Provider: HTTP APIs become MCP tools, called with the user's own delegated identity.

An admin registers a source (an OpenAPI document and the audience of the service behind it). An agent lists and calls
its operations as tools. For each call the agent's token is exchanged (RFC 8693) for one of that audience, or passed
through where the source has none. `docs/architecture.md` follows one call and one registration through the folders.
"""
