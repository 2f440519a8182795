"""The opening hours' API: when the pizzeria is open, and which token arrived here."""

from typing import Literal

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from seed.bearer.caller import Caller
from seed.bearer.dependencies import VerifiedCaller, verifying_lifespan
from seed.bearer.problems import answer_with_problems, problems
from seed.bearer.settings import BearerSettings
from seed.bodies import BoundedBodies

API = "opening-hours"
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
CLOSED: tuple[Weekday, ...] = ("monday",)
LATE: tuple[Weekday, ...] = ("friday", "saturday")
WEEK: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class OpeningHoursSettings(BearerSettings):
    """The settings of the opening hours' API: it verifies no audience."""

    port: int = Field(default=8001, ge=0, le=65535)
    verify_audience: bool = False


class Day(BaseModel):
    """One day of the week; `opens` and `closes` are local times, absent when closed."""

    weekday: Weekday
    opens: str | None = None
    closes: str | None = None


class OpeningHours(BaseModel):
    """The week, and who asked as this API verified it."""

    called_by: Caller
    days: list[Day]


def _day(weekday: Weekday) -> Day:
    if weekday in CLOSED:
        return Day(weekday=weekday)
    return Day(weekday=weekday, opens="11:30", closes="23:30" if weekday in LATE else "22:00")


def _operation_id(route: APIRoute) -> str:
    return route.name


async def get_opening_hours(caller: VerifiedCaller) -> OpeningHours:
    return OpeningHours(called_by=caller, days=[_day(weekday) for weekday in WEEK])


async def health() -> dict[str, str]:
    return {"status": "ok"}


def create_opening_hours(settings: OpeningHoursSettings) -> FastAPI:
    """The application."""
    app = FastAPI(
        title="Opening hours",
        version="1.0.0",
        summary="When the pizzeria is open.",
        lifespan=verifying_lifespan(settings, api=API),
        generate_unique_id_function=_operation_id,
        responses=problems(401),
    )
    answer_with_problems(app)
    app.add_middleware(BoundedBodies)
    app.get("/opening-hours", summary="See when the pizzeria is open")(get_opening_hours)
    app.get("/health", include_in_schema=False)(health)
    return app
