from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment import cutover
from orchestrator.domain.deployment.cutover import (
    BLOCKED_ACTIONS,
    SID,
    Cutover,
    ProbeRun,
    TableChange,
    TableRef,
    blocked_policy,
    blocks,
    is_blocked,
    unblocked_policy,
)
from orchestrator.domain.deployment.table_sync import first_progress
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
def test_a_closed_table_denies_all_principals_everything_about_its_items(policy):
    found = blocked_policy(policy, ARN)
    (statement,) = [one for one in found["Statement"] if one.get("Sid") == SID]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Resource"] == [ARN, f"{ARN}/index/*"]
    assert "Condition" not in statement
    assert {f"dynamodb:{action}" for action in WRITES} < set(statement["Action"]) == set(BLOCKED_ACTIONS)
    assert is_blocked(found)


@pytest.mark.parametrize("policy", POLICIES)
def test_closing_twice_is_closing_once(policy):
    assert blocked_policy(blocked_policy(policy, ARN), ARN) == blocked_policy(policy, ARN)


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_opening_leaves_the_statements_of_others_as_they_were(policy):
    assert unblocked_policy(blocked_policy(policy, ARN)) == {**policy, "Statement": [ANOTHERS]}
    assert not is_blocked(unblocked_policy(blocked_policy(policy, ARN)))


def test_opening_leaves_no_policy_where_there_was_none():
    assert unblocked_policy(blocked_policy(None, ARN)) is None
    assert unblocked_policy(None) is None


@pytest.mark.parametrize("policy", [*POLICIES, {"Statement": "nonsense"}, {"Statement": ["nonsense"]}])
def test_a_table_without_a_block_is_open(policy):
    assert not is_blocked(policy)


def test_a_table_that_is_gone_cannot_be_closed():
    changes = tuple(
        TableChange(role, TableRef(role, f"arn/{role}"), TableRef(f"{role}-2", f"arn/{role}-2"))
        for role in ("state", "tokens")
    )
    found = Cutover("re-1", changes, gone=("state",))
    assert found.to_block == (TableRef("tokens", "arn/tokens"),)
    assert found.new_table_names == ("state-2", "tokens-2")


def test_a_table_that_is_still_to_be_read_is_closed_to_writes_alone():
    found = blocked_policy(None, ARN, cutover.WRITE_ACTIONS)
    assert {f"dynamodb:{action}" for action in WRITES} == set(cutover.WRITE_ACTIONS)
    assert is_blocked(found)
    assert blocks(found, cutover.WRITE_ACTIONS)
    assert not blocks(found, BLOCKED_ACTIONS)
    assert blocked_policy(found, ARN) == blocked_policy(None, ARN)
    assert blocks(blocked_policy(found, ARN), BLOCKED_ACTIONS)


def at(seconds: float):
    return NOW + timedelta(seconds=seconds)


def test_a_run_of_probes_begins_anew_with_every_result_that_was_not_expected():
    hold, run = timedelta(seconds=30), ProbeRun()
    assert not run.holds(at(100), hold)
    for second, expected in [(0, True), (10, True), (20, False), (21, True), (50, True)]:
        run = run.after(at(second), expected=expected)
    assert run == ProbeRun(at(21))
    assert not run.holds(at(50), hold)
    assert run.holds(at(51), hold)
    assert run.can_hold(at(22), hold, at(51))
    assert not run.can_hold(at(22), hold, at(50))
    assert ProbeRun().can_hold(at(20), hold, at(50))
    assert not ProbeRun().can_hold(at(21), hold, at(50))


def test_a_statement_of_one_action_is_read_too_and_anothers_closes_nothing():
    assert blocks({"Statement": {"Sid": SID, "Action": "dynamodb:PutItem"}}, ["dynamodb:PutItem"])
    assert not blocks({"Statement": [ANOTHERS, "nonsense"]}, ["dynamodb:Scan"])
    assert not blocks(None, BLOCKED_ACTIONS)


def test_copies_may_be_used_at_once_and_what_is_gone_back_to_once_it_is_level():
    assert sample().in_sync
    assert sample().to_unblock == ()
    back = sample(failback=True)
    progress = first_progress({"state": 1, "tokens": 1}, NOW)
    assert [table.name for table in back.to_unblock] == list(back.new_table_names)
    assert not back.in_sync
    assert not replace(back, sync=progress).in_sync
    assert (back.synced_since, replace(back, sync=progress).synced_since) == (None, NOW)
    assert back.tokens_in_use == "ib-oauth-tokens-test"
    assert replace(back, sync=replace(progress, in_sync=True)).in_sync
