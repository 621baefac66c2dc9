from dataclasses import replace

import pytest

from orchestrator.domain import cut_over
from orchestrator.domain.cut_over import (
    CLOSED_ACTIONS,
    SID,
    CutOver,
    Table,
    TableChange,
    closed,
    denies,
    is_closed,
    opened,
)
from orchestrator.domain.levelling import begun
from tests.samples import NOW
from tests.samples import cut_over as sample

ARN = "arn:aws:dynamodb:us-west-1:000000000000:table/ib-oauth-state-test"
ANOTHERS = {"Sid": "Auditors", "Effect": "Allow", "Principal": {"AWS": "1"}, "Action": "dynamodb:Scan", "Resource": ARN}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"}
POLICIES = [
    None,
    {"Version": "2012-10-17", "Statement": [ANOTHERS]},
    {"Version": "2012-10-17", "Id": "mine", "Statement": ANOTHERS},
]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_closed_table_denies_everybody_everything_about_its_items(policy):
    found = closed(policy, ARN)
    (statement,) = [one for one in found["Statement"] if one.get("Sid") == SID]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Resource"] == [ARN, f"{ARN}/index/*"]
    assert "Condition" not in statement
    assert {f"dynamodb:{action}" for action in WRITES} < set(statement["Action"]) == set(CLOSED_ACTIONS)
    assert is_closed(found)


@pytest.mark.parametrize("policy", POLICIES)
def test_closing_twice_is_closing_once(policy):
    assert closed(closed(policy, ARN), ARN) == closed(policy, ARN)


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_opening_leaves_the_statements_of_others_as_they_were(policy):
    assert opened(closed(policy, ARN)) == {**policy, "Statement": [ANOTHERS]}
    assert not is_closed(opened(closed(policy, ARN)))


def test_opening_leaves_no_policy_where_there_was_none():
    assert opened(closed(None, ARN)) is None
    assert opened(None) is None


@pytest.mark.parametrize("policy", [*POLICIES, {"Statement": "nonsense"}, {"Statement": ["nonsense"]}])
def test_a_table_that_nobody_closed_is_open(policy):
    assert not is_closed(policy)


def test_a_table_that_is_gone_cannot_be_closed():
    changes = tuple(
        TableChange(role, Table(role, f"arn/{role}"), Table(f"{role}-2", f"arn/{role}-2"))
        for role in ("state", "tokens")
    )
    found = CutOver("re-1", changes, gone=("state",))
    assert found.to_close == (Table("tokens", "arn/tokens"),)
    assert found.entered == ("state-2", "tokens-2")


def test_a_table_that_is_still_to_be_read_is_closed_to_writes_alone():
    found = closed(None, ARN, cut_over.WRITES)
    assert {f"dynamodb:{action}" for action in WRITES} == set(cut_over.WRITES)
    assert is_closed(found)
    assert denies(found, cut_over.WRITES)
    assert not denies(found, CLOSED_ACTIONS)
    assert closed(found, ARN) == closed(None, ARN)
    assert denies(closed(found, ARN), CLOSED_ACTIONS)


def test_a_statement_of_one_action_is_read_too_and_anothers_closes_nothing():
    assert denies({"Statement": {"Sid": SID, "Action": "dynamodb:PutItem"}}, ["dynamodb:PutItem"])
    assert not denies({"Statement": [ANOTHERS, "nonsense"]}, ["dynamodb:Scan"])
    assert not denies(None, CLOSED_ACTIONS)


def test_copies_may_be_used_at_once_and_what_is_gone_back_to_once_it_is_level():
    assert sample().level
    assert sample().to_open == ()
    back = sample(back=True)
    levelling = begun({"state": 1, "tokens": 1}, NOW)
    assert [table.name for table in back.to_open] == list(back.entered)
    assert not back.level
    assert not replace(back, levelling=levelling).level
    assert replace(back, levelling=replace(levelling, level=True)).level
