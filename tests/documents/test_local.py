"""A document and its files from a disk: what a reference may reach there, and what it may not."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.documents.local import read_local
from app.errors import Invalid
from app.openapi.conversion import convert
from app.operation.operation import ReportItem
from app.operation.pointers import FILES
from tests.openapi.corpus import named
from tests.sources.conftest import document

PATH_ITEM = {"get": {"responses": {"200": {"description": "ok"}}}}


def written(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def item_of(folder: Path, ref: str, **options: Any) -> ReportItem:
    """What becomes of a path that is a reference, in a document at `api/spec/openapi.json` of the folder."""
    content = document() | {"paths": {"/a": {"$ref": ref}}}
    file = written(folder / "api/spec/openapi.json", content)
    (item,) = read_local(file, max_bytes=10_000, **options).converted("s").report
    return item


def test_a_document_may_come_through_a_pipe() -> None:
    reader, writer = os.pipe()
    with open(writer, "wb") as end:  # noqa: PTH123 - it has a number and no name
        end.write(json.dumps(document()).encode())
    try:
        assert read_local(Path(f"/dev/fd/{reader}")).title == document()["info"]["title"]
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("ref", "file"),
    [
        ("a.json", "api/spec/a.json"),
        ("x/y/a%20b.yaml", "api/spec/x/y/a b.yaml"),
        ("../common/A.YML", "api/common/A.YML"),
    ],
)
def test_files_beside_the_document_are_read(ref: str, file: str, tmp_path: Path) -> None:
    written(tmp_path / file, PATH_ITEM)
    assert item_of(tmp_path, ref).status == "ready"


def test_within_a_checkout_all_of_it_may_be_reached(tmp_path: Path) -> None:
    written(tmp_path / "shared/a.json", PATH_ITEM)
    assert "is outside" in str(item_of(tmp_path, "../../shared/a.json").reason)
    (tmp_path / ".git").mkdir()
    assert item_of(tmp_path, "../../shared/a.json").status == "ready"


def test_a_stated_root_is_the_bound(tmp_path: Path) -> None:
    written(tmp_path / "shared/a.json", PATH_ITEM)
    written(tmp_path / "api/common/a.json", PATH_ITEM)
    assert item_of(tmp_path, "../../shared/a.json", root=tmp_path).status == "ready"
    assert "is outside" in str(item_of(tmp_path, "../common/a.json", root=tmp_path / "api/spec").reason)


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("../../secret.json", "is outside"),
        ("/etc/passwd", "is outside"),
        ("file:///etc/passwd", "is outside"),
        ("../.kube/config.json", "nothing hidden"),
        ("../.env.json", "nothing hidden"),
        ("id_rsa", "only files that end with"),
        ("link.json", "is outside"),
        ("folder.json", "it is not a file"),
        ("gone.json", "there is no such file"),
        ("http://127.0.0.1:1/a.json", "nothing is fetched here"),
        ("//host/share/a.json", "nothing is fetched here"),
        ("large.json", "SOURCE_MAX_BYTES"),
        ("a%00.json", "is outside"),
    ],
)
def test_nothing_else_is_read_and_the_report_says_why(ref: str, reason: str, tmp_path: Path) -> None:
    for name in ("secret.json", "api/.kube/config.json", "api/.env.json", "api/spec/id_rsa"):
        written(tmp_path / name, PATH_ITEM)
    written(tmp_path / "api/spec/large.json", json.dumps(PATH_ITEM) + " " * 10_000)
    (tmp_path / "api/spec/folder.json").mkdir()
    (tmp_path / "api/spec/link.json").symlink_to(tmp_path / "secret.json")
    item = item_of(tmp_path, ref)
    assert item.status == "skipped"
    assert reason in str(item.reason)


def test_bytes_are_counted_over_all_files(tmp_path: Path) -> None:
    names = ["a.json", "b.json", "c.json"]
    for name in names:
        written(tmp_path / name, PATH_ITEM | {"x-fill": "x" * 4_000})
    content = document() | {"paths": {f"/{name}": {"$ref": name} for name in names}}
    local = read_local(written(tmp_path / "openapi.json", content), max_bytes=10_000)
    assert sorted(item.status for item in local.converted("s").report) == ["ready", "ready", "skipped"]


def test_a_document_over_the_limit_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "openapi.json", document("/a"))
    with pytest.raises(Invalid, match="SOURCE_MAX_BYTES"):
        read_local(file, max_bytes=10)


@pytest.mark.parametrize(
    ("name", "operations", "files"),
    [
        ("sendgrid-multi", 355, 60),
        ("3gpp-nrf-multi", 9, 6),
    ],
)
def test_a_real_document_of_several_files_loses_no_operation(name: str, operations: int, files: int) -> None:
    tree = named(name).read()
    report = [item for item in convert(tree, slug="s").report if item.path]
    assert len(report) == operations
    assert [item for item in report if item.status == "skipped"] == []
    assert len(tree[FILES]) == files


def test_the_files_of_a_real_swagger_document_are_found() -> None:
    tree = named("oai-separate-multi").read()
    assert sorted(tree[FILES]) == ["../common/Error.json", "NewPet.json", "Pet.json", "parameters.json"]
    assert not [name for name, file in tree[FILES].items() if isinstance(file, str)]
