"""docs/reference/settings.md, .env.example and the Settings class say the same."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.settings import Settings
from tests.docs.pages import ROOT, quoted, rows

REFERENCE = ROOT / "docs/reference/settings.md"
EXAMPLE = ROOT / ".env.example"


def written(value: object) -> str:
    """A default as an operator would write it into the environment."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)


def number(text: str) -> str:
    return re.sub(r"\.0$", "", text)


DEFAULTS = {name.upper(): number(written(field.default)) for name, field in Settings.model_fields.items()}


def test_the_reference_names_every_setting_with_its_default() -> None:
    described = {quoted(row[0])[0]: quoted(row[1])[0] if quoted(row[1]) else "" for row in rows(REFERENCE)}
    assert {name: number(default) for name, default in described.items()} == DEFAULTS


def test_the_example_names_every_setting_with_its_default() -> None:
    lines = re.findall(r"^#? ?([A-Z][A-Z_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: number(default) for name, default in lines} == DEFAULTS
    assert len(lines) == len(DEFAULTS)


def test_the_example_with_every_line_switched_on_means_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = re.sub(r"^# ([A-Z][A-Z_]+=)", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    read = Settings()
    (tmp_path / ".env").unlink()
    assert read == Settings()
