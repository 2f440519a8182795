"""The schedule of refreshes runs as long as the application does."""

import asyncio
from pathlib import Path

import pytest

from app.main import create_app
from tests.support.installation import EmbeddedIdentityProvider, settings_for

pytestmark = pytest.mark.anyio


def schedules() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "refresh schedule"]


async def test_the_application_starts_and_stops_the_schedule(
    identity_provider: EmbeddedIdentityProvider, tmp_path: Path
) -> None:
    app = create_app(settings_for(identity_provider, "http://localhost", tmp_path))
    async with app.router.lifespan_context(app):
        assert len(schedules()) == 1
    assert schedules() == []
