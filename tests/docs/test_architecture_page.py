"""docs/architecture.md tells the house as it stands: its rooms, its files, and the order of imports."""

import re
import tomllib

from tests.docs.pages import ROOT, blocks, commands, quoted, rows

PAGE = ROOT / "docs/architecture.md"
A_PLACE = re.compile(r"[\w.-]+/(?:[\w.-]+/)*[\w.-]*|[a-z_]+\.py")


def layers() -> list[set[str]]:
    """The layers of the import contract, the highest first; what a layer holds has no order."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [each for each in described["tool"]["importlinter"]["contracts"] if each.get("containers") == ["app"]]
    return [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]


def test_the_order_of_imports_is_the_one_that_is_enforced() -> None:
    [shown] = blocks(PAGE, "")
    assert [set(re.findall(r"\w+", layer)) for layer in shown.split(">")] == layers()[1:]  # without __main__


def test_every_room_is_told() -> None:
    told = {re.sub(r"/$|\.py$", "", place) for row in rows(PAGE) if len(row) == 2 for place in quoted(row[0])}
    assert told == set.union(*layers()) - {"__main__", "migrations"}


def test_every_place_that_is_named_exists() -> None:
    named = {text for text in commands(PAGE) if A_PLACE.fullmatch(text)}
    homes = (ROOT, *(ROOT / "app" / room for room in ("", "api", "credentials", "tools")))
    assert len(named) > 30
    assert {place for place in named if not any((home / place).exists() for home in homes)} == set()
