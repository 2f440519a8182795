"""What goes in and out of the pizzeria's API."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from seed.bearer.caller import Caller

Category = Literal["pizza", "starter", "dessert", "drink"]
OrderStatus = Literal["received", "baking", "out_for_delivery", "delivered", "cancelled"]


class NewMenuItem(BaseModel):
    """What a chef puts on the menu."""

    name: str = Field(min_length=1, max_length=80, examples=["Margherita"])
    description: str = Field(default="", max_length=300)
    category: Category = "pizza"
    price_cents: int = Field(gt=0, le=100_000, description="Price in euro cents.")
    vegetarian: bool = False


class MenuItem(NewMenuItem):
    """Something on the menu."""

    id: str = Field(examples=["margherita"])


class MenuItemChanges(BaseModel):
    """What to change about a menu item; what is left out stays."""

    name: str | None = Field(default=None, min_length=1, max_length=80)
    description: str | None = Field(default=None, max_length=300)
    category: Category | None = None
    price_cents: int | None = Field(default=None, gt=0, le=100_000, description="Price in euro cents.")
    vegetarian: bool | None = None


class OrderLine(BaseModel):
    """One kind of item, some number of times."""

    item_id: str = Field(description="The `id` of a menu item.", examples=["margherita"])
    quantity: int = Field(default=1, ge=1, le=50)


class NewOrder(BaseModel):
    """What a customer orders."""

    lines: list[OrderLine] = Field(min_length=1, max_length=30)
    delivery_address: str | None = Field(default=None, max_length=300, description="Left out: picked up.")
    note: str | None = Field(default=None, max_length=500)


class Order(NewOrder):
    """An order as the kitchen knows it."""

    id: str = Field(examples=["order-1001"])
    customer: str = Field(description="The customer's `sub`.")
    status: OrderStatus = "received"
    total_cents: int = Field(description="Total in euro cents.")
    placed_at: datetime


class StatusChange(BaseModel):
    """Where an order has got to."""

    status: Literal["baking", "out_for_delivery", "delivered"]


class Answer(BaseModel):
    """Every answer says who called, as this API verified it."""

    called_by: Caller


class MenuAnswer(Answer):
    """Some of the menu."""

    items: list[MenuItem]


class MenuItemAnswer(Answer):
    """One item of the menu."""

    item: MenuItem


class OrderAnswer(Answer):
    """One order."""

    order: Order


class OrdersAnswer(Answer):
    """Orders, newest first."""

    orders: list[Order]
