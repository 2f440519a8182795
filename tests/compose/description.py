"""docker-compose.yml and Dockerfile as data, as compose itself would read them when nothing is set."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"

_DEFAULTED = re.compile(r"\$\{\w+:-([^}]*)\}")


def resolved(value: Any) -> Any:
    """Replace `${NAME:-default}` by its default and `$$` by `$`, all the way down."""
    if isinstance(value, str):
        return _DEFAULTED.sub(r"\1", value).replace("$$", "$")
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if isinstance(value, dict):
        return {name: resolved(item) for name, item in value.items()}
    return value


def compose() -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return described


def services() -> dict[str, dict[str, Any]]:
    described: dict[str, dict[str, Any]] = resolved(compose()["services"])
    return described


@dataclass
class Stage:
    """One `FROM … AS name` of the Dockerfile, with what it inherits."""

    name: str
    base: str
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    user: str = ""
    copied: list[str] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    healthcheck: bool = False


def stages() -> Mapping[str, Stage]:
    """Read the Dockerfile's stages in order; each starts with its parent's environment, user and copies."""
    found: dict[str, Stage] = {}
    stage = Stage("", "")
    for line in re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text(encoding="utf-8")).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            parent = found.get(base, Stage("", ""))
            stage = Stage(name, base, dict(parent.environment), parent.command, parent.user, list(parent.copied))
            found[name] = stage
        else:
            _enter(stage, word, rest)
    return found


def _enter(stage: Stage, word: str, rest: str) -> None:
    match word:
        case "ENV":
            stage.environment.update((name, value) for name, _, value in (pair.partition("=") for pair in rest.split()))
        case "CMD":
            stage.command = tuple(json.loads(rest))
        case "USER":
            stage.user = rest
        case "COPY":
            stage.copied.append(rest)
            stage.steps.append((word, rest))
        case "RUN":
            stage.steps.append((word, rest))
        case "HEALTHCHECK":
            stage.healthcheck = True
