"""`/__dev/…`: switch faults on, rotate keys, end sessions, read counts. Only this stand-in has it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException

from seed.identity_provider.faults import MOST_FAULTS, AnyFault, TooManyFaults
from seed.identity_provider.provider import IdentityProvider
from seed.identity_provider.realm import RealmError


def control_routes(provider: IdentityProvider) -> APIRouter:
    """The switches of one identity provider."""
    routes = APIRouter(prefix="/__dev", tags=["development"])
    _add_fault_routes(routes, provider)
    _add_state_routes(routes, provider)
    return routes


def _add_fault_routes(routes: APIRouter, provider: IdentityProvider) -> None:
    @routes.get("/faults")
    def list_faults() -> list[AnyFault]:
        return list(provider.faults.active)

    @routes.post("/faults", status_code=201)
    async def switch_fault_on(fault: AnyFault) -> AnyFault:
        try:
            provider.faults.switch_on(fault)
        except TooManyFaults as error:
            raise HTTPException(409, f"{MOST_FAULTS} faults are on; clear them first.") from error
        return fault

    @routes.delete("/faults", status_code=204)
    async def clear_faults() -> None:
        provider.faults.clear()


def _add_state_routes(routes: APIRouter, provider: IdentityProvider) -> None:
    @routes.post("/keys/rotate", status_code=204)
    async def rotate_keys(drop_old: Annotated[bool, Body(embed=True)] = False) -> None:
        provider.keys.rotate(drop_old=drop_old)

    @routes.post("/logout")
    async def end_sessions(username: Annotated[str, Body(embed=True)]) -> dict[str, int]:
        try:
            return {"ended": provider.log_out(username)}
        except RealmError as error:
            raise HTTPException(404, str(error)) from error

    @routes.get("/stats")
    async def read_counts() -> dict[str, Any]:
        return dict(provider.counts)

    @routes.delete("/stats", status_code=204)
    async def reset_counts() -> None:
        provider.counts.clear()
