"""The demo's steps. Each says what it does, does it at the provider's doors, and claims only what it has seen."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from seed.demo.people import Admin, Agent, Outcome
from seed.demo.stack import FAILURES_THAT_OPEN, Stack
from seed.demo.stage import Stage
from seed.demo.telling import told, told_of_source

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
NEW_PIZZA = {"name": "Napoli", "price_cents": 1290}


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

    async def call(self, agent: Agent, tool: str, arguments: Mapping[str, Any], *, tokens: bool = True) -> Outcome:
        """Call a tool as an agent and show the call and, unless told otherwise, both tokens."""
        outcome = await agent.call(tool, arguments)
        self.called += 1
        self.stage.call(f"{agent.user}'s agent: tools/call {tool} {json.dumps(arguments)}", told(outcome))
        if tokens:
            self.stage.tokens(agent.token, outcome.called_by, tool.partition("__")[0])
        return outcome

    async def call_again(self, times: int, agent: Agent, tool: str, arguments: Mapping[str, Any]) -> set[str | None]:
        """Make the same call some more times, unseen; returns the codes it got."""
        outcomes = [await agent.call(tool, arguments) for _ in range(times)]
        self.called += times
        return {outcome.code for outcome in outcomes}


async def register(play: Play) -> None:
    statuses, tools = [], []
    for source in play.stack.sources:
        answer = await play.admin.register(source)
        statuses.append(answer.status_code)
        tools.append(len(answer.json().get("tools", ())))
        play.stage.call(f"admin: POST /api/v1/sources  {source['name']}, {source['url']}", told_of_source(answer))
    play.stage.claim(
        f"{len(tools)} sources are registered, {sum(tools)} operations became tools, none was skipped",
        statuses == [201, 201, 201] and tools == [11, 1, 1],
        (statuses, tools),
    )


async def list_tools(play: Play) -> None:
    tools = await play.johndoe.tools()
    by_source: dict[str, list[str]] = {}
    for tool in tools:
        source, _, operation = tool.partition("__")
        by_source.setdefault(source, []).append(operation)
    listed = "; ".join(f"{source}: {', '.join(operations)}" for source, operations in by_source.items())
    play.stage.call("johndoe's agent: tools/list", listed)
    play.stage.tokens(play.johndoe.token, None, "any API")
    play.stage.claim(
        f"{len(tools)} tools over MCP {play.johndoe.protocol}, there as soon as they were registered",
        {MENU, ORDER, ADD_TO_MENU, OPENING_HOURS, NOT_AVAILABLE} <= set(tools),
        tools,
    )


async def read_menu(play: Play) -> None:
    exchanges = await play.admin.metric(EXCHANGES)
    outcome = await play.call(play.johndoe, MENU, {"category": "pizza"})
    sent, received = play.johndoe.token, outcome.caller
    exchanges = await play.admin.metric(EXCHANGES) - exchanges
    play.stage.claim("the same user", received.sub == sent.sub, received)
    play.stage.claim(
        "another token: issued to the exchange client, good for this one API",
        received.token_id != sent.token_id and received.aud == ["pizzeria-backend"] and received.azp != sent.azp,
        received,
    )
    play.stage.claim("one token exchange (RFC 8693) at the identity provider", exchanges == 1, exchanges)
    play.menu_token = received.token_id


async def place_order(play: Play) -> None:
    order = {"lines": [{"item_id": "margherita", "quantity": 2}, {"item_id": "tiramisu", "quantity": 1}]}
    placed = (await play.call(play.johndoe, ORDER, order)).body["order"]
    play.stage.claim("the order is johndoe's, not the provider's", placed["customer"] == play.johndoe.token.sub, placed)
    play.stage.claim("it costs what the menu says: 22.90", placed["total_cents"] == 2290, placed)


async def forbidden(play: Play) -> None:
    outcome = await play.call(play.johndoe, ADD_TO_MENU, NEW_PIZZA)
    play.stage.claim(
        "the pizzeria refused with 403, and the agent gets that as a result with isError",
        outcome.is_error and outcome.status == 403,
        outcome,
    )
    roles = outcome.caller.roles
    play.stage.claim("it judged johndoe's own roles there: customer", roles == ["customer"], roles)


async def pass_through(play: Play) -> None:
    outcome = await play.call(play.johndoe, OPENING_HOURS, {})
    sent, received = play.johndoe.token, outcome.caller
    play.stage.claim("the very token that the agent sent", received.token_id == sent.token_id, received)
    play.stage.claim(
        "that API could use it here as johndoe; production examples set TOKEN_PASSTHROUGH=deny",
        received.aud == sent.aud,
        received,
    )


async def not_available(play: Play) -> None:
    outcome = await play.call(play.johndoe, NOT_AVAILABLE, {})
    play.stage.claim(
        "refused by the identity provider: exchange_audience_not_available",
        outcome.code == "exchange_audience_not_available",
        outcome,
    )
    advised = all(word in outcome.text for word in ("inventory-backend", "role", "Audience mapper"))
    play.stage.claim("the advice names the audience and both cures: a role, or an audience mapper", advised, outcome)


async def cache_hit(play: Play) -> None:
    exchanges, hits = await play.admin.metric(EXCHANGES), await play.admin.metric(CACHE_HITS)
    outcome = await play.call(play.johndoe, MENU, {"max_price_cents": 400})
    exchanges, hits = await play.admin.metric(EXCHANGES) - exchanges, await play.admin.metric(CACHE_HITS) - hits
    token = outcome.caller.token_id
    play.stage.claim("the pizzeria saw the token of the first call again", token == play.menu_token, token)
    play.stage.claim("no exchange, one cache hit", (exchanges, hits) == (0, 1), (exchanges, hits))


async def outage(play: Play) -> None:
    await play.stack.gate.shut()
    play.stage.claim("nobody answers at the identity provider's address", await _is_down(play))
    token = (await play.call(play.johndoe, MENU, {"category": "drink"})).caller.token_id
    play.stage.claim("johndoe's calls still work, with the token that is kept", token == play.menu_token, token)


async def breaker_opens(play: Play) -> None:
    stage = play.stage
    first = await play.call(play.chef, ADD_TO_MENU, NEW_PIZZA)
    codes = {first.code} | await play.call_again(FAILURES_THAT_OPEN - 1, play.chef, ADD_TO_MENU, NEW_PIZZA)
    stage.claim(f"{FAILURES_THAT_OPEN} such calls fail alike: idp_unreachable", codes == {"idp_unreachable"}, codes)
    state, exchanges = await play.admin.metric(BREAKER, name=BREAKER_NAME), await play.admin.metric(EXCHANGES)
    stage.claim("now the circuit breaker is open", state == OPEN, state)
    refused = await play.call(play.chef, ADD_TO_MENU, NEW_PIZZA, tokens=False)
    exchanges = await play.admin.metric(EXCHANGES) - exchanges
    stage.claim("refused at once, nothing was asked", (refused.code, exchanges) == ("circuit_open", 0), refused)
    play.retry_after = refused.retry_after or 0.0
    stage.claim(f"it says when to come back: in {play.retry_after:.1f} s", play.retry_after > 0, refused)
    dessert = await play.call(play.johndoe, MENU, {"category": "dessert"}, tokens=False)
    stage.claim("johndoe still reads the menu", dessert.caller.token_id == play.menu_token, dessert)


async def breaker_heals(play: Play) -> None:
    stage = play.stage
    await play.stack.gate.open()
    stage.claim("the identity provider answers again", not await _is_down(play))
    await asyncio.sleep(play.retry_after)
    outcome = await play.call(play.chef, ADD_TO_MENU, NEW_PIZZA)
    same_user = outcome.caller.sub == play.chef.token.sub
    stage.claim("the chef's pizza is on the menu", outcome.status == 201 and same_user, outcome)
    state = await play.admin.metric(BREAKER, name=BREAKER_NAME)
    stage.claim("one probe closed the breaker", state == CLOSED, state)


async def audited(play: Play) -> None:
    records = await play.admin.audit(limit=100)
    calls = [record for record in records if record["action"] == "execute"]
    answered = [record for record in calls if record["upstream_status"] is not None]
    outcomes = sorted({record["outcome"] for record in calls})
    play.stage.call("admin: GET /api/v1/audit", f"{len(records)} records; calls ended as {', '.join(outcomes)}")
    play.stage.claim(f"one record for each of the {play.called} tool calls", len(calls) == play.called, len(calls))
    named = all(record["exchanged_token_id"] or record["passthrough"] for record in answered)
    play.stage.claim("each answered call names its token by its id, or as passed through", named, answered)
    play.stage.claim(
        "no token is among them", not any("eyJ" in str(value) for record in records for value in record.values())
    )


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
