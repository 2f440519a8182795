"""The pizzeria's API. Its functions' names are the operation ids of its OpenAPI document."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from seed.bearer.caller import Caller
from seed.bearer.dependencies import VerifiedCaller, caller_with_role, verifying_lifespan
from seed.bearer.problems import answer_with_problems, problem_response, problems
from seed.bearer.settings import BearerSettings
from seed.bodies import BoundedBodies
from seed.pizzeria.kitchen import Kitchen, TooLate, UnknownItem, UnknownOrder, read_menu
from seed.pizzeria.models import (
    Category,
    MenuAnswer,
    MenuItemAnswer,
    MenuItemChanges,
    NewMenuItem,
    NewOrder,
    OrderAnswer,
    OrdersAnswer,
    OrderStatus,
    StatusChange,
)

API = "pizzeria-backend"
Chef = Annotated[Caller, Depends(caller_with_role("chef"))]
Customer = Annotated[Caller, Depends(caller_with_role("customer"))]
CustomerOrChef = Annotated[Caller, Depends(caller_with_role("customer", "chef"))]


class PizzeriaSettings(BearerSettings):
    """The pizzeria's settings."""

    expected_audience: str = API


def _kitchen(request: Request) -> Kitchen:
    kitchen: Kitchen = request.app.state.kitchen
    return kitchen


TheKitchen = Annotated[Kitchen, Depends(_kitchen)]


def _whose(caller: Caller) -> str | None:
    """Whose orders the caller may see: their own, and a chef everybody's (None)."""
    return None if "chef" in caller.roles else caller.sub


menu = APIRouter(prefix="/menu", tags=["menu"], responses=problems(401, 403, 404, 422))
orders = APIRouter(prefix="/orders", tags=["orders"], responses=problems(401, 403, 404, 409, 422))
about = APIRouter(tags=["about"], responses=problems(401))


@menu.get("", summary="Read the menu")
async def get_menu_items(
    caller: VerifiedCaller,
    kitchen: TheKitchen,
    category: Annotated[Category | None, Query(description="Only this kind.")] = None,
    vegetarian: Annotated[bool | None, Query(description="Only vegetarian dishes, or only the others.")] = None,
    max_price_cents: Annotated[int | None, Query(ge=0, description="The highest price, in euro cents.")] = None,
) -> MenuAnswer:
    items = [
        item
        for item in kitchen.menu()
        if category in (None, item.category)
        and vegetarian in (None, item.vegetarian)
        and (max_price_cents is None or item.price_cents <= max_price_cents)
    ]
    return MenuAnswer(called_by=caller, items=items)


@menu.get("/{item_id}", summary="Read one item of the menu")
async def get_menu_item(item_id: str, caller: VerifiedCaller, kitchen: TheKitchen) -> MenuItemAnswer:
    return MenuItemAnswer(called_by=caller, item=kitchen.item(item_id))


@menu.post("", status_code=201, summary="Put an item on the menu (chef)")
async def add_menu_item(new: NewMenuItem, caller: Chef, kitchen: TheKitchen) -> MenuItemAnswer:
    return MenuItemAnswer(called_by=caller, item=kitchen.add(new))


@menu.patch("/{item_id}", summary="Change an item of the menu (chef)")
async def update_menu_item(item_id: str, changes: MenuItemChanges, caller: Chef, kitchen: TheKitchen) -> MenuItemAnswer:
    return MenuItemAnswer(called_by=caller, item=kitchen.change(item_id, changes))


@menu.delete("/{item_id}", summary="Take an item off the menu (chef)")
async def remove_menu_item(item_id: str, caller: Chef, kitchen: TheKitchen) -> MenuItemAnswer:
    return MenuItemAnswer(called_by=caller, item=kitchen.remove(item_id))


@orders.post("", status_code=201, summary="Place an order (customer)")
async def place_order(new: NewOrder, caller: Customer, kitchen: TheKitchen) -> OrderAnswer:
    return OrderAnswer(called_by=caller, order=kitchen.place(new, caller.sub))


@orders.get("", summary="List your orders (customer), or everybody's (chef)")
async def list_orders(
    caller: CustomerOrChef, kitchen: TheKitchen, status: Annotated[OrderStatus | None, Query()] = None
) -> OrdersAnswer:
    return OrdersAnswer(called_by=caller, orders=kitchen.orders(_whose(caller), status))


@orders.get("/{order_id}", summary="Look at an order (its customer, or a chef)")
async def get_order(order_id: str, caller: CustomerOrChef, kitchen: TheKitchen) -> OrderAnswer:
    return OrderAnswer(called_by=caller, order=kitchen.order(order_id, _whose(caller)))


@orders.post("/{order_id}/cancel", summary="Cancel an order that is not being made yet (its customer, or a chef)")
async def cancel_order(order_id: str, caller: CustomerOrChef, kitchen: TheKitchen) -> OrderAnswer:
    return OrderAnswer(called_by=caller, order=kitchen.cancel(order_id, _whose(caller)))


@orders.put("/{order_id}/status", summary="Say where an order has got to (chef)")
async def set_order_status(order_id: str, change: StatusChange, caller: Chef, kitchen: TheKitchen) -> OrderAnswer:
    return OrderAnswer(called_by=caller, order=kitchen.advance(order_id, change.status))


@about.get("/whoami", summary="See who is calling, as the verified token says")
async def whoami(caller: VerifiedCaller) -> Caller:
    return caller


@about.get("/health", include_in_schema=False)
async def health() -> dict[str, str]:
    return {"status": "ok"}


def _answer_kitchen_refusals(app: FastAPI) -> None:
    @app.exception_handler(UnknownItem)
    async def unknown_item(_request: Request, error: UnknownItem) -> JSONResponse:
        return problem_response(404, f"Nothing on the menu has the id {error}. GET /menu lists the ids.")

    @app.exception_handler(UnknownOrder)
    async def unknown_order(_request: Request, error: UnknownOrder) -> JSONResponse:
        return problem_response(404, f"You have no order {error}. GET /orders lists yours.")

    @app.exception_handler(TooLate)
    async def too_late(_request: Request, error: TooLate) -> JSONResponse:
        return problem_response(409, f"Too late: the order is already {error}.")


def _operation_id(route: APIRoute) -> str:
    return route.name


def create_pizzeria(settings: PizzeriaSettings) -> FastAPI:
    """The application, with a fresh menu and no orders."""
    app = FastAPI(
        title="Pizzeria Backend API",
        version="1.0.0",
        summary="Read the menu, order, and follow an order.",
        lifespan=verifying_lifespan(settings, api=API),
        generate_unique_id_function=_operation_id,
    )
    app.state.kitchen = Kitchen(read_menu())
    answer_with_problems(app)
    app.add_middleware(BoundedBodies)
    _answer_kitchen_refusals(app)
    for router in (menu, orders, about):
        app.include_router(router)
    return app
