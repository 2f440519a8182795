"""The demo's steps. Each says what it does, does it at the provider's doors, and claims only what it has seen."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from seed.bearer.caller import Caller
from seed.demo.people import Admin, Agent, Outcome
from seed.demo.stack import FAILURES_THAT_OPEN, Stack
from seed.demo.stage import Stage

MENU = "pizzeria-backend__get_menu_items"
ADD_TO_MENU = "pizzeria-backend__add_menu_item"
ORDER = "pizzeria-backend__place_order"
OPENING_HOURS = "opening-hours__get_opening_hours"
NOT_AVAILABLE = "inventory-backend__get_opening_hours"
EXCHANGES = "tools_provider_token_exchange_count_total"
CACHE_HITS = "tools_provider_token_exchange_cache_hits_total"
BREAKER = "tools_provider_circuit_breaker_state"
BREAKER_NAME = "identity_provider"
CLOSED, OPEN = 0, 1
NEW_PIZZA = {"name": "Bufalina", "description": "Buffalo mozzarella, basil", "price_cents": 1290, "vegetarian": True}


@dataclass(slots=True)
class Play:
    """Who and what takes part. `menu_token` is the id of the token that the pizzeria saw when the menu was first read.

    `called` counts the tool calls made, `retry_after` is what the open breaker asked for, in seconds.
    """

    stage: Stage
    stack: Stack
    http: httpx.AsyncClient
    admin: Admin
    johndoe: Agent
    chef: Agent
    menu_token: str | None = None
    retry_after: float = 0.0
    called: int = field(default=0)

    async def call(self, agent: Agent, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        """Call a tool as an agent and show the call."""
        outcome = await agent.call(tool, arguments)
        self.called += 1
        self.stage.call(f"{agent.user}'s agent: tools/call {tool} {json.dumps(arguments)}", _told(outcome))
        return outcome

    def show_tokens(self, agent: Agent, outcome: Outcome, by: str) -> tuple[Caller, Caller]:
        """Show the agent's token beside the one that the upstream says it verified."""
        sent, received = agent.token, outcome.called_by
        self.stage.tokens(sent, received, by)
        return sent, received


async def register(play: Play) -> None:
    stage, counted = play.stage, []
    for source in play.stack.sources:
        answer = await play.admin.register(source)
        told = answer.json()
        stage.call(
            f"admin: POST /api/v1/sources  {source['name']}, {source['url']}",
            f"{answer.status_code}  {told.get('slug', told.get('code'))}: {len(told.get('tools', []))} tools, "
            f"audience {told.get('default_audience') or 'none'}, {told.get('upstream_auth', {}).get('type')}",
        )
        stage.claim("registered", answer.status_code == 201, told)
        counted.append(len(told["tools"]))
    stage.claim(f"{sum(counted)} operations became tools, none was skipped", counted == [11, 1, 1], counted)


async def list_tools(play: Play) -> None:
    tools = await play.johndoe.tools()
    play.stage.call("johndoe's agent: tools/list", ", ".join(name.removeprefix("pizzeria-backend__") for name in tools))
    play.stage.claim(
        f"{len(tools)} tools over MCP {play.johndoe.protocol}, visible the moment they were registered",
        {MENU, ORDER, ADD_TO_MENU, OPENING_HOURS, NOT_AVAILABLE} <= set(tools),
        tools,
    )


async def read_menu(play: Play) -> None:
    before = await play.admin.metric(EXCHANGES)
    outcome = await play.call(play.johndoe, MENU, {"category": "pizza"})
    sent, received = play.show_tokens(play.johndoe, outcome, "pizzeria-backend")
    stage = play.stage
    stage.claim("the same user", received.sub == sent.sub, received)
    stage.claim(
        "another token: issued to the exchange client, good for this one API",
        received.token_id != sent.token_id and received.aud == ["pizzeria-backend"] and received.azp != sent.azp,
        received,
    )
    exchanges = await play.admin.metric(EXCHANGES) - before
    stage.claim("one token exchange (RFC 8693) at the identity provider", exchanges == 1, exchanges)
    play.menu_token = received.token_id


async def place_order(play: Play) -> None:
    order = {"lines": [{"item_id": "margherita", "quantity": 2}, {"item_id": "tiramisu", "quantity": 1}]}
    outcome = await play.call(play.johndoe, ORDER, order)
    sent, _ = play.show_tokens(play.johndoe, outcome, "pizzeria-backend")
    placed = outcome.body["order"]
    play.stage.claim("the order is johndoe's, not the provider's", placed["customer"] == sent.sub, placed)
    play.stage.claim("it costs what the menu says: 22.90", placed["total_cents"] == 2290, placed)


async def forbidden(play: Play) -> None:
    outcome = await play.call(play.johndoe, ADD_TO_MENU, NEW_PIZZA)
    _, received = play.show_tokens(play.johndoe, outcome, "pizzeria-backend")
    play.stage.claim(
        "the pizzeria refused with 403, and the agent is told as a result with isError",
        outcome.is_error and outcome.status == 403,
        outcome,
    )
    play.stage.claim("it judged johndoe's own roles there: customer", received.roles == ["customer"], received.roles)


async def pass_through(play: Play) -> None:
    outcome = await play.call(play.johndoe, OPENING_HOURS, {})
    sent, received = play.show_tokens(play.johndoe, outcome, "opening-hours")
    play.stage.claim(
        "the very token that the agent sent", received.token_id is not None and received.token_id == sent.token_id
    )
    play.stage.claim(
        "… which is why production examples set TOKEN_PASSTHROUGH=deny", "pizzeria-backend" not in sent.aud
    )


async def not_available(play: Play) -> None:
    outcome = await play.call(play.johndoe, NOT_AVAILABLE, {})
    play.stage.claim(
        "refused by the identity provider: exchange_audience_not_available",
        outcome.code == "exchange_audience_not_available",
        outcome,
    )
    play.stage.claim("the advice names the audience", "inventory-backend" in outcome.text, outcome.text)


async def cache_hit(play: Play) -> None:
    exchanges, hits = await play.admin.metric(EXCHANGES), await play.admin.metric(CACHE_HITS)
    outcome = await play.call(play.johndoe, MENU, {"max_price_cents": 400})
    _, received = play.show_tokens(play.johndoe, outcome, "pizzeria-backend")
    play.stage.claim("the pizzeria saw the token of step 3 again", received.token_id == play.menu_token, received)
    exchanges, hits = await play.admin.metric(EXCHANGES) - exchanges, await play.admin.metric(CACHE_HITS) - hits
    play.stage.claim("no exchange, one cache hit", (exchanges, hits) == (0, 1), (exchanges, hits))


async def outage(play: Play) -> None:
    await play.stack.gate.shut()
    play.stage.claim("nobody answers at the identity provider's address", await _is_down(play))
    outcome = await play.call(play.johndoe, MENU, {"category": "drink"})
    received = outcome.called_by
    play.stage.claim(
        "johndoe's calls go on with the token that is kept", received.token_id == play.menu_token, received
    )


async def breaker_opens(play: Play) -> None:
    stage = play.stage
    codes = [(await play.call(play.chef, ADD_TO_MENU, NEW_PIZZA)).code for _ in range(FAILURES_THAT_OPEN)]
    stage.claim(f"{FAILURES_THAT_OPEN} exchanges failed: idp_unreachable", set(codes) == {"idp_unreachable"}, codes)
    state, sent = await play.admin.metric(BREAKER, name=BREAKER_NAME), await play.admin.metric(EXCHANGES)
    stage.claim("the circuit breaker is open", state == OPEN, state)
    outcome = await play.call(play.chef, ADD_TO_MENU, NEW_PIZZA)
    sent = await play.admin.metric(EXCHANGES) - sent
    stage.claim("refused at once, nothing sent: circuit_open", (outcome.code, sent) == ("circuit_open", 0), outcome)
    play.retry_after = outcome.retry_after or 0.0
    stage.claim(f"it says when to come back: in {play.retry_after:.1f} s", play.retry_after > 0, outcome)
    outcome = await play.call(play.johndoe, MENU, {"category": "dessert"})
    stage.claim("johndoe still reads the menu", outcome.called_by.token_id == play.menu_token, outcome)


async def breaker_heals(play: Play) -> None:
    stage = play.stage
    await play.stack.gate.open()
    stage.claim("the identity provider answers again", not await _is_down(play))
    await asyncio.sleep(play.retry_after)
    outcome = await play.call(play.chef, ADD_TO_MENU, NEW_PIZZA)
    sent, received = play.show_tokens(play.chef, outcome, "pizzeria-backend")
    stage.claim("the chef's pizza is on the menu", outcome.status == 201 and received.sub == sent.sub, outcome)
    state = await play.admin.metric(BREAKER, name=BREAKER_NAME)
    stage.claim("one probe closed the breaker", state == CLOSED, state)


async def audited(play: Play) -> None:
    records = await play.admin.audit(limit=100)
    calls = [record for record in records if record["action"] == "execute"]
    outcomes = sorted({record["outcome"] for record in calls})
    play.stage.call("admin: GET /api/v1/audit", f"{len(records)} records; calls ended as {', '.join(outcomes)}")
    play.stage.claim(f"one record for each of the {play.called} tool calls", len(calls) == play.called, len(calls))
    tokens = [record["exchanged_token_id"] for record in calls]
    play.stage.claim("each names the token that was used, by its id", play.menu_token in tokens, tokens)


Step = Callable[[Play], Awaitable[None]]
STEPS: tuple[tuple[str, Step], ...] = (
    ("An admin registers three APIs over REST", register),
    ("An agent, on behalf of johndoe, lists its tools", list_tools),
    ("It reads the menu: the token is exchanged for one that fits the pizzeria", read_menu),
    ("It places an order", place_order),
    ("It tries what only a chef may do", forbidden),
    ("Pass-through: a source without an audience gets the agent's own token", pass_through),
    ("An audience that the realm does not make available", not_available),
    ("The menu again: the exchanged token is kept for a minute", cache_hit),
    ("The identity provider goes down", outage),
    ("A chef's agent needs a new exchange now, again and again", breaker_opens),
    ("The identity provider is back", breaker_heals),
    ("What remains on record", audited),
)


async def _is_down(play: Play) -> bool:
    try:
        await play.http.get(f"{play.stack.issuer}/.well-known/openid-configuration")
    except httpx.TransportError:
        return True
    return False


def _told(outcome: Outcome) -> str:
    """An answer in a line."""
    if outcome.code is not None:
        return f"isError  {outcome.code}: {outcome.text}"
    return f"{'isError  ' if outcome.is_error else ''}{outcome.status}  {_gist(outcome.body)}"


def _gist(body: Mapping[str, Any]) -> str:
    match body:
        case {"items": items}:
            return ", ".join(f"{item['name']} {item['price_cents'] / 100:.2f}" for item in items)
        case {"item": item}:
            return f"{item['name']} {item['price_cents'] / 100:.2f}"
        case {"order": order}:
            return f"{order['id']}, {order['total_cents'] / 100:.2f}, {order['status']}"
        case {"days": days}:
            return ", ".join(f"{day['weekday'][:3]} {day['opens'] or 'closed'}" for day in days)
        case {"detail": detail}:
            return str(detail)
    return json.dumps(body)
