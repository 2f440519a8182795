"""What agents see of operations follows from each operation, the selection and its own override, and nothing else."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.curation.curation import curate
from app.curation.overrides import ToolOverride
from app.curation.selection import Selection
from app.openapi.conversion import convert
from app.operation.operation import ReportItem
from tests.openapi.documents import a_document

PATHS = ["/a", "/b", "/c/{id}", "/d"]
METHODS = ["get", "post", "delete"]
OPERATIONS = st.lists(st.tuples(st.sampled_from(METHODS), st.sampled_from(PATHS)), unique=True, min_size=1)
RULES = st.lists(
    st.fixed_dictionaries({"methods": st.lists(st.sampled_from(METHODS), min_size=1)})
    | st.fixed_dictionaries({"paths": st.lists(st.sampled_from([*PATHS, "/**", "/c/*"]), min_size=1)}),
    max_size=2,
)
SELECTIONS = st.fixed_dictionaries({"include": RULES, "exclude": RULES, "read_only": st.booleans()})
OVERRIDES = st.dictionaries(
    st.tuples(st.sampled_from(METHODS), st.sampled_from(PATHS)),
    st.fixed_dictionaries({}, optional={"hidden": st.booleans(), "title": st.just("T")}),
)


def a_document_of(operations: list[tuple[str, str]]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for method, path in operations:
        given = [{"name": "id", "in": "path", "required": True, "schema": {}}] if "{" in path else []
        paths.setdefault(path, {})[method] = {"parameters": given, "responses": {}}
    return a_document(paths)


@settings(max_examples=60)
@given(OPERATIONS, OPERATIONS, SELECTIONS, OVERRIDES, st.randoms(use_true_random=False))
def test_curation_depends_on_the_operation_alone(
    operations: list[tuple[str, str]], others: list[tuple[str, str]], selection: Any, overrides: Any, random: Any
) -> None:
    chosen = Selection.model_validate(selection)
    stated = [
        ToolOverride.model_validate({"method": method, "path": path, **said})
        for (method, path), said in overrides.items()
    ]
    conversion = convert(a_document_of(operations), slug="s")
    curated = curate(conversion.operations, chosen, stated)
    assert curate(conversion.operations, chosen, stated) == curated
    shown = {(each.method, each.path): each for each in curated.operations}
    assert shown.keys() <= {(each.method, each.path) for each in conversion.operations}
    report: tuple[ReportItem, ...] = curated.report(conversion.report)
    assert {(each.method, each.path) for each in report if each.status != "skipped"} == shown.keys()
    assert all(each.reason for each in report if each.status == "skipped")
    everything = [*dict.fromkeys([*operations, *others])]
    random.shuffle(everything)
    names = {(each.method, each.path): each.name for each in conversion.operations}
    larger = curate(convert(a_document_of(everything), slug="s", assigned=names).operations, chosen, stated)
    again = {(each.method, each.path): each for each in larger.operations}
    assert {key: each for key, each in again.items() if key in names} == shown
    assert {each.key for each in curated.unmatched}.isdisjoint(names)
