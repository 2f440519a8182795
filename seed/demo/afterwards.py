"""What to continue with when the demo stays: addresses, a token command, and lines to copy."""

from seed.demo.people import AGENT_CLIENT, PASSWORD
from seed.demo.stack import Stack

READ_TOKEN = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
READABLE = " | python3 -m json.tool"


def addresses(stack: Stack, identity_provider: str) -> list[tuple[str, str, str]]:
    """Who listens where, and what is worth knowing about it."""
    ports = stack.ports
    return [
        ("identity provider", stack.identity_url, f"{identity_provider}, realm {stack.realm}"),
        ("pizzeria-backend", f"http://localhost:{ports.pizzeria}", "accepts tokens for its own audience only"),
        ("opening-hours", f"http://localhost:{ports.opening_hours}", "accepts any access token of the realm"),
        ("tools provider", stack.provider_url, "MCP at /mcp, REST at /api/v1, its API at /openapi.json"),
    ]


def commands(stack: Stack) -> list[tuple[str, str]]:
    """What to try, and the shell command for it. The first sets the token that the others use."""
    form = f"-d grant_type=password -d client_id={AGENT_CLIENT} -d username=johndoe -d password={PASSWORD}"
    call = '{"tool_id": "pizzeria-backend/get_menu_items", "arguments": {"category": "pizza"}}'
    bearer = '-H "Authorization: Bearer $TOKEN"'
    json = "-H 'Content-Type: application/json'"
    api = f"{stack.provider_url}/api/v1"
    return [
        (
            "a token of johndoe, good for five minutes (also: admin, manager, chef)",
            f"TOKEN=$(curl -sS {stack.token_endpoint} {form} | {READ_TOKEN})",
        ),
        ("the tools that johndoe sees", f"curl -sS {bearer} {api}/tools{READABLE}"),
        ("the menu, with an exchanged token", f"curl -sS {bearer} {json} -d '{call}' {api}/tools/execute{READABLE}"),
        ("how often a token was exchanged", f"curl -sS {stack.provider_url}/metrics | grep token_exchange_count_total"),
    ]
