"""The pizzeria: a small real API for the demo and the tests, with an owner who cares who is calling.

It accepts tokens for the audience `pizzeria-backend` only. A customer may order and see their own orders, a chef may
change the menu and see all orders. `app.py` is the API, `kitchen.py` what it remembers, `menu.json` what it sells.
Run it alone with `python -m seed.pizzeria`.
"""
