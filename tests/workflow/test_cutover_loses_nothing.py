"""Whatever time policies take to spread, and whenever it is rolled back: a cutover loses no write that a response acknowledged.

`CUTOVER_EXAMPLES=200 pytest -s tests/workflow/test_cutover_loses_nothing.py` tries more; what was counted is printed at the end.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from random import Random
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.application.cutover import replays as application
from orchestrator.aws.dynamodb.access_block import TableAccess
from orchestrator.domain.deployment.cutover import blocked_policy
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import PolicyNotEffective
from orchestrator.domain.recovery.lost_writes.measurement import REPLAYED, measured_restore
from tests.fakes.hosted_tables import arn_of
from tests.workflow.cutovers import CLIENTS, REVOCATIONS, SOURCE, TARGET, CutoverWorld, sequential

EXAMPLES = int(os.environ.get("CUTOVER_EXAMPLES", "2"))
counted = dict.fromkeys(("examples", "cut over", "rolled back", "clients", "acknowledged", "refused", "late writes"), 0)
longest_seconds = {"cut over": 0.0, "rolled back": 0.0}


@pytest.fixture(scope="module", autouse=True)
def report(request):
    """Print what was counted."""
    yield
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\ncutovers under load: {counted}; until it was verified, in seconds: {longest_seconds}")  # noqa: T201


@pytest.mark.parametrize("rolls_back", [False, True])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    policy_seconds=st.floats(0, 60),
    moment=st.floats(30, 180),
    rotated_tokens=st.sampled_from(["revoke", "accept"]),
)
def test_no_acknowledged_write_or_revocation_is_lost_and_no_client_locked_out(
    rolls_back, seed, policy_seconds, moment, rotated_tokens
):
    stop_at = moment if rolls_back else None
    with sequential():
        world = CutoverWorld(Random(seed), policy_seconds, stop_at, rotated_tokens)
        done = world.run()
    assert list(world.violations()) == []
    assert world.live == (TARGET if done else SOURCE)
    outcome = "cut over" if done else "rolled back"
    for name, number in (
        ("examples", 1), (outcome, 1), ("clients", CLIENTS), ("acknowledged", world.acknowledged),
        ("refused", world.refused), ("late writes", world.late_writes),
    ):  # fmt: skip
        counted[name] += number
    longest_seconds[outcome] = max(longest_seconds[outcome], world.outage_seconds)


@pytest.mark.parametrize("failed_attempts", [1, 3])
def test_a_later_attempt_of_the_rollback_blocks_no_table_that_clients_use_again(failed_attempts):
    """The first attempts end with UnblockRetry: a policy that takes longer, or whatever fails after them."""
    with sequential():
        world = CutoverWorld(Random(4), 10, 130.0)
        verify, left = world.cloud.table_access.verify, 8 * failed_attempts

        def refuse(**tables):
            nonlocal left
            if world.rolled_back and left:
                left -= 1
                raise PolicyNotEffective("still denies access")
            verify(**tables)

        with mock.patch.object(world.cloud.table_access, "verify", refuse):
            assert not world.run()
    assert world.deployment.cutover.replayed_at is not None, "the aliases had moved"
    assert left == 0
    for name in SOURCE:
        written = [blocked for arn, blocked in world.hosted.blocked if arn == arn_of(name)]
        assert written[:1] == [True]
        assert True not in written[written.index(False) :], "blocked again"
    assert list(world.violations()) == []


@pytest.mark.parametrize("at_most", [5000, 150])
@pytest.mark.parametrize("seed", range(2))
def test_a_restore_that_replays_loses_nothing_that_was_written_since_its_recovery_point(seed, at_most):
    with sequential(), mock.patch.object(application, "MOST_WRITES", at_most):
        world = CutoverWorld(Random(seed), 20, None, replays=())
        assert world.run()
    restore = world.cloud.restores.read_record("re-1")
    assert list(world.violations()) == []
    assert restore.replay.found > world.late_writes
    measured = measured_restore(restore, world.deployment.cutover, world.clock.now())
    assert measured.measured.data_loss == timedelta(0)
    assert (restore.replay.passes > 5) is (at_most == 150)


def test_a_corrupted_kind_is_not_replayed_and_what_was_lost_is_measured():
    with sequential():
        world = CutoverWorld(Random(1), 20, None, replays=("family",))
        assert world.run()
    restore = world.cloud.restores.read_record("re-1")
    assert list(world.violations())
    assert restore.replay.lost > 0
    measured = measured_restore(restore, world.deployment.cutover, world.clock.now()).measured
    assert (measured.data_loss, measured.source) == (restore.replay.lost_at - restore.point, REPLAYED)


@pytest.mark.parametrize("stop_at", [None, 140.0])
def test_without_the_replay_the_same_clients_lose_something(stop_at):
    with sequential():
        world = CutoverWorld(Random(2), 40, stop_at)
        with mock.patch.object(world.cloud.late_writes, "read_late_writes", return_value=([], {})):
            world.run()
    assert list(world.violations())


def test_where_the_first_denial_is_believed_the_same_clients_lose_something():
    with sequential():
        world = CutoverWorld(Random(2), 60, None)
        with mock.patch.object(TableAccess, "verify", return_value=None):
            world.run()
    assert list(world.violations())


def test_a_block_that_a_stopped_task_put_late_on_tables_in_use_is_removed_once_the_lock_is_free():
    with sequential():
        world = CutoverWorld(Random(3), 10, 31.0)
        world.run()
        for name in SOURCE:
            policy = json.dumps(blocked_policy(None, arn_of(name)))
            world.hosted.put_resource_policy(ResourceArn=arn_of(name), Policy=policy, ExpectedRevisionId="NO_POLICY")
        world.clock.advance(10)
        lock = world.cloud.ledger.acquire_lock(
            world.cloud.ledger.read_lock(), "deployment-d-2", "d-2", Kind.DEPLOYMENT, world.clock.now()
        )
        assert world.reconcile() == ""
        assert set(world.violations()) >= {f"{name} is in use and blocked" for name in SOURCE}
        world.cloud.ledger.release_lock(lock.fencing_token)
        assert "is unblocked" in world.reconcile()
        world.clock.advance(10)
        assert world.reconcile() == ""
    assert not [violation for violation in world.violations() if "table" in violation or "denies" in violation]


def test_an_error_of_the_reconciler_about_blocked_tables_does_not_stop_it():
    with sequential():
        world = CutoverWorld(Random(3), 1, 31.0)
        world.run()
        with mock.patch.object(world.hosted, "get_resource_policy", side_effect=world.hosted_error()):
            assert world.reconcile() == ""


@pytest.mark.parametrize("stop_at", [None, 130.0])
def test_no_table_is_scanned_by_a_cutover_or_its_rollback(stop_at):
    """So neither the time in which clients are refused nor what they are throttled by grows with a table."""
    with sequential():
        world = CutoverWorld(Random(6), 10, stop_at)
        world.hosted.read_units = 50
        with mock.patch.object(world.hosted.tables, "scan", side_effect=AssertionError("a table is scanned")):
            assert world.run() is (stop_at is None)
    assert list(world.violations()) == []


@pytest.mark.parametrize("stop_at", [None, 130.0])
def test_a_revocation_log_without_a_stream_is_compared_with_the_whole_table_and_nothing_is_lost(stop_at):
    with sequential():
        world = CutoverWorld(Random(7), 10, stop_at)
        world.hosted.unstreamed.add(REVOCATIONS)
        assert world.run() is (stop_at is None)
    assert list(world.violations()) == []
