"""`python -m seed.opening_hours`: the opening hours alone; settings come from the environment."""

import uvicorn

from seed.opening_hours.app import OpeningHoursSettings, create_opening_hours
from seed.serving import bounded

if __name__ == "__main__":
    settings = OpeningHoursSettings()
    uvicorn.Server(bounded(create_opening_hours(settings), host=settings.host, port=settings.port)).run()
