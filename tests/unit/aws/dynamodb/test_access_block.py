"""Tables that are closed to all principals, and opened again, by policies that DynamoDB follows and shows late."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from orchestrator.aws.dynamodb import access_block
from orchestrator.aws.dynamodb.access_block import SLACK, TableAccess
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.domain.deployment.cutover import (
    BLOCKED_ACTIONS,
    WRITE_ACTIONS,
    TableRef,
    blocked_policy,
    blocks,
    is_blocked,
)
from orchestrator.domain.errors import LockLost, PolicyNotEffective, ResourcePolicyConflict
from tests.fakes.clock import SimulatedClock
from tests.fakes.table_access import FakeTableAccess

TABLE = TableRef("ib-oauth-state-test", "arn:aws:dynamodb:us-west-1:000000000000:table/ib-oauth-state-test")
OTHER = TableRef("ib-oauth-tokens-test", "arn:aws:dynamodb:us-west-1:000000000000:table/ib-oauth-tokens-test")
ANOTHERS = {"Version": "2012-10-17", "Statement": [{"Sid": "Auditors", "Effect": "Allow"}]}
HOLD = timedelta(seconds=30)


@pytest.fixture
def client():
    return FakeTableAccess()


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def table_access(client, clock):
    return TableAccess(client, client.connect, clock.now, sleep=clock.advance)


def held() -> None:
    """The lock is ours."""


def lost() -> None:
    raise LockLost("epoch 1 no longer holds the environment lock")


def test_a_closed_table_denies_and_an_opened_one_does_not(client, table_access):
    table_access.block(TABLE, held)
    table_access.verify([TABLE], [OTHER], HOLD)
    with pytest.raises(PolicyNotEffective, match=f"{TABLE.name} still denies access"):
        table_access.verify([], [TABLE], HOLD)
    table_access.unblock(TABLE, held)
    table_access.verify([], [TABLE], HOLD)
    with pytest.raises(PolicyNotEffective, match="does not deny access everywhere yet"):
        table_access.verify([TABLE], [], HOLD)
    assert client.policies == {}


@pytest.mark.parametrize("followed_after", [0, 1, 20])
def test_a_table_is_closed_once_nothing_but_denials_came_over_new_connections_for_long_enough(
    client, table_access, clock, followed_after
):
    client.follows_after, begun = followed_after, clock.now()
    table_access.block(TABLE, held)
    table_access.verify([TABLE], [], HOLD)
    waited = followed_after * access_block.PROBE_SECONDS
    assert clock.now() - begun == timedelta(seconds=waited) + HOLD
    assert (
        client.connected == len(client.probed) == followed_after + HOLD.total_seconds() / access_block.PROBE_SECONDS + 1
    )


def test_one_host_that_still_accepts_begins_the_time_anew(client, table_access, clock, monkeypatch):
    answers = [True] * 20 + [False] + [True] * 200
    monkeypatch.setattr(client, "call", lambda *_: answers.pop(0) and denied())
    begun = clock.now()
    table_access.verify([TABLE], [], HOLD)
    assert clock.now() - begun == HOLD + timedelta(seconds=21 * access_block.PROBE_SECONDS)


def denied():
    raise DynamoDBError("AccessDeniedException")


def test_a_call_does_not_wait_for_what_cannot_hold_within_its_time(client, table_access, clock):
    client.follows_after, begun = 10_000, clock.now()
    table_access.block(TABLE, held)
    with pytest.raises(PolicyNotEffective):
        table_access.verify([TABLE], [], HOLD)
    assert SLACK <= clock.now() - begun <= SLACK + timedelta(seconds=1)


def test_an_answer_that_says_nothing_about_the_policy_is_no_evidence(client, table_access, monkeypatch):
    def gone(*_):
        raise DynamoDBError("ResourceNotFoundException")

    monkeypatch.setattr(client, "call", gone)
    with pytest.raises(DynamoDBError):
        table_access.verify([TABLE], [], HOLD)


def test_a_table_that_accepts_a_probe_is_open(client, table_access, monkeypatch):
    monkeypatch.setattr(client, "call", lambda *_: b"{}")
    table_access.verify([], [TABLE], HOLD)


def test_what_others_wrote_into_the_policy_stays(client, table_access):
    client.policies[TABLE.arn] = (json.dumps(ANOTHERS), 7)
    table_access.block(TABLE, held)
    assert is_blocked(json.loads(client.policies[TABLE.arn][0]))
    table_access.unblock(TABLE, held)
    assert json.loads(client.policies[TABLE.arn][0]) == ANOTHERS


@pytest.mark.parametrize("others", [None, ANOTHERS])
@pytest.mark.parametrize("shown_after", [0, 1, 1000])
def test_a_table_opens_by_the_revision_of_its_block_whatever_policy_is_shown(client, table_access, others, shown_after):
    client.shown_after = shown_after
    if others:
        client.policies[TABLE.arn] = (json.dumps(others), 7)
    revision = table_access.block(TABLE, held)
    table_access.unblock(TABLE, held, revision, requested=True)
    left = client.policies.get(TABLE.arn)
    assert (left and json.loads(left[0])) == others
    table_access.unblock(TABLE, held, revision, requested=True)
    assert client.policies.get(TABLE.arn) == left, "doing it again changes nothing"


def test_a_block_of_an_unknown_revision_is_removed_where_no_policy_is_shown(client, table_access):
    client.shown_after = 1000
    table_access.block(TABLE, held)
    table_access.unblock(TABLE, held)
    assert client.closed(TABLE.name), "without a known request nothing says that there is a block"
    table_access.unblock(TABLE, held, requested=True)
    assert client.policies == {}


def test_a_block_of_an_unknown_revision_is_not_overlooked_where_another_policy_is_shown(client, table_access):
    client.policies[TABLE.arn] = (json.dumps(ANOTHERS), 7)
    client.shown_after = 1
    table_access.block(TABLE, held)
    with pytest.raises(ResourcePolicyConflict):
        table_access.unblock(TABLE, held, requested=True)
    table_access.unblock(TABLE, held, requested=True)
    assert json.loads(client.policies[TABLE.arn][0]) == ANOTHERS


def test_a_block_that_another_client_wrote_anew_is_removed_too(client, table_access):
    revision = table_access.block(TABLE, held)
    client.policies[TABLE.arn] = (json.dumps(blocked_policy(ANOTHERS, TABLE.arn)), 99)
    table_access.unblock(TABLE, held, revision, requested=True)
    assert json.loads(client.policies[TABLE.arn][0]) == ANOTHERS


def test_a_block_that_is_there_under_another_revision_is_a_conflict_where_it_changes_all_the_time(client, table_access):
    revision = table_access.block(TABLE, held)

    def meanwhile() -> None:
        document, number = client.policies[TABLE.arn]
        client.policies[TABLE.arn] = (document, number + 100)

    meanwhile()

    with pytest.raises(ResourcePolicyConflict):
        table_access.unblock(TABLE, meanwhile, revision, requested=True)
    assert client.closed(TABLE.name)


def test_a_policy_that_is_not_shown_yet_is_blocked_again_by_its_revision(client, table_access):
    client.shown_after = 1000
    revision = table_access.block(TABLE, held)
    again = table_access.block(TABLE, held, BLOCKED_ACTIONS, revision)
    assert client.policies[TABLE.arn][1] == int(again)
    assert client.closed(TABLE.name)


def test_a_caller_that_lost_the_lock_blocks_and_unblocks_nothing(client, table_access):
    with pytest.raises(LockLost):
        table_access.block(TABLE, lost)
    assert client.policies == {}
    table_access.block(TABLE, held)
    with pytest.raises(LockLost):
        table_access.unblock(TABLE, lost)
    assert is_blocked(json.loads(client.policies[TABLE.arn][0]))


def test_a_policy_that_changed_meanwhile_is_not_overwritten(client, table_access):
    def meanwhile() -> None:
        client.policies[TABLE.arn] = (json.dumps(ANOTHERS), 8)

    with pytest.raises(ResourcePolicyConflict):
        table_access.block(TABLE, meanwhile)
    assert json.loads(client.policies[TABLE.arn][0]) == ANOTHERS


def test_doing_it_twice_writes_once_and_a_table_that_is_gone_has_no_policy(client, table_access):
    first = table_access.block(TABLE, held)
    assert table_access.block(TABLE, lost) == first
    table_access.unblock(TABLE, held)
    table_access.unblock(TABLE, lost)
    client.gone.add(TABLE.arn)
    table_access.unblock(TABLE, lost)


def test_a_table_that_is_closed_to_writes_is_closed_to_readers_too_when_that_is_requested(client, table_access):
    assert not table_access.is_blocked(TABLE)
    table_access.block(TABLE, held, WRITE_ACTIONS)
    assert table_access.is_blocked(TABLE)
    first = client.policies[TABLE.arn]
    table_access.block(TABLE, held, WRITE_ACTIONS)
    assert client.policies[TABLE.arn] == first
    table_access.block(TABLE, held)
    assert blocks(json.loads(client.policies[TABLE.arn][0]), BLOCKED_ACTIONS)
    table_access.unblock(TABLE, held)
    assert not table_access.is_blocked(TABLE)
