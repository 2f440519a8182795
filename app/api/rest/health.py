"""For whoever runs the server: is it alive, can it serve, and its metrics. They show no address and no secret."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from app.api.http.dependencies import PUBLIC, composition_of
from app.api.http.readiness import ReadinessState

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """A sign of life."""

    status: Literal["alive"] = Field(default="alive", description="Always `alive`: a dead process does not answer.")


@router.get(
    "/health", summary="Tell whether the process is alive", openapi_extra=PUBLIC, response_description="It is alive."
)
async def get_health() -> Health:
    """Answer, whatever the state of the servers around."""
    return Health()


@router.get(
    "/ready",
    summary="Tell whether calls can be served",
    openapi_extra=PUBLIC,
    response_model=ReadinessState,
    response_description="Calls can be served.",
    responses={503: {"model": ReadinessState, "description": "Calls cannot be served now; the body says why."}},
)
async def get_readiness(request: Request) -> Response:
    """Answer 200 when calls can be served, else 503, with the state of database, identity provider and breakers."""
    state = await composition_of(request.scope).readiness.check()
    return Response(state.model_dump_json(), 200 if state.status == "ready" else 503, media_type="application/json")


@router.get(
    "/metrics",
    summary="Get the metrics in the Prometheus text format",
    openapi_extra=PUBLIC,
    response_class=PlainTextResponse,
    response_description="Every metric, by name.",
)
async def get_metrics(request: Request) -> Response:
    """Answer with every metric, in numbers since the start."""
    return Response(
        composition_of(request.scope).telemetry.render_prometheus(),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )
