"""Prefect, a workflow server: its OpenAPI 3.1 document, made by FastAPI, with a relative server."""

from collections.abc import Callable, Iterator

import pytest

from tests.real_apis.conftest import Call, Server
from tests.support.installation import Headers, RunningProvider

pytestmark = [pytest.mark.anyio, pytest.mark.deep, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def prefect(serve: Callable[..., Iterator[Server]], provider: RunningProvider, admin: Headers) -> Iterator[Server]:
    command = "{bin}/prefect server start --host 127.0.0.1 --port {port} --no-ui"
    switched_off = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    for server in serve("prefect", command, "/api/health", **switched_off):
        url = f"{server.address}/api/openapi.json"
        registered = provider.register(admin, url, slug="prefect", upstream_auth={"type": "none"})
        assert registered["operations"]["skipped"] == 0
        assert registered["base_url"] == f"{server.address}/api"
        yield server


async def test_an_agent_runs_a_flow(prefect: Server, call: Call) -> None:
    assert (await call("prefect__health_check_health_get")) is True
    flow = await call("prefect__create_flow_flows__post", name="bake", tags=["oven"], labels={"shop": "north"})
    await call("prefect__update_flow_flows__id__patch", id=flow["id"], tags=["oven", "stone"])
    assert (await call("prefect__read_flow_flows__id__get", id=flow["id"]))["tags"] == ["oven", "stone"]
    run = await call(
        "prefect__create_flow_run_flow_runs__post",
        flow_id=flow["id"],
        name="first batch",
        parameters={"pizzas": 12, "hot": True},
        state={"type": "SCHEDULED", "state_details": {"untrackable_result": False}},
    )
    await call(
        "prefect__set_flow_run_state",
        id=run["id"],
        state={"type": "RUNNING", "name": "Baking"},
        force=True,
    )
    counted = await call("prefect__count_flows_flows_count_post", flows={"name": {"any_": ["bake"]}})
    assert counted == 1
    variable = await call("prefect__create_variable_variables__post", name="heat", value={"celsius": 430}, tags=[])
    await call("prefect__update_variable_variables__id__patch", id=variable["id"], value=450)
    read = await call("prefect__read_variable_by_name", name="heat")
    assert read["value"] == 450
    await call("prefect__create_concurrency_limit", tag="oven", concurrency_limit=2)
    await call("prefect__create_artifact_artifacts__post", key="menu", type="markdown", data="# Menu")

    seen = prefect.http.get(f"/api/flow_runs/{run['id']}").json()
    assert (seen["name"], seen["parameters"]) == ("first batch", {"pizzas": 12, "hot": True})
    assert (seen["state"]["type"], seen["state"]["name"]) == ("RUNNING", "Baking")
    assert prefect.http.get("/api/concurrency_limits/tag/oven").json()["concurrency_limit"] == 2
    await call("prefect__delete_flow_flows__id__delete", id=flow["id"])
    assert prefect.http.get(f"/api/flows/{flow['id']}").status_code == 404
