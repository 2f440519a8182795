"""Chroma, a vector database: its OpenAPI 3.1 document, made by a Rust framework."""

from collections.abc import Callable, Iterator

import pytest

from tests.real_apis.conftest import Call, Server
from tests.support.installation import Headers, RunningProvider

pytestmark = [pytest.mark.anyio, pytest.mark.deep, pytest.mark.timeout(600)]
PLACE = {"tenant": "default_tenant", "database": "shop"}


@pytest.fixture(scope="module")
def chroma(serve: Callable[..., Iterator[Server]], provider: RunningProvider, admin: Headers) -> Iterator[Server]:
    command = "{bin}/chroma run --path {folder} --host 127.0.0.1 --port {port}"
    for server in serve("chromadb", command, "/api/v2/heartbeat", ANONYMIZED_TELEMETRY="False"):
        registered = provider.register(
            admin, f"{server.address}/openapi.json", slug="chroma", upstream_auth={"type": "none"}
        )
        assert registered["operations"]["skipped"] == 0
        yield server


async def test_an_agent_keeps_and_finds_pizzas(chroma: Server, call: Call) -> None:
    await call("chroma__create_database", tenant="default_tenant", name="shop")
    databases = await call("chroma__list_databases", tenant="default_tenant")
    assert {each["name"] for each in databases} == {"default_database", "shop"}
    collection = await call("chroma__create_collection", **PLACE, name="pizzas", metadata={"season": "winter"})
    where = {**PLACE, "collection_id": collection["id"]}
    vectors = [[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]]
    await call(
        "chroma__collection_add",
        **where,
        ids=["margherita", "diavola", "napoli"],
        embeddings=vectors,
        documents=["tomato", "salami", "anchovies"],
        metadatas=[{"hot": False}, {"hot": True}, None],
    )
    assert await call("chroma__collection_count", **where) == 3
    nearest = await call("chroma__collection_query", **where, query_embeddings=[[0.1, 0.9]], n_results=1)
    assert nearest["ids"] == [["diavola"]]
    mild = await call("chroma__collection_get", **where, where={"hot": {"$eq": False}}, include=["documents"])
    assert (mild["ids"], mild["documents"]) == (["margherita"], ["tomato"])
    await call("chroma__collection_update", **where, ids=["napoli"], documents=["capers"])
    await call("chroma__collection_delete", **where, ids=["diavola"])
    await call("chroma__update_collection", **where, new_name="pizze")
    named = await call("chroma__list_collections", **PLACE, limit=10)
    assert [each["name"] for each in named] == ["pizze"]

    path = f"/api/v2/tenants/default_tenant/databases/shop/collections/{collection['id']}/get"
    kept = chroma.http.post(path, json={"include": ["documents"]}).json()
    assert dict(zip(kept["ids"], kept["documents"], strict=True)) == {"margherita": "tomato", "napoli": "capers"}
    await call("chroma__delete_collection", **PLACE, collection_id="pizze")
    assert chroma.http.get("/api/v2/tenants/default_tenant/databases/shop/collections_count").json() == 0
