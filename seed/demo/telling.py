"""Answers in a line."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from seed.demo.people import Outcome


def told_of_source(answer: httpx.Response) -> str:
    """What the REST door answered to a registration."""
    body = answer.json()
    if answer.is_error:
        return f"{answer.status_code}  {body['code']}: {body['detail']}"
    tools = f"{len(body['tools'])} tool{'' if len(body['tools']) == 1 else 's'}"
    audience = body["default_audience"] or "none"
    return f"{answer.status_code}  {body['slug']}: {tools}, audience {audience}, {body['upstream_auth']['type']}"


def told(outcome: Outcome) -> str:
    """What an agent got for a call."""
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
