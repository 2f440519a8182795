"""What the pizzeria remembers while it runs: its menu and its orders."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from seed.pizzeria.models import MenuItem, MenuItemChanges, NewMenuItem, NewOrder, Order, OrderStatus

MENU_FILE = Path(__file__).parent / "menu.json"
FIRST_ORDER = 1001


class UnknownItem(Exception):
    """No such item is on the menu; the message is its id."""


class UnknownOrder(Exception):
    """There is no such order; the message is its id."""


class TooLate(Exception):
    """The order has gone too far for that; the message is its status."""


def read_menu(file: Path = MENU_FILE) -> list[MenuItem]:
    """Read a menu file: a JSON list of menu items."""
    return [MenuItem.model_validate(item) for item in json.loads(file.read_text(encoding="utf-8"))]


def _now() -> datetime:
    return datetime.now(UTC)


class Kitchen:
    """The menu and the orders, in memory."""

    def __init__(self, menu: list[MenuItem], *, clock: Callable[[], datetime] = _now) -> None:
        self._menu = {item.id: item for item in menu}
        self._orders: dict[str, Order] = {}
        self._numbers = count(FIRST_ORDER)
        self._clock = clock

    def menu(self) -> list[MenuItem]:
        """Everything on the menu."""
        return list(self._menu.values())

    def item(self, item_id: str) -> MenuItem:
        """One item. Raises UnknownItem."""
        if item_id not in self._menu:
            raise UnknownItem(item_id)
        return self._menu[item_id]

    def add(self, new: NewMenuItem) -> MenuItem:
        """Put something on the menu; its id is made from its name."""
        slug = re.sub(r"[^a-z0-9]+", "-", new.name.lower()).strip("-") or "item"
        candidates = (slug if number == 1 else f"{slug}-{number}" for number in count(1))
        item_id = next(candidate for candidate in candidates if candidate not in self._menu)
        self._menu[item_id] = MenuItem(id=item_id, **new.model_dump())
        return self._menu[item_id]

    def change(self, item_id: str, changes: MenuItemChanges) -> MenuItem:
        """Change an item. Raises UnknownItem."""
        self._menu[item_id] = self.item(item_id).model_copy(update=changes.model_dump(exclude_none=True))
        return self._menu[item_id]

    def remove(self, item_id: str) -> MenuItem:
        """Take an item off the menu. Raises UnknownItem."""
        item = self.item(item_id)
        del self._menu[item_id]
        return item

    def place(self, new: NewOrder, customer: str) -> Order:
        """Take an order. Raises UnknownItem."""
        total = sum(self.item(line.item_id).price_cents * line.quantity for line in new.lines)
        order = Order(
            id=f"order-{next(self._numbers)}",
            customer=customer,
            total_cents=total,
            placed_at=self._clock(),
            **new.model_dump(),
        )
        self._orders[order.id] = order
        return order

    def orders(self, customer: str | None, status: OrderStatus | None = None) -> list[Order]:
        """The orders of a customer, or of everybody when that is None; newest first."""
        return [
            order
            for order in reversed(self._orders.values())
            if customer in (None, order.customer) and status in (None, order.status)
        ]

    def order(self, order_id: str, customer: str | None) -> Order:
        """One order. Raises UnknownOrder, also for the order of another customer."""
        order = self._orders.get(order_id)
        if order is None or customer not in (None, order.customer):
            raise UnknownOrder(order_id)
        return order

    def cancel(self, order_id: str, customer: str | None) -> Order:
        """Cancel an order that is not being made yet. Raises UnknownOrder and TooLate."""
        order = self.order(order_id, customer)
        if order.status != "received":
            raise TooLate(order.status)
        return self._set_status(order, "cancelled")

    def advance(self, order_id: str, status: OrderStatus) -> Order:
        """Say where an order has got to. Raises UnknownOrder and, once it is over, TooLate."""
        order = self.order(order_id, None)
        if order.status in ("delivered", "cancelled"):
            raise TooLate(order.status)
        return self._set_status(order, status)

    def _set_status(self, order: Order, status: OrderStatus) -> Order:
        self._orders[order.id] = order.model_copy(update={"status": status})
        return self._orders[order.id]
