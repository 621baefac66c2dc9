from dataclasses import replace

import pytest

from orchestrator.domain.decision import Action
from orchestrator.domain.ending import refused
from orchestrator.domain.errors import AliasConflict
from orchestrator.domain.records import Claim, Ending, Kind, Phase, Shift, Trigger, refuse_late
from orchestrator.domain.rollback import (
    DEAD_EXECUTION,
    MISHAPS,
    TASK_ERROR,
    after_restoring,
    cause_among,
    judge_rollback,
    takes_claim,
)
from tests.samples import EXECUTION, NOW, cut_over, deployment, seconds

ALARM = Trigger("alarm", "token-server-errors rang", NOW)
DIED = Trigger(DEAD_EXECUTION, "it died", NOW)
IN_FLIGHT = deployment(phase=Phase.SHIFTING, shifts=(Shift(0, 10, NOW),))
SUCCEEDED = replace(IN_FLIGHT, phase=Phase.ENDED, ending=Ending.SUCCEEDED, ended_at=NOW)
LATER = replace(IN_FLIGHT, id="d-2", requested_at=NOW + seconds(60))
FREE, HELD = Claim(4), Claim(4, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
BY_ROLLBACK = replace(HELD, kind=Kind.ROLLBACK)
BY_ANOTHER = Claim(4, "another", "d-2", Kind.DEPLOYMENT, NOW)


def judged(found=IN_FLIGHT, newest=IN_FLIGHT, claim=HELD, trigger=ALARM, *, alive=True):
    return judge_rollback(found, newest, claim, trigger, holder_alive=alive)


@pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.PLANNED, Phase.CLAIMED, Phase.ENDED}))
@pytest.mark.parametrize("trigger", [ALARM, DIED])
@pytest.mark.parametrize("alive", [True, False])
def test_a_deployment_in_flight_is_undone(phase, trigger, alive):
    decision = judged(replace(IN_FLIGHT, phase=phase), trigger=trigger, alive=alive)
    assert (decision.action, decision.reason) == (Action.RESTORE, trigger.reason)


def test_a_rollback_that_died_is_done_again():
    assert judged(claim=BY_ROLLBACK, trigger=DIED, alive=False).action is Action.RESTORE


@pytest.mark.parametrize("claim", [FREE, HELD])
def test_a_deployment_that_succeeded_is_undone_by_an_alarm_or_a_person(claim):
    assert judged(SUCCEEDED, SUCCEEDED, claim, ALARM, alive=False).action is Action.RESTORE
    assert judged(SUCCEEDED, SUCCEEDED, claim, Trigger("person", "asked", NOW), alive=False).action is Action.RESTORE


@pytest.mark.parametrize("source", sorted(MISHAPS))
def test_a_deployment_that_succeeded_is_not_undone_because_its_execution_failed_afterwards(source):
    assert judged(SUCCEEDED, SUCCEEDED, trigger=Trigger(source, "x", NOW), alive=False).action is Action.NOTHING


@pytest.mark.parametrize(
    ("found", "newest", "claim", "alive", "why"),
    [
        (IN_FLIGHT, IN_FLIGHT, BY_ANOTHER, True, "deployment d-2 holds the claim"),
        (IN_FLIGHT, IN_FLIGHT, BY_ANOTHER, False, "deployment d-2 holds the claim"),
        (IN_FLIGHT, IN_FLIGHT, BY_ROLLBACK, True, f"{EXECUTION} rolls it back already"),
        (SUCCEEDED, LATER, FREE, False, "deployment d-2 shifted traffic since"),
        (replace(SUCCEEDED, ending=Ending.REFUSED), IN_FLIGHT, FREE, False, "the deployment ended REFUSED"),
        (replace(SUCCEEDED, ending=Ending.ROLLED_BACK), IN_FLIGHT, FREE, False, "the deployment ended ROLLED_BACK"),
        (deployment(), deployment(), FREE, False, "the deployment had touched nothing yet"),
        (deployment(phase=Phase.CLAIMED), deployment(), HELD, True, "the deployment had touched nothing yet"),
    ],
)
def test_a_rollback_with_nothing_to_undo_says_why(found, newest, claim, alive, why):
    decision = judged(found, newest, claim, alive=alive)
    assert decision.action is Action.NOTHING
    assert decision.reason.startswith(why)


def test_an_older_deployment_that_shifted_is_no_hindrance():
    older = replace(LATER, requested_at=NOW - seconds(60))
    assert judged(newest=older).action is Action.RESTORE


UNTOUCHED = deployment(phase=Phase.CLAIMED)


@pytest.mark.parametrize(
    ("found", "claim", "alive", "takes"),
    [
        (IN_FLIGHT, HELD, True, True),  # to restore
        (SUCCEEDED, FREE, False, True),  # to restore
        (UNTOUCHED, HELD, True, True),  # to stop it before it begins
        (UNTOUCHED, HELD, False, True),  # to give back what the dead one left
        (UNTOUCHED, BY_ROLLBACK, True, False),  # another rollback does that already
        (UNTOUCHED, BY_ROLLBACK, False, True),
        (replace(SUCCEEDED, ending=Ending.ROLLED_BACK), HELD, False, True),
        (replace(SUCCEEDED, ending=Ending.ROLLED_BACK), HELD, True, False),
        (IN_FLIGHT, BY_ANOTHER, False, False),  # another deployment's: its own rollback comes for it
        (deployment(), FREE, False, False),
    ],
)
def test_a_rollback_takes_the_claim_to_restore_and_to_tidy_up_after_its_own_deployment_only(found, claim, alive, takes):
    decision = judged(found, found, claim, alive=alive)
    assert takes_claim(found, claim, decision, holder_alive=alive) is takes


def test_a_deployment_stopped_before_it_began_is_refused_with_the_reason():
    decision = judged(UNTOUCHED, UNTOUCHED)
    ended = refused(UNTOUCHED, decision.reason, NOW)
    assert (ended.phase, ended.ending, ended.ended_at) == (Phase.ENDED, Ending.REFUSED, NOW)
    assert ended.reason == "the deployment had touched nothing yet: token-server-errors rang"


def test_the_cause_is_the_first_judgement_on_the_release_and_otherwise_the_first_mishap():
    error, person = Trigger(TASK_ERROR, "timeout", NOW), Trigger("person", "asked", NOW)
    assert cause_among([]) is None
    assert cause_among([DIED, error]) == DIED
    assert cause_among([DIED, error, ALARM, person]) == ALARM


def test_a_step_that_was_left_behind_is_not_set_again():
    gone_on = replace(IN_FLIGHT, shifts=(Shift(0, 10, NOW), Shift(1, 50, NOW)))
    with pytest.raises(AliasConflict, match="has gone on to step 1"):
        refuse_late(gone_on, 0)


@pytest.mark.parametrize(("found", "step"), [(IN_FLIGHT, 0), (IN_FLIGHT, 1), (deployment(), 0)])
def test_a_step_that_comes_next_or_is_looked_at_again_may_be_set(found, step):
    assert refuse_late(found, step) is None


def test_tables_that_are_in_use_are_not_left_by_a_rollback_which_would_lose_what_was_written():
    cut = replace(SUCCEEDED, cut_over=cut_over())
    for trigger in (ALARM, Trigger("person", "asked", NOW)):
        decision = judged(cut, cut, FREE, trigger, alive=False)
        assert decision.action is Action.NOTHING
        assert "`orchestrator restore --back re-1` takes that along" in decision.reason


def test_a_cut_over_that_fails_in_flight_is_undone_and_the_tables_are_opened_again():
    cut = replace(IN_FLIGHT, cut_over=cut_over())
    decision = judged(cut, cut)
    assert decision.action is Action.RESTORE
    assert after_restoring(cut, decision) == replace(decision, action=Action.REOPEN)
    assert after_restoring(IN_FLIGHT, decision) == decision
