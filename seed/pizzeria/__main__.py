"""`python -m seed.pizzeria`: the pizzeria alone; settings come from the environment."""

import uvicorn

from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from seed.serving import bounded

if __name__ == "__main__":
    settings = PizzeriaSettings()
    uvicorn.Server(bounded(create_pizzeria(settings), host=settings.host, port=settings.port)).run()
