"""For whoever runs the server: is it alive, can it serve, and its metrics. No address and no secret is shown."""

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.http.dependencies import composition_of

router = APIRouter(tags=["operation"])


@router.get("/health", summary="The process is alive")
async def health() -> dict[str, str]:
    """Answer, whatever the state of the servers around."""
    return {"status": "alive"}


@router.get("/ready", summary="Calls can be served", responses={503: {"description": "Not now; the body says why"}})
async def ready(request: Request) -> Response:
    """Answer 200 when calls can be served, else 503, with the state of database, identity provider and breakers."""
    is_ready, state = await composition_of(request.scope).readiness.check()
    return Response(orjson.dumps(state), 200 if is_ready else 503, media_type="application/json")


@router.get("/metrics", summary="Metrics in the Prometheus text format", response_class=Response)
async def metrics(request: Request) -> Response:
    """Answer with every metric."""
    return Response(
        composition_of(request.scope).telemetry.render_prometheus(),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )
