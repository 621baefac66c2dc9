"""A restore that was stopped, died or was given up: what it leaves, what the reconciler completes, and what the next one finds."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from unittest import mock

import pytest

from orchestrator.application.restored_tables.listing import SECONDS_UNUSED
from orchestrator.application.stale_executions import LONGEST_REPLAY
from orchestrator.aws.dynamodb.late_writes import LateWrites
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from orchestrator.event_handlers import reconcile
from tests.fakes.errors import client_error
from tests.workflow.restores import (
    REVOCATIONS,
    STATE,
    TOKENS,
    RestoreWorld,
    copies,
    family_item,
    restore_machines,
    verdict,
)
from tests.workflow.world import Scenario, inhabited, straight

BEFORE = {STATE, TOKENS}


@pytest.fixture(scope="module")
def interpreter():
    with restore_machines() as moto:
        yield moto


@pytest.mark.parametrize("state", ["AwaitRestore", "CompareSettings", "StartCutover"])
def test_a_restore_that_is_stopped_leaves_the_service_as_it_was_and_releases_the_lock(interpreter, state):
    def stop(invocation, run):
        answer = run()
        if invocation.state == state and invocation.machine == "restore":
            world.states.pending.clear()  # where it was asked for, the deployment has not begun
            world.stop(invocation.execution)
        return answer

    world = RestoreWorld(interpreter, f"re-stopped-{state}", bridge=stop)
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert "died while it held the environment lock" in world.recovery.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}
    assert not any(world.table_access.closed(name) for name in BEFORE)
    assert not world.cloud.restores.read_lock().held


def test_the_deployment_of_a_restore_that_was_abandoned_is_refused(interpreter):
    world = RestoreWorld(interpreter, "re-given-up")

    def give_up(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("deployment", "Plan"):
            lock = world.cloud.restores.read_lock()
            world.cloud.restores.release_lock(lock.fencing_token)
        return answer

    world.bridge = give_up
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.deployment.outcome is DeploymentOutcome.REFUSED
    assert "its tables are not approved" in world.deployment.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def test_a_restore_that_died_leaves_evidence_and_is_announced(interpreter):
    def kill(invocation, run):
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
            return {"Payload": {}}
        return run()

    world = RestoreWorld(interpreter, "re-died", bridge=kill)
    with inhabited(world):
        world.restore()
        world.settle()
        event = {"id": "tick", "detail": {"name": "re-died"}}
        reported, again = (world.deliver_event("clean_up_drills", event) for _ in range(2))
        link = world.cloud.evidence.find_entry("re-died")
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert link is not None
    assert link.outcome == "FAILED"
    assert "its evidence is written" in reported
    assert "evidence" not in again
    assert "died while it held the environment lock" in world.topics.published[-1][2]
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def test_the_tables_of_a_restore_that_died_are_reported_until_they_are_gone(interpreter):
    def kill(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
        return answer

    def sweep():
        world.measured.clear()
        reported = world.deliver_event("clean_up_drills", {"id": "tick", "detail": {}})
        return reported, [line[SECONDS_UNUSED] for line in world.measured if SECONDS_UNUSED in line]

    world = RestoreWorld(interpreter, "re-left", bridge=kill)
    with inhabited(world):
        assert sweep() == ("nothing is left behind", [])
        world.restore()
        world.settle()
        world.clock.advance(14 * 86_400)
        reported, measured = sweep()
        assert f"2 restored tables are unused, {min(copies(world))} since" in reported
        assert [14 * 86_400 < seconds < 15 * 86_400 for seconds in measured] == [True]
        for table in copies(world):
            del world.tables.tables[table]
        assert sweep()[1] == []


def test_restored_tables_in_use_are_not_reported_although_the_stack_still_names_the_original_ones(interpreter):
    world = RestoreWorld(interpreter, "re-kept")
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
        reported = world.deliver_event("clean_up_drills", {"id": "tick", "detail": {}})
    assert "unused" not in reported
    assert not [line for line in world.measured if SECONDS_UNUSED in line]


@pytest.mark.parametrize("state", ["SanitizeTokens", "StartCutover"])
def test_the_epoch_of_a_restore_that_died_before_its_cutover_ends_no_login_of_the_next(interpreter, state):
    def kill(invocation, run):
        answer = run()
        if invocation.machine == "restore" and invocation.state == state:
            world.states.pending.clear()
            world.stop(invocation.execution)
        return answer

    world = RestoreWorld(interpreter, f"re-dead-{state}", bridge=kill)
    world.log_in("kept")
    with inhabited(world):
        world.restore()
        world.settle()
        assert world.recovery.outcome is RecoveryOutcome.FAILED
        assert "epoch" not in world.held(REVOCATIONS), "it was never in force"
        world.begin_another(f"re-next-{state}")
        world.bridge = straight
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    assert world.families(world.tokens_copy) == {"kept": True}
    assert verdict(world, "tokens.alive").reason == "1 of 1 families stay valid"
    assert world.recovery.least_epoch == 1
    assert world.held(REVOCATIONS)["epoch"]["epoch"] == {"N": "1"}


def test_the_record_of_a_restore_that_died_is_completed_although_the_next_took_its_lock_over(interpreter):
    """Otherwise its tables would count as needed for ever."""

    def kill(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
        return answer

    world = RestoreWorld(interpreter, "re-overtaken", bridge=kill)
    with inhabited(world):
        world.restore()
        world.begin_another("re-overtakes")
        world.bridge = straight
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
        used, latest = world.used(), [one.latest["Environment"] for one in world.plane.functions.values()]
        assert world.cloud.restores.read_record("re-overtaken").ended_at is None
        world.settle()
        dead = world.cloud.restores.read_record("re-overtaken")
    assert dead.outcome is RecoveryOutcome.FAILED
    assert "died while it held the environment lock" in dead.reason
    assert world.used() == used
    assert [one.latest["Environment"] for one in world.plane.functions.values()] == latest
    assert not world.cloud.restores.read_lock().held


def test_variables_that_another_writer_set_after_a_restore_died_are_not_reverted(interpreter):
    def kill(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
            world.plane.functions["ib-oauth-token-test"].latest["Environment"]["Variables"] |= {"ISSUER": "https://new"}
        return answer

    world = RestoreWorld(interpreter, "re-rewritten", bridge=kill)
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    latest = world.plane.functions["ib-oauth-token-test"].latest["Environment"]["Variables"]
    assert (latest["ISSUER"], latest["TOKENS_TABLE"]) == ("https://new", TOKENS)


def test_what_an_earlier_release_logged_for_a_restore_that_died_ends_no_login_either(interpreter):
    world = RestoreWorld(interpreter, "re-logged-early")
    world.rows.put_item(TableName=REVOCATIONS, Item={"pk": {"S": "epoch"}, "epoch": {"N": "5"}})
    world.log_in("kept")
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    assert world.families(world.tokens_copy) == {"kept": True}
    assert world.held(REVOCATIONS)["epoch"]["recovery"] == {"S": "re-logged-early"}


def test_the_epoch_of_a_restore_that_died_after_its_cutover_is_logged_when_its_record_is_closed(interpreter):
    def stop(invocation, run):
        if (invocation.machine, invocation.state) != ("restore", "AwaitCutover"):
            return run()
        world.run_started()
        world.stop(invocation.execution)
        return {"Payload": {}}

    world = RestoreWorld(interpreter, "re-dead-used", bridge=stop)
    world.log_in("kept")
    with inhabited(world):
        world.restore()
        assert "epoch" not in world.held(REVOCATIONS)
        world.settle()
    assert world.recovery.in_use
    assert world.recovery.ended_at is not None
    assert verdict(world, "late-writes").outcome is Outcome.PASS
    assert world.held(REVOCATIONS)["epoch"]["epoch"] == {"N": "1"}
    assert not world.cloud.restores.read_lock().held


@pytest.mark.parametrize("at_percent", [0, 100])
def test_the_epoch_of_a_cutover_that_was_rolled_back_was_never_in_force(interpreter, at_percent):
    world = RestoreWorld(interpreter, f"re-undone-{at_percent}", Scenario({at_percent: Outcome.FAIL}, changed=False))
    world.log_in("kept")
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.deployment.outcome is DeploymentOutcome.ROLLED_BACK
    assert "epoch" not in world.held(REVOCATIONS)


def test_a_restore_in_which_no_login_lives_says_so(interpreter):
    world = RestoreWorld(interpreter, "re-nobody-lives")
    for family in ("one", "other"):
        world.log_in(family)
    world.tables.lose(TOKENS)
    real = world.rows.get_item

    def lost(**params):
        if params["TableName"] == TOKENS:
            raise client_error("ResourceNotFoundException")
        return real(**params)

    with inhabited(world), mock.patch.object(world.rows, "get_item", lost, create=True):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    finding = verdict(world, "tokens.alive")
    assert finding.outcome is Outcome.FAIL
    assert finding.reason == "no family stays valid, so every user must log in again: 2 unknown"
    assert "tokens.alive" in world.recovery.reason
    assert finding.reason in world.topics.published[-1][2]


def restore_that_is_stopped_after_its_cutover(interpreter, name, *families):
    """A restore that is stopped when its deployment has succeeded. Its previous table accepted logins meanwhile."""

    def stop(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "AwaitCutover"):
            world.stop(invocation.execution)
            for family in families:
                world.contents.put(TOKENS, family_item(family))
        return answer

    world = RestoreWorld(interpreter, name, bridge=stop)
    return world


def test_late_writes_are_replayed_for_a_restore_that_was_stopped_after_its_cutover(interpreter):
    world = restore_that_is_stopped_after_its_cutover(interpreter, "re-stopped-late", "late")
    with inhabited(world):
        world.restore()
        assert world.used()["live"] == copies(world)
        assert "family#late" not in world.held(world.tokens_copy)
        world.settle()
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert world.held(world.tokens_copy)["family#late"]["generation"] == {"N": "1"}
    assert verdict(world, "late-writes").outcome is Outcome.PASS
    assert verdict(world, "machine.1").outcome is Outcome.ERROR
    assert world.recovery.replay.passes == world.deployment.cutover.replay.passes + 2
    assert world.recovery.ended_at - world.deployment.ended_at >= timedelta(seconds=30)
    assert world.used()["live"] == copies(world)
    assert not world.cloud.restores.read_lock().held


def test_only_the_reconciler_replays_for_a_restore_that_was_stopped(interpreter):
    """The handler of ended executions may not write the service's tables."""
    world = restore_that_is_stopped_after_its_cutover(interpreter, "re-stopped-event", "late")
    with inhabited(world):
        world.restore()
        lock = world.cloud.restores.read_lock()
        for arn, phase in world.announced:
            world.deliver(arn, phase)
        assert world.cloud.restores.read_lock() == lock
        assert world.recovery.ended_at is None
        world.deliver_event("reconcile", {"id": "tick"})
        assert world.cloud.restores.read_lock().held
        assert "family#late" in world.held(world.tokens_copy)


@pytest.mark.parametrize("minutes", [1, 30])
def test_a_replay_that_fails_is_repeated_for_a_while_and_then_abandoned(interpreter, minutes):
    world = restore_that_is_stopped_after_its_cutover(interpreter, f"re-stopped-{minutes}", "late")
    with inhabited(world):
        world.restore()
        world.announced.clear()
        world.clock.advance(60 * minutes)
        with mock.patch.object(LateWrites, "replaying", side_effect=Throttled("the table throttles")):
            world.deliver_event("reconcile", {"id": "tick"})
        abandoned = minutes > LONGEST_REPLAY.total_seconds() / 60
        assert world.cloud.restores.read_lock().held is not abandoned
        world.settle()
    checked = verdict(world, "late-writes")
    assert checked.outcome is (Outcome.ERROR if abandoned else Outcome.PASS)
    assert ("the table throttles" in checked.reason) is abandoned
    assert ("family#late" in world.held(world.tokens_copy)) is not abandoned
    assert not world.cloud.restores.read_lock().held


class Killed(BaseException):
    """Lambda ended the function at its time limit: nothing after it runs."""


def test_a_replay_that_outlasts_the_reconciler_keeps_no_one_from_being_called_and_the_lock_is_released(interpreter):
    world = restore_that_is_stopped_after_its_cutover(interpreter, "re-killed", "late")
    runs, called = [], []

    def outlast(*_arguments):
        world.clock.advance(120)
        raise Killed

    with (
        inhabited(world),
        mock.patch.object(LateWrites, "read_late_writes", outlast),
        mock.patch.object(reconcile, "evaluate_lasting_alarms", side_effect=lambda _: called.append("alarms")),
        mock.patch.object(reconcile, "attend_incidents", side_effect=lambda _: called.append("pages")),
    ):
        with mock.patch.object(LateWrites, "read_late_writes", return_value=([], {})):
            world.restore()
        world.announced.clear()
        while world.cloud.restores.read_lock().held and len(runs) < 30:
            runs.append(world.clock.now())
            with suppress(Killed):
                world.deliver_event("reconcile", {"id": "tick"})
    assert not world.cloud.restores.read_lock().held
    assert runs[-1] - world.deployment.ended_at < LONGEST_REPLAY + timedelta(minutes=6)
    assert called == ["alarms", "pages"] * len(runs)
    assert verdict(world, "late-writes").outcome is Outcome.ERROR
    assert "were not replayed to their end within 15 min of the cutover" in verdict(world, "late-writes").reason
    assert world.recovery.ended_at is not None


def test_each_run_of_the_reconciler_continues_where_the_one_before_stopped_and_the_lock_is_released(interpreter):
    """Here the revocation log has no stream, and the tokens table is so large that its comparison does not end."""
    world = restore_that_is_stopped_after_its_cutover(interpreter, "re-long")
    cursors = []

    def compare(_tokens, _segment, after, until, _pace):
        while not until():
            world.clock.advance(5)
        return 0, f"{after}+"

    with inhabited(world):
        world.restore()
        world.announced.clear()
        with mock.patch.object(RestoredTokens, "revoke_logged", compare):
            while world.cloud.restores.read_lock().held and len(cursors) < 40:
                world.clock.advance(60)
                world.deliver_event("reconcile", {"id": "tick"})
                cursors.append(world.recovery.replay.unscanned["0"])
    *moving, last = cursors
    assert moving == ["+" * number for number in range(1, len(moving) + 1)]
    assert last == moving[-1], "none is begun after 15 minutes"
    assert not world.cloud.restores.read_lock().held
    assert world.recovery.ended_at - world.deployment.ended_at < LONGEST_REPLAY + timedelta(minutes=3)
    assert "more are left" in verdict(world, "late-writes").reason
