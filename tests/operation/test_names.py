"""Names of tools: readable, within what model APIs take, and no operation's depends on the others more than it must."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.operation.naming import operation_names, slugs_for
from app.operation.text import digest
from tests.openapi.documents import Json, a_document, converted


def names_of(
    *identified: tuple[str, str, str | None], slug: str = "shop", **options: Any
) -> dict[tuple[str, str], str]:
    return operation_names(
        {(method, path): identifier for method, path, identifier in identified}, slug=slug, **options
    )


@pytest.mark.parametrize(
    ("method", "path", "identifier", "expected"),
    [
        ("GET", "/a", "listPets", "listPets"),
        ("GET", "/a", "repos/get-all", "repos_get-all"),
        ("GET", "/a", "a.b: c", "a_b_c"),
        ("GET", "/pets/{id}/toys", None, "get_pets_id_toys"),
        ("POST", "/", "", "post"),
        ("GET", "/a", "日本", "RiBen"),
        ("GET", "/заказы/{номер}", None, "get_zakazy_nomer"),
        ("GET", "/a", "__proto__", "proto"),
    ],
)
def test_names_are_readable(method: str, path: str, identifier: str | None, expected: str) -> None:
    assert names_of((method, path, identifier)) == {(method, path): expected}


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("tools/list-tools-that-a-person-has-lent", "tools_list-tools-that-a-person-has-lent"),  # 40 are left of 46
        ("tools/list-lent-tools-of-the-organization", "tools_list-lent-tools-of-the-org"),
        ("tools/list-all-broken-tools-for-the-authenticated-person", "tools_list-all-broken-tools-auth-person"),
        ("tools/set-shop-limits-for-the-authenticated-customer", "tools_set-shop-limits-auth-customer"),
        ("loans/cancel-loans-of-broken-and-returned-tools-for-user", "cancel-loans-broken-returned-tools-user"),
        ("GetCustomersCustomerLoansLoanRemindersReminderText", "GetCustomerLoanReminderText"),
        ("ReminderTemplateResource.changeReminderTemplateText", "ReminderTmpl_changeReminderTmplText"),
        ("deleteWarehouseV1beta2CollectionNamespacedShelfPosition", "deleteWarehousV1beta2CollNsShelfPosition"),
        ("get_collaboratively_administered_depreciation_thresholds", "get_collabor_administ_deprecia_threshol"),
        ("tools.shelves.boxes.drawers.labels_exportPrintableLabels", "tools_shelve_drawer_exportPrintaLabels"),
        ("a" * 90, "a" * 40),
        ("-" * 90, "-" * 40),
    ],
)
def test_a_name_that_is_too_long_loses_first_what_tells_least(identifier: str, expected: str) -> None:
    assert names_of(("GET", "/a", identifier)) == {("GET", "/a"): expected}


@pytest.mark.parametrize(
    ("method", "path", "identifier", "expected"),
    [
        (
            "GET",
            "/lendings/{lending_id}/reminders",
            "reminders_of_lending_lendings__lending_id__reminders_get",
            "reminders_of_lending",
        ),
        ("GET", "/rest/api/v2/customers/{customer}/loans/{loan}/reminders", None, "get_customers_loans_reminders"),
        ("GET", "/rest/api/v2/customers/{customer}/loans/{loan}", None, "get_customers_loans_loan"),
    ],
)
def test_what_a_name_has_of_its_path_gives_way_first(
    method: str, path: str, identifier: str | None, expected: str
) -> None:
    assert names_of((method, path, identifier)) == {(method, path): expected}


def test_what_tells_long_names_apart_stays() -> None:
    subjects = ("an-organization", "a-repository", "the-authenticated-user", "a-user", "an-enterprise")
    verbs = ("list", "create", "update", "delete")
    objects = ("self-hosted-runner", "package-version", "package", "notification-subscription")
    wanted = {
        ("GET", f"/{verb}/{what}/{subject}"): f"administration/{verb}-{what}-settings-for-{subject}"
        for subject in subjects
        for verb in verbs
        for what in objects
    }
    names = operation_names(wanted, slug="github")
    assert not any(re.search(r"_[0-9a-f]{6}$", name) for name in names.values())
    assert all(key[1].split("/")[1] in name for key, name in names.items())
    versions = names_of(*(("GET", f"/{v}", f"readInventory{v}NamespacedWarehousePositionAllocation") for v in VERSIONS))
    assert [version for version in VERSIONS if version in versions["GET", f"/{version}"]] == VERSIONS


def test_names_that_collide_all_carry_a_hash() -> None:
    twins = ("x" * 90, "x" * 91)
    names = names_of(
        ("GET", "/a", "list"),
        ("GET", "/b", "List"),
        ("GET", "/c", "other"),
        ("GET", "/d", twins[0]),
        ("GET", "/e", twins[1]),
    )
    assert names["GET", "/c"] == "other"
    assert all(re.fullmatch(r"(list|List|x{33})_[0-9a-f]{6}", names["GET", path]) for path in ("/a", "/b", "/d", "/e"))
    assert len({name.lower() for name in names.values()}) == 5


@pytest.mark.parametrize(
    ("slug", "longest", "room"), [("shop", 24, 18), ("s" * 16, 24, 6), ("s" * 32, 46, 12), ("s" * 32, 64, 30)]
)
def test_names_keep_within_the_length_that_is_set(slug: str, longest: int, room: int) -> None:
    wanted = {("GET", f"/{number}"): f"getTheNumberedThing{number}" for number in range(200)}
    names = operation_names(wanted, slug=slug, longest=longest)
    assert max(map(len, names.values())) <= room
    assert len({name.lower() for name in names.values()}) == 200


def test_a_slug_as_long_as_the_names_may_be_leaves_room_for_a_hash() -> None:
    names = operation_names({("GET", "/a"): "getThings", ("GET", "/b"): "get"}, slug="s" * 32, longest=24)
    assert names == {("GET", "/a"): "getThi", ("GET", "/b"): "get"}


@pytest.mark.parametrize(
    ("title", "slugs"),
    [
        ("GitHub v3 REST API", ["github", "github-v3", "github-v3-rest-api"]),
        ("The Jira Cloud platform REST API", ["jira-cloud", "the-jira-cloud-platform-rest-api"]),
        ("Acme's official OpenAPI specification + Extras", ["acme", "acme-official-openapi-specificat"]),
        ("Swagger Petstore - OpenAPI 3.0", ["petstore", "petstore-3", "swagger-petstore-openapi-3-0"]),
        ("Orders (beta)", ["orders", "orders-beta"]),
        ("Warehouse Administration API", ["warehouse-admini", "warehouse-administration-api"]),
        ("Extraordinarily Long", ["extraordinarily", "extraordinarily-long"]),
        ("OpenAPI definition", ["openapi-definiti", "openapi-definition"]),
        ("REST API v2", ["rest-api-v2"]),
        ("Orders v2withoutanend", ["orders-v2without", "orders-v2withoutanend"]),
        ("127.0.0.1:8000", ["api-127-0-0-1", "api-127-0-0-1-8000"]),
        ("3GPP NRF", ["api-3gpp-nrf"]),
        ("1Password Connect", ["api-1password", "api-1password-connect"]),
        ("Caf\u00e9 Z\u00fcrich API", ["cafe-zurich", "cafe-zurich-api"]),
        ("\uff2f\uff52\uff44\uff45\uff52\uff53", ["orders"]),
        ("\u65e5\u672c API", ["riben", "riben-api"]),
        ("!", []),
    ],
)
def test_a_slug_is_made_of_the_words_that_tell_a_source_from_others(title: str, slugs: list[str]) -> None:
    assert list(slugs_for(title)) == slugs


def test_assigned_names_are_kept_and_newcomers_give_way() -> None:
    old, new = ("GET", "/a"), ("GET", "/b")
    names = names_of((*old, "renamed"), (*new, "kept"), assigned={old: "kept", ("GET", "/gone"): "gone"})
    assert names[old] == "kept"
    assert names[new].startswith("kept_")
    assert set(names) == {old, new}


@pytest.mark.parametrize("longest", [24, 46])
def test_a_name_that_exists_stays_however_long_names_may_be_now(longest: int) -> None:
    old, new = ("GET", "/a"), ("GET", "/b")
    kept = "list_all_that_was_ever_lent_to_an_organization_of_the_city"
    names = operation_names({old: kept, new: f"{kept}_twice"}, slug="shop", assigned={old: kept}, longest=longest)
    assert names[old] == kept
    assert len(f"shop__{names[new]}") <= longest


VERSIONS = ["V1alpha1", "V1beta1", "V1", "V2"]
KEYS = st.tuples(st.sampled_from(["GET", "POST"]), st.text("ab/{}é", max_size=4).map(lambda text: f"/{text}"))
IDENTIFIERS = st.none() | st.text("aA_/b ", max_size=4) | st.sampled_from(["x" * 70, "getTheThingOfThe" * 4])
LIKE_A_HASH = st.just(f"a_{digest(('GET', '/a'))[:6]}")


@given(st.dictionaries(KEYS, IDENTIFIERS | LIKE_A_HASH, min_size=1, max_size=30), st.randoms())
def test_names_are_unique_fit_and_do_not_depend_on_the_order(
    wanted: dict[tuple[str, str], str | None], random: Any
) -> None:
    names = operation_names(wanted, slug="shop")
    assert len({name.lower() for name in names.values()}) == len(wanted)
    assert all(
        0 < len(f"shop__{name}") <= 46 and name.replace("_", "").replace("-", "").isalnum() for name in names.values()
    )
    items = list(wanted.items())
    random.shuffle(items)
    assert operation_names(dict(items), slug="shop") == names


@given(st.dictionaries(KEYS, IDENTIFIERS, min_size=2, max_size=20))
def test_a_refresh_renames_nothing_whatever_comes_or_goes(wanted: dict[tuple[str, str], str | None]) -> None:
    half = dict(list(wanted.items())[: len(wanted) // 2])
    before = operation_names(half, slug="shop")
    after = operation_names(wanted, slug="shop", assigned=before)
    assert {key: after[key] for key in half} == before
    assert len({name.lower() for name in after.values()}) == len(wanted)


@given(st.dictionaries(KEYS, IDENTIFIERS, min_size=2, max_size=20), st.integers(1, 19))
def test_without_what_was_assigned_only_who_meets_a_namesake_is_renamed(
    wanted: dict[tuple[str, str], str | None], kept: int
) -> None:
    some = dict(list(wanted.items())[:kept])
    alone, together = operation_names(some, slug="shop"), operation_names(wanted, slug="shop")
    newcomers = {name.lower() for key in wanted.keys() - some.keys() for name in names_of((*key, wanted[key])).values()}
    for key, name in alone.items():
        assert together[key] == name or name.lower() in newcomers


def paths_of(wanted: dict[tuple[str, str], str | None]) -> Json:
    paths: Json = {}
    for (method, path), identifier in wanted.items():
        paths.setdefault(path, {})[method.lower()] = {"operationId": identifier}
    return paths


def names_in(document: Json, **options: Any) -> dict[tuple[str, str], str]:
    return {(each.method, each.path): each.name for each in converted(document, **options).operations}


@settings(max_examples=50)
@given(st.dictionaries(KEYS, IDENTIFIERS, min_size=1, max_size=12), st.randoms(), st.integers(0, 11))
def test_shuffling_a_document_or_taking_from_it_renames_no_tool(
    wanted: dict[tuple[str, str], str | None], random: Any, gone: int
) -> None:
    paths = paths_of(wanted)
    names = names_in(a_document(paths))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,46}", f"shop__{name}") for name in names.values())
    shuffled = list(paths.items())
    random.shuffle(shuffled)
    assert names_in(a_document(dict(shuffled))) == names
    left = dict(shuffled[gone:])
    after = names_in(a_document(left), assigned=names)
    assert after == {key: name for key, name in names.items() if key[1] in left}
    assert names_in(a_document(paths), assigned=after | names) == names
