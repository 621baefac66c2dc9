"""Configuration bundles: what two of them have in common, and what is reported of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.configuration.normalization import (
    NOT_COMPARED,
    Identities,
    Part,
    normalize_part,
    normalize_variables,
)
from orchestrator.domain.configuration.snapshot import (
    read_snapshot,
    snapshot_differences,
    snapshot_document,
    snapshot_of,
)
from orchestrator.domain.errors import Refused

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
HERE = Identities(
    "123456789012",
    "us-west-1",
    {"241bd97e": "api ib-oauth-api-prod"},
    {("ib-oauth-task-plan-prod", "7"): "abc=", ("ib-oauth-token-prod", "12"): "def="},
)
ELSEWHERE = Identities(
    "210987654321", "eu-central-1", {"ffff0000": "api ib-oauth-api-prod"}, {("ib-oauth-task-plan-prod", "1"): "abc="}
)


def bundle(*parts: Part, at: datetime = NOW, why: str = "schedule"):
    return snapshot_of("prod", HERE, at, why, parts)


def part(facts: dict, name: str = "ib-oauth-token-prod", kind: str = "function") -> Part:
    return Part(kind, name, facts)


def differences_between(before: dict, after: dict, kind: str = "function") -> list[tuple[str, str, str]]:
    found = snapshot_differences(bundle(part(before, kind=kind)), bundle(part(after, kind=kind)))
    return [(one.path, one.before, one.after) for one in found]


def test_a_thing_that_was_built_again_elsewhere_is_the_same():
    def built(identities: Identities, number: str, api: str, day: int) -> Part:
        arn = f"arn:aws:lambda:{identities.region}:{identities.account}:function:ib-oauth-task-plan-prod:{number}"
        facts = {
            "creationDate": f"2026-11-{day}",
            "definition": {"States": {"Plan": {"Resource": arn, "Url": f"https://{api}.example"}}},
        }
        return normalize_part("machine", "ib-oauth-deployment-prod", facts, identities)

    here, there = built(HERE, "7", "241bd97e", 1), built(ELSEWHERE, "1", "ffff0000", 24)

    assert here == there
    assert here.facts == {
        "definition": {
            "States": {
                "Plan": {
                    "Resource": "arn:aws:lambda:<region>:<account>:function:ib-oauth-task-plan-prod:<code abc=>",
                    "Url": "https://<api ib-oauth-api-prod>.example",
                }
            }
        }
    }


def test_a_version_of_unknown_code_keeps_its_number():
    facts = {"aliases": {"live": {"version": "arn:x:function:ib-oauth-token-prod:99"}}}

    assert normalize_part("function", "f", facts, HERE).facts == facts


@pytest.mark.parametrize(
    ("kind", "facts", "left"),
    [
        ("function", {"Timeout": 3, "LastModified": "now", "StateReason": "x"}, {"Timeout": 3}),
        ("function", {"SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"}}, {"SnapStart": {"ApplyOn": "None"}}),
        ("function", {"policy": {"Statement": [{"Sid": "drawn", "Effect": "Allow"}]}}, {"policy": {"Statement": [{"Effect": "Allow"}]}}),
        ("api", {"tags": {"aws:cloudformation:stack-id": "drawn", "environment": "prod"}}, {"tags": {"environment": "prod"}}),
        ("api", {"stages": {"prod": {"tags": {"aws:x": "1"}, "deploymentId": "d"}}}, {"stages": {"prod": {"tags": {}}}}),
        ("queue", {"Policy": {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}}, {"Policy": {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}}),
    ],
)  # fmt: skip
def test_what_says_nothing_of_the_configuration_is_left_out_and_nothing_else(kind, facts, left):
    assert normalize_part(kind, "x", facts, HERE).facts == left


def test_every_thing_that_is_left_out_has_a_reason():
    assert all(reason for kind in NOT_COMPARED.values() for reason in kind.values())


def test_a_kind_without_a_list_of_what_is_left_out_is_not_guessed_at():
    with pytest.raises(KeyError):
        normalize_part("satellite", "x", {}, HERE)


@given(st.permutations([{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}, {"Key": "c"}]))
def test_the_order_of_a_list_says_nothing(tags):
    facts = normalize_part("role", "r", {"Tags": tags}, HERE).facts

    assert facts == normalize_part("role", "r", {"Tags": sorted(tags, key=json.dumps)}, HERE).facts


def test_the_order_of_a_definition_says_something():
    first, second = ({"definition": {"Retry": order}} for order in (["a", "b"], ["b", "a"]))

    assert normalize_part("machine", "m", first, HERE) != normalize_part("machine", "m", second, HERE)
    assert differences_between(first, second, "machine") == [
        ("definition.Retry[0]", '"a"', '"b"'),
        ("definition.Retry[1]", '"b"', '"a"'),
    ]


def test_the_digest_names_the_configuration_and_not_the_moment():
    one = bundle(part({"Timeout": 3}))

    assert one.digest == bundle(part({"Timeout": 3}), at=NOW + timedelta(days=1), why="drill").digest
    assert one.digest != bundle(part({"Timeout": 4})).digest
    assert one.digest.startswith("sha256:")


def test_equal_bundles_have_no_differences():
    assert snapshot_differences(bundle(part({"Timeout": 3})), bundle(part({"Timeout": 3}))) == ()


def test_a_thing_that_is_gone_and_one_that_is_new_are_each_reported_once():
    found = snapshot_differences(bundle(part({}, "a"), part({}, "b")), bundle(part({}, "b"), part({}, "c")))

    assert [(one.name, one.path, one.before, one.after) for one in found] == [
        ("a", "", "present", ""),
        ("c", "", "", "present"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"Timeout": 3}, {"Timeout": 4}, [("Timeout", "3", "4")]),
        ({"Timeout": 3}, {}, [("Timeout", "3", "")]),
        ({}, {"Timeout": None}, [("Timeout", "", "null")]),
        ({"On": 1}, {"On": True}, [("On", "1", "true")]),
        ({"A": {"B": {"C": 1}}}, {"A": {"B": {"C": 2}}}, [("A.B.C", "1", "2")]),
        ({"L": ["a", "b"]}, {"L": ["b"]}, [("L[ac8d8342]", '"a"', "")]),
        ({"L": ["a", "a"]}, {"L": ["a"]}, [("L[ac8d8342 again 1]", '"a"', "")]),
        ({"L": [{"Sid": "One", "x": 1}]}, {"L": [{"Sid": "One", "x": 2}]}, [("L[Sid=One].x", "1", "2")]),
        ({"L": [{"Sid": "One"}]}, {"L": [{"Sid": "One"}, {"Sid": "Two"}]}, [("L[Sid=Two]", "", '{"Sid":"Two"}')]),
        ({"L": ["a"]}, {"L": "a"}, [("L", '["a"]', '"a"')]),
    ],
)
def test_a_difference_is_reported_by_where_it_is_and_what_was_and_is_there(before, after, paths):
    assert differences_between(before, after) == paths


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "Sid", "Key"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text("ab", min_size=1, max_size=2), JSON),
    st.dictionaries(st.text("ab", min_size=1, max_size=2), JSON),
)
def test_no_difference_is_reported_exactly_where_the_digests_are_equal(before, after):
    one, other = (bundle(normalize_part("role", "r", facts, HERE)) for facts in (before, after))

    assert (snapshot_differences(one, other) == ()) is (one.digest == other.digest)


def test_a_bundle_is_read_back_as_it_was_written():
    one = bundle(part({"Timeout": 3, "Tags": {"ü": "ß"}}), part({}, "b", "table"))

    assert read_snapshot(snapshot_document(one)) == one


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"no json", "snapshot"),
        (b"[]", "snapshot"),
        (b"{}", "snapshot"),
        (b"[" * 100_000, "snapshot"),
        (snapshot_document(bundle(part({"Timeout": "x"}))).replace(b'"x"', rb'"\ud800"'), "snapshot"),
        (snapshot_document(bundle()).replace(b'"digest"', b'"other"'), "snapshot.digest"),
        (snapshot_document(bundle()).replace(b'"format":1', b'"format":2'), "snapshot.format"),
        (snapshot_document(bundle(part({"Timeout": 3}))).replace(b'"Timeout":3', b'"Timeout":4'), "snapshot.digest"),
    ],
)
def test_what_is_no_bundle_of_ours_is_refused(text, field):
    with pytest.raises(Refused) as refused:
        read_snapshot(text)

    assert refused.value.field == field


def test_public_variables_are_opened_and_all_others_are_digests():
    secret = "generated-and-secret"
    variables = {
        "LOG_LEVEL": "INFO",
        "CLIENTS": json.dumps([{"client_id": "web", "secret_sha256": secret, "scopes": ["b", "a"]}]),
        "PLATFORMS": "{no json",
        "REGISTRATION_TOKEN_SHA256": secret,
        "SOMETHING_NEW": secret,
    }

    read = normalize_variables(variables)

    assert secret not in json.dumps(read)
    assert read["LOG_LEVEL"] == "INFO"
    assert read["PLATFORMS"] == "{no json"
    assert read["CLIENTS"][0]["client_id"] == "web"
    assert read["CLIENTS"][0]["secret_sha256"].startswith("sha256:")
    assert read["REGISTRATION_TOKEN_SHA256"] != read["SOMETHING_NEW"], (
        "equal secrets under two names do not tell that they are"
    )
    assert read == normalize_variables(variables)


def test_a_secret_that_is_a_structure_is_searched_and_not_taken_for_one_value():
    read = normalize_variables({"CLIENTS": '{"private": {"secret": "x", "name": "n"}}'})

    assert read["CLIENTS"]["private"]["name"] == "n"
    assert read["CLIENTS"]["private"]["secret"] != "x"


@pytest.mark.parametrize("value", ["[" * 100_000, r'{"name": "\ud800"}', r'{"secret": "\ud800"}', '{"a": NaN}'])
def test_a_variable_that_no_snapshot_can_hold_is_replaced_by_its_digest(value):
    read = normalize_variables({"CLIENTS": value})

    assert read == normalize_variables({"CLIENTS": value})
    assert read["CLIENTS"].startswith("sha256:")
    assert read != normalize_variables({"CLIENTS": value + " "})


def test_a_bundle_is_frozen():
    with pytest.raises(AttributeError):
        bundle().why = "other"  # type: ignore[misc]
    assert replace(bundle(), why="other").why == "other"
