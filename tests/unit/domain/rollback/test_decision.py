from dataclasses import replace

import pytest

from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.gates import GateRecord
from orchestrator.domain.deployment.outcome import closed_deployment, refused_deployment
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    RollbackTrigger,
    Shift,
    refuse_outdated_step,
)
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import AliasConflict, Refused
from orchestrator.domain.rollback.decision import (
    ABORTED_BY,
    DEAD_EXECUTION,
    INFRASTRUCTURE_SOURCES,
    PERSON,
    TASK_ERROR,
    VERDICT,
    after_revert,
    bars_release,
    cause_among,
    decide_rollback,
    ended_by_rollback,
    gives_way,
    reason_of_end,
    refuse_missing_targets,
    takes_lock,
)
from orchestrator.domain.verdict import Verdict
from tests.samples import EXECUTION, NOW, cut_over, deployment, seconds

ALARM = RollbackTrigger("alarm", "token-server-errors fired", NOW)
DIED = RollbackTrigger(DEAD_EXECUTION, "it died", NOW)
IN_FLIGHT = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW),))
SUCCEEDED = replace(IN_FLIGHT, phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW)
LATER = replace(IN_FLIGHT, id="d-2", requested_at=NOW + seconds(60))
FREE, HELD = EnvironmentLock(4), EnvironmentLock(4, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
BY_ROLLBACK = replace(HELD, kind=Kind.ROLLBACK)
BY_ANOTHER = EnvironmentLock(4, "another", "d-2", Kind.DEPLOYMENT, NOW)


def judged(found=IN_FLIGHT, newest=IN_FLIGHT, lock=HELD, trigger=ALARM, *, alive=True):
    return decide_rollback(found, newest, lock, trigger, holder_alive=alive)


@pytest.mark.parametrize(
    "phase",
    sorted(
        set(DeploymentPhase)
        - {DeploymentPhase.PLANNED, DeploymentPhase.LOCKED, DeploymentPhase.VERIFIED, DeploymentPhase.ENDED}
    ),
)
@pytest.mark.parametrize("trigger", [ALARM, DIED])
@pytest.mark.parametrize("alive", [True, False])
def test_a_deployment_in_flight_is_rolled_back(phase, trigger, alive):
    decision = judged(replace(IN_FLIGHT, phase=phase), trigger=trigger, alive=alive)
    assert (decision.action, decision.reason) == (Action.REVERT, trigger.reason)


def test_a_rollback_that_died_is_done_again():
    assert judged(lock=BY_ROLLBACK, trigger=DIED, alive=False).action is Action.REVERT


@pytest.mark.parametrize("lock", [FREE, HELD])
def test_a_deployment_that_succeeded_is_rolled_back_by_an_alarm_or_a_person(lock):
    assert judged(SUCCEEDED, SUCCEEDED, lock, ALARM, alive=False).action is Action.REVERT
    assert (
        judged(SUCCEEDED, SUCCEEDED, lock, RollbackTrigger("person", "asked", NOW), alive=False).action is Action.REVERT
    )


@pytest.mark.parametrize("source", sorted(INFRASTRUCTURE_SOURCES))
def test_a_deployment_that_succeeded_is_not_rolled_back_because_its_execution_failed_afterwards(source):
    assert judged(SUCCEEDED, SUCCEEDED, trigger=RollbackTrigger(source, "x", NOW), alive=False).action is Action.NOTHING


@pytest.mark.parametrize(
    ("found", "newest", "lock", "alive", "why"),
    [
        (IN_FLIGHT, IN_FLIGHT, BY_ANOTHER, True, "deployment d-2 holds the environment lock"),
        (IN_FLIGHT, IN_FLIGHT, BY_ANOTHER, False, "deployment d-2 holds the environment lock"),
        (IN_FLIGHT, IN_FLIGHT, BY_ROLLBACK, True, f"{EXECUTION} is already rolling it back"),
        (SUCCEEDED, LATER, FREE, False, "deployment d-2 shifted traffic later"),
        (replace(SUCCEEDED, outcome=DeploymentOutcome.REFUSED), IN_FLIGHT, FREE, False, "the deployment ended REFUSED"),
        (
            replace(SUCCEEDED, outcome=DeploymentOutcome.ROLLED_BACK),
            IN_FLIGHT,
            FREE,
            False,
            "the deployment ended ROLLED_BACK",
        ),
        (deployment(), deployment(), FREE, False, "the deployment had changed nothing yet"),
        (deployment(phase=DeploymentPhase.LOCKED), deployment(), HELD, True, "the deployment had changed nothing yet"),
    ],
)
def test_a_rollback_with_nothing_to_undo_says_why(found, newest, lock, alive, why):
    decision = judged(found, newest, lock, alive=alive)
    assert decision.action is Action.NOTHING
    assert decision.reason.startswith(why)


WAITING = replace(deployment(id="d-2", fencing_token=4), phase=DeploymentPhase.PAUSED, requested_at=NOW + seconds(60))


@pytest.mark.parametrize(
    ("holder", "lock", "gives"),
    [
        (WAITING, BY_ANOTHER, True),
        (replace(WAITING, outcome=DeploymentOutcome.NOTHING_TO_SHIP, ended_at=NOW), BY_ANOTHER, True),
        (replace(WAITING, shifts=(Shift(0, 10, NOW),)), BY_ANOTHER, False),
        (replace(WAITING, cutover=cut_over()), BY_ANOTHER, False),
        (WAITING, replace(BY_ANOTHER, kind=Kind.ROLLBACK), False),
        (None, replace(BY_ANOTHER, kind=Kind.RESTORE, deployment="dr-1"), False),
        (None, BY_ANOTHER, False),
        (replace(WAITING, id="d-3"), BY_ANOTHER, False),
    ],
    ids=["waits", "about to release it", "shifted", "cutover", "rollback", "restore", "no record", "another's record"],
)
@pytest.mark.parametrize("alive", [True, False])
def test_a_later_deployment_gives_way_to_the_rollback_of_an_earlier_one_until_it_moves_traffic(
    holder, lock, gives, alive
):
    assert gives_way(lock, holder) is gives
    decision = decide_rollback(SUCCEEDED, SUCCEEDED, lock, ALARM, holder_alive=alive, holder=holder)
    assert (decision.action is Action.REVERT) is gives
    assert takes_lock(SUCCEEDED, lock, decision, holder_alive=alive) is gives


def test_a_rollback_ends_what_held_the_lock_and_leaves_what_still_waits_for_it():
    refused = replace(WAITING, id="d-3", outcome=DeploymentOutcome.REFUSED, ended_at=NOW)
    planned = deployment(id="d-4")
    cut = replace(WAITING, id="d-5", cutover=cut_over())
    own = replace(SUCCEEDED, fencing_token=3, ended_at=None)
    assert ended_by_rollback((own, WAITING, refused, planned, cut), own) == (WAITING,)
    reason = reason_of_end(own, ALARM)
    assert "deployment d-1, on which it builds, had to be rolled back: token-server-errors fired" in reason


def test_a_refused_deployment_has_left_no_alias_moved():
    assert IN_FLIGHT.moved_traffic
    assert not replace(IN_FLIGHT, outcome=DeploymentOutcome.REFUSED).moved_traffic
    assert replace(deployment(), repair=True).moved_traffic


def test_an_older_deployment_that_shifted_is_no_hindrance():
    older = replace(LATER, requested_at=NOW - seconds(60))
    assert judged(newest=older).action is Action.REVERT


UNTOUCHED = deployment(phase=DeploymentPhase.LOCKED)


@pytest.mark.parametrize(
    ("found", "lock", "alive", "takes"),
    [
        (IN_FLIGHT, HELD, True, True),  # to restore
        (SUCCEEDED, FREE, False, True),  # to restore
        (UNTOUCHED, HELD, True, True),  # to stop it before it begins
        (UNTOUCHED, HELD, False, True),  # to give back what the dead one left
        (UNTOUCHED, BY_ROLLBACK, True, False),  # another rollback does that already
        (UNTOUCHED, BY_ROLLBACK, False, True),
        (replace(SUCCEEDED, outcome=DeploymentOutcome.ROLLED_BACK), HELD, False, True),
        (replace(SUCCEEDED, outcome=DeploymentOutcome.ROLLED_BACK), HELD, True, False),
        (IN_FLIGHT, BY_ANOTHER, False, False),  # another deployment's: its own rollback comes for it
        (deployment(), FREE, False, False),
    ],
)
def test_a_rollback_takes_the_lock_to_restore_and_to_tidy_up_after_its_own_deployment_only(found, lock, alive, takes):
    decision = judged(found, found, lock, alive=alive)
    assert takes_lock(found, lock, decision, holder_alive=alive) is takes


def test_a_deployment_stopped_before_it_began_is_refused_with_the_reason():
    decision = judged(UNTOUCHED, UNTOUCHED)
    ended = refused_deployment(UNTOUCHED, decision.reason, NOW)
    assert (ended.phase, ended.outcome, ended.ended_at) == (DeploymentPhase.ENDED, DeploymentOutcome.REFUSED, NOW)
    assert ended.reason == "the deployment had changed nothing yet: token-server-errors fired"


@pytest.mark.parametrize("source", sorted(INFRASTRUCTURE_SOURCES))
def test_a_verified_release_is_not_rolled_back_because_its_bookkeeping_failed(source):
    verified = replace(IN_FLIGHT, phase=DeploymentPhase.VERIFIED)
    decision = judged(verified, verified, trigger=RollbackTrigger(source, "Complete was throttled", NOW), alive=False)
    assert decision.action is Action.NOTHING
    assert takes_lock(verified, HELD, decision, holder_alive=False)
    assert closed_deployment(verified, decision.reason, NOW).outcome is DeploymentOutcome.SUCCEEDED


@pytest.mark.parametrize("trigger", [ALARM, RollbackTrigger("person", "asked", NOW)])
def test_a_verified_release_is_rolled_back_by_what_judges_it(trigger):
    verified = replace(IN_FLIGHT, phase=DeploymentPhase.VERIFIED)
    assert judged(verified, verified, trigger=trigger, alive=False).action is Action.REVERT


def test_a_deployment_that_is_closed_before_it_was_verified_is_refused():
    closed = closed_deployment(UNTOUCHED, "it died", NOW)
    assert (closed.outcome, closed.reason, closed.ended_at) == (DeploymentOutcome.REFUSED, "it died", NOW)


@pytest.mark.parametrize(
    ("trigger", "verdict", "bars"),
    [
        (ALARM, None, True),
        (RollbackTrigger(PERSON, "asked", NOW), None, True),
        (RollbackTrigger(VERDICT, "12 of 12 failed", NOW), Verdict.failed("12 of 12"), True),
        (RollbackTrigger(VERDICT, "too few", NOW), Verdict.inconclusive("too few"), True),
        (RollbackTrigger(VERDICT, "an operator aborted it", NOW), None, True),
        (RollbackTrigger(VERDICT, "the probe was throttled", NOW), Verdict.error("throttled"), False),
        (RollbackTrigger(TASK_ERROR, "throttled", NOW), Verdict.failed("an earlier one"), False),
        (DIED, None, False),
    ],
)
def test_what_our_own_failure_undid_is_not_barred(trigger, verdict, bars):
    assert bars_release(IN_FLIGHT, trigger, verdict) is bars


ABORT = RollbackTrigger(PERSON, f"{ABORTED_BY} ann", NOW)
OPERATOR = RollbackTrigger(PERSON, "logins fail (by ann)", NOW)
UNPASSED, PASSED = GateRecord(0, NOW), GateRecord(0, NOW, NOW, "its window is open")


@pytest.mark.parametrize(
    ("gates", "trigger", "bars"),
    [
        ((UNPASSED,), ABORT, False),
        ((PASSED, replace(UNPASSED, gate=1)), ABORT, False),
        ((UNPASSED,), OPERATOR, True),
        ((UNPASSED,), ALARM, True),
        ((replace(UNPASSED, failed=True),), ABORT, True),
        ((PASSED,), ABORT, True),
        ((), ABORT, True),
    ],
)
def test_an_abort_of_a_wait_at_a_gate_says_nothing_about_the_release(gates, trigger, bars):
    for shifts in ((), IN_FLIGHT.shifts):
        assert bars_release(replace(IN_FLIGHT, gates=gates, shifts=shifts), trigger, None) is bars


def test_a_repair_bars_no_release():
    assert not bars_release(replace(IN_FLIGHT, repair=True), RollbackTrigger(PERSON, "asked", NOW), None)


def test_a_missing_target_is_refused_with_both_ways_out():
    assert refuse_missing_targets((), "prod") is None
    with pytest.raises(Refused) as refused:
        refuse_missing_targets(("ib-oauth-token-prod:26",), "prod")
    assert refused.value.value == "ib-oauth-token-prod:26"
    assert "no alias is moved" in refused.value.remedy
    assert "`orchestrator rollback --to VERSIONS --env prod`" in refused.value.remedy
    assert "kept assembly" in refused.value.remedy


def test_the_cause_is_the_first_judgement_on_the_release_and_otherwise_the_first_mishap():
    error, person = RollbackTrigger(TASK_ERROR, "timeout", NOW), RollbackTrigger("person", "asked", NOW)
    assert cause_among([]) is None
    assert cause_among([DIED, error]) == DIED
    assert cause_among([DIED, error, ALARM, person]) == ALARM


def test_a_step_that_was_left_behind_is_not_set_again():
    gone_on = replace(IN_FLIGHT, shifts=(Shift(0, 10, NOW), Shift(1, 50, NOW)))
    with pytest.raises(AliasConflict, match="is already at step 1"):
        refuse_outdated_step(gone_on, 0)


@pytest.mark.parametrize(("found", "step"), [(IN_FLIGHT, 0), (IN_FLIGHT, 1), (deployment(), 0)])
def test_a_step_that_comes_next_or_is_looked_at_again_may_be_set(found, step):
    assert refuse_outdated_step(found, step) is None


def test_tables_that_are_in_use_are_not_left_by_a_rollback_which_would_lose_what_was_written():
    cut = replace(SUCCEEDED, cutover=cut_over())
    for trigger in (ALARM, RollbackTrigger("person", "asked", NOW)):
        decision = judged(cut, cut, FREE, trigger, alive=False)
        assert decision.action is Action.NOTHING
        assert "`orchestrator failback re-1` keeps them" in decision.reason


def test_a_cut_over_that_fails_in_flight_is_rolled_back_and_the_tables_are_opened_again():
    cut = replace(IN_FLIGHT, cutover=cut_over())
    decision = judged(cut, cut)
    assert decision.action is Action.REVERT
    assert after_revert(cut, decision) == replace(decision, action=Action.UNBLOCK)
    assert after_revert(IN_FLIGHT, decision) == decision
