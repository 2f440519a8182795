"""docker-compose.yml says what compose understands, and what the programs in it read."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.settings import Settings
from app.telemetry import Telemetry
from seed.pizzeria.app import PizzeriaSettings
from tests.compose.description import COMPOSE_FILE, DOCKERFILE, ROOT, compose, services, stages

SERVICES = services()
IMAGES = {
    "keycloak": "quay.io/keycloak/keycloak",
    "postgres": "postgres",
    "pizzeria": "tools-provider-pizzeria",
    "provider": "tools-provider",
    "otel-collector": "otel/opentelemetry-collector",
    "jaeger": "jaegertracing/jaeger",
    "prometheus": "prom/prometheus",
    "grafana": "grafana/grafana",
}
OBSERVABILITY = {"otel-collector", "jaeger", "prometheus", "grafana"}
WITHOUT_A_SHELL = {"otel-collector", "jaeger"}
# What Keycloak 26.7 (kc.sh start --help-all), and the postgres and grafana images read.
KEYCLOAK_NAMES = {
    "KC_BOOTSTRAP_ADMIN_USERNAME", "KC_BOOTSTRAP_ADMIN_PASSWORD", "KC_HOSTNAME", "KC_HOSTNAME_BACKCHANNEL_DYNAMIC",
    "KC_HTTP_ENABLED", "KC_HEALTH_ENABLED", "KC_METRICS_ENABLED", "KC_EVENT_METRICS_USER_ENABLED", "KC_CACHE",
    "KC_DB", "KC_DB_URL", "KC_DB_USERNAME", "KC_DB_PASSWORD",
}  # fmt: skip
POSTGRES_NAMES = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
GRAFANA_NAMES = {
    "GF_AUTH_ANONYMOUS_ENABLED", "GF_AUTH_ANONYMOUS_ORG_ROLE", "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH",
}  # fmt: skip
NAMES = {
    "keycloak": KEYCLOAK_NAMES,
    "postgres": POSTGRES_NAMES,
    "grafana": GRAFANA_NAMES,
    "provider": {name.upper() for name in Settings.model_fields},
    "pizzeria": {name.upper() for name in PizzeriaSettings.model_fields},
}


def test_the_compose_specification_accepts_the_file() -> None:
    checker = str(Path(sys.executable).parent / "check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_services_are_those_that_the_guide_names() -> None:
    assert {name: service["image"].rpartition(":")[0] for name, service in SERVICES.items()} == IMAGES


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+", tag), tag


def test_keycloak_is_at_least_the_version_with_the_known_exchange_faults_mended() -> None:
    tag = SERVICES["keycloak"]["image"].rpartition(":")[2]
    assert tuple(map(int, tag.split("."))) >= (26, 7, 3)


@pytest.mark.parametrize("name", [name for name in SERVICES if "environment" in SERVICES[name]])
def test_every_environment_name_is_one_that_the_program_reads(name: str) -> None:
    assert set(SERVICES[name]["environment"]) - NAMES[name] == set()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_how_its_health_is_found(name: str) -> None:
    healthcheck = SERVICES[name]["healthcheck"]
    assert healthcheck.get("disable", False) == (name in WITHOUT_A_SHELL)
    assert healthcheck.get("disable") or healthcheck["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_until_what_it_needs_is_healthy(name: str) -> None:
    waits = {need: how["condition"] for need, how in SERVICES[name].get("depends_on", {}).items()}
    assert waits == {need: "service_started" if need in WITHOUT_A_SHELL else "service_healthy" for need in waits}


def test_the_provider_starts_last() -> None:
    assert set(SERVICES["provider"]["depends_on"]) == {"keycloak", "postgres", "pizzeria"}


def test_observability_comes_only_when_asked_for() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["observability"]} == OBSERVABILITY


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert [port for port in SERVICES[name].get("ports", []) if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_file_is_there_and_every_volume_declared(name: str) -> None:
    mounts = [mount.split(":")[0] for mount in SERVICES[name].get("volumes", [])]
    assert [mount for mount in mounts if mount.startswith(".") and not (ROOT / mount).exists()] == []
    assert {mount for mount in mounts if not mount.startswith(".")} <= set(compose()["volumes"])


@pytest.mark.parametrize(("name", "data"), [("postgres", "/var/lib/postgresql/data"), ("provider", "data")])
def test_what_must_outlive_a_container_is_on_a_volume(name: str, data: str) -> None:
    targets = {mount.split(":")[1] for mount in SERVICES[name]["volumes"] if not mount.startswith(".")}
    assert any(target.endswith(data) for target in targets)


def test_the_provider_expects_the_issuer_that_keycloak_writes_into_tokens() -> None:
    provider, keycloak = SERVICES["provider"]["environment"], SERVICES["keycloak"]["environment"]
    assert provider["OIDC_ISSUER"] == f"{keycloak['KC_HOSTNAME']}/realms/{provider['KEYCLOAK_REALM']}"
    assert provider["OIDC_ISSUER"] == SERVICES["pizzeria"]["environment"]["ISSUER"]


def test_settings_accept_the_environment_of_the_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in SERVICES["provider"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.issuer == "http://localhost:8041/realms/tools-provider"
    assert settings.realm_url == "http://keycloak:8080/realms/tools-provider"


def test_the_secret_is_the_one_in_the_realm() -> None:
    realm = json.loads((ROOT / "seed/keycloak/realm.json").read_text(encoding="utf-8"))
    secrets = {client["clientId"]: client.get("secret") for client in realm["clients"]}
    environment = SERVICES["provider"]["environment"]
    assert environment["TOKEN_EXCHANGE_CLIENT_SECRET"] == secrets[environment["TOKEN_EXCHANGE_CLIENT_ID"]]


def test_the_image_of_the_product_is_made_last_and_holds_no_seed() -> None:
    *_, last = stages().values()
    assert last.name == "provider"
    assert [copy for copy in last.copied if "seed" in copy] == []


@pytest.mark.parametrize("target", ["pizzeria", "provider"])
def test_an_image_runs_without_root_and_says_how_its_health_is_found(target: str) -> None:
    stage = stages()[target]
    assert stage.user == "10001"
    assert stage.healthcheck


def test_what_an_image_copies_is_there_and_goes_to_the_build() -> None:
    copied = {source for stage in stages().values() for copy in stage.copied for source in copy.split()[:-1]}
    ours = {source for source in copied if not source.startswith(("/", "--from"))}
    let_through = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert ours == set(let_through)
    assert [source for source in ours if not (ROOT / source).exists()] == []


def test_dependencies_are_installed_as_locked_by_their_hashes() -> None:
    installs = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if "pip install" in line]
    assert [line for line in installs if "--no-deps" not in line] == []
    assert [line.partition(" -r ")[2] for line in installs if "--require-hashes" in line] == ["requirements.lock"]
    assert len(installs) == 2


def test_an_image_is_not_built_from_a_lock_with_a_hole() -> None:
    *_, (word, last) = stages()["build"].steps
    assert word == "RUN"
    assert last.endswith("/opt/venv/bin/pip check")


@pytest.mark.parametrize("path", sorted((ROOT / "seed/compose").rglob("*.yaml")), ids=lambda path: path.name)
def test_the_files_that_are_mounted_can_be_read(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_prometheus_and_the_collector_ask_services_that_exist() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "seed/compose").rglob("*.yaml"))
    hosts = set(re.findall(r"(?:targets: \[|endpoint: |http://)([a-z-]+):\d+", text))
    assert hosts == {"provider", "keycloak", "jaeger", "prometheus"}


def test_the_dashboard_shows_metrics_that_the_provider_records() -> None:
    telemetry = Telemetry()
    telemetry.exchange_sent(audience="pizzeria-backend", seconds=0.1, error="idp_unreachable")
    telemetry.exchange_cache_hit(audience="pizzeria-backend")
    telemetry.breaker_changed("identity-provider", "open")
    telemetry.tool_called(source="pizzeria-backend", outcome="ok", seconds=0.1)
    telemetry.passthrough_called(source="opening-hours")
    recorded = telemetry.render_prometheus().decode()
    telemetry.shutdown()
    dashboard = (ROOT / "seed/compose/grafana/dashboards/tools-provider.json").read_text(encoding="utf-8")
    shown = set(re.findall(r"tools_provider_\w+", dashboard))
    assert len(shown) >= 6
    assert {name for name in shown if f"\n{name}{{" not in recorded} == set()
