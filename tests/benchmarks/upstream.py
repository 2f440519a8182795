"""An upstream that costs next to nothing; argv: port, number of operations in its document."""

import sys
from typing import Any

import orjson
import uvicorn

ORDER = orjson.dumps({"id": "42", "size": "large", "toppings": ["basil", "olives"], "price": 14.5, "paid": True})


def document(operations: int, server: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document: `get_order_0` … each with one path and one query argument."""
    parameters = [
        {"name": "order_id", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "verbose", "in": "query", "schema": {"type": "boolean"}},
    ]
    paths = {
        f"/shops/{number}/orders/{{order_id}}": {
            "get": {
                "operationId": f"get_order_{number}",
                "summary": "One order",
                "description": "Returns one order with its toppings and price.",
                "parameters": parameters,
                "responses": {"200": {"description": "The order"}},
            }
        }
        for number in range(operations)
    }
    info = {"title": "Orders", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": server}], "paths": paths}


class Orders:
    """Answers the document at /openapi.json and the same order everywhere else."""

    def __init__(self, document_bytes: bytes) -> None:
        self._document = document_bytes

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = self._document if scope["path"] == "/openapi.json" else ORDER
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    port, operations = int(sys.argv[1]), int(sys.argv[2])
    app = Orders(orjson.dumps(document(operations, f"http://127.0.0.1:{port}")))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="off")
