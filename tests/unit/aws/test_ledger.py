"""The ledger's promises, over the fake table and over moto's: what they agree on is what the fake is trusted with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.ledger import Ledger
from orchestrator.domain.chain import START, broken_at
from orchestrator.domain.decision import Action, Decision
from orchestrator.domain.errors import ClaimLost, Refused, Throttled
from orchestrator.domain.records import (
    Ask,
    Claim,
    DecisionEntry,
    Ending,
    Held,
    Incident,
    Kind,
    Phase,
    Signal,
    Trigger,
)
from tests.fakes.errors import client_error
from tests.samples import EXECUTION, NOW, deployment, seconds

OTHER = EXECUTION.replace("d-1", "d-2")
DEPLOYMENT = deployment()


def entry(state: str = "Verify", entered: str = "t1", action: Action = Action.BAKE) -> DecisionEntry:
    return DecisionEntry("d-1", 0, NOW, state, entered, Decision(action, 0, 1, 10, "fine"))


@pytest.fixture
def claimed(ledger):
    """The ledger with a deployment that holds the claim under epoch 1."""
    ledger.open(DEPLOYMENT)
    ledger.take_claim(ledger.claim(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    return ledger


class TestTheClaim:
    def test_is_held_by_nobody_at_first(self, ledger):
        assert ledger.claim() == Claim(epoch=0)

    def test_is_taken_under_the_next_epoch(self, ledger):
        taken = ledger.take_claim(ledger.claim(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
        assert taken == ledger.claim() == Claim(1, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)

    def test_is_not_taken_by_one_who_saw_it_before_another_took_it(self, ledger):
        seen = ledger.claim()
        ledger.take_claim(seen, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
        with pytest.raises(ClaimLost, match=f"went to {EXECUTION} with epoch 1"):
            ledger.take_claim(seen, OTHER, "d-2", Kind.DEPLOYMENT, NOW)
        assert ledger.claim().execution == EXECUTION

    def test_taken_again_after_a_lost_response_is_the_same_claim(self, ledger):
        seen = ledger.claim()
        first = ledger.take_claim(seen, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
        assert ledger.take_claim(seen, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW + seconds(1)) == first

    def test_is_taken_over_from_its_holder(self, claimed):
        taken = claimed.take_claim(claimed.claim(), OTHER, "d-1", Kind.ROLLBACK, NOW)
        assert (taken.epoch, taken.execution, taken.kind) == (2, OTHER, Kind.ROLLBACK)

    def test_once_released_is_held_by_nobody(self, claimed):
        claimed.release_claim(1)
        assert not claimed.claim().held

    def test_once_released_fences_whoever_held_it(self, claimed):
        claimed.release_claim(1)
        with pytest.raises(ClaimLost):
            claimed.check_claim(1)
        with pytest.raises(ClaimLost):
            claimed.keep(DEPLOYMENT, 1)

    def test_released_twice_after_a_lost_response_stays_released(self, claimed):
        claimed.release_claim(1)
        released = claimed.claim()
        claimed.release_claim(1)
        assert claimed.claim() == released

    def test_is_not_released_by_one_who_lost_it(self, claimed):
        taken = claimed.take_claim(claimed.claim(), OTHER, "d-1", Kind.ROLLBACK, NOW)
        claimed.release_claim(1)
        assert claimed.claim() == taken

    def test_once_released_is_taken_under_a_higher_epoch_still(self, claimed):
        claimed.release_claim(1)
        assert claimed.take_claim(claimed.claim(), OTHER, "d-2", Kind.DEPLOYMENT, NOW).epoch > 1

    def test_is_checked_by_its_epoch(self, claimed):
        claimed.check_claim(1)
        claimed.fence(1)()
        with pytest.raises(ClaimLost, match=f"epoch 2 lost the claim to {EXECUTION} with epoch 1"):
            claimed.fence(2)()


class TestADeployment:
    def test_is_kept_and_found(self, ledger):
        assert ledger.find("d-1") is None
        assert ledger.open(DEPLOYMENT) == DEPLOYMENT
        assert ledger.read("d-1") == ledger.find("d-1") == DEPLOYMENT

    def test_that_is_unknown_is_refused(self, ledger):
        with pytest.raises(Refused, match="orchestrator history"):
            ledger.read("d-9")

    def test_opened_again_by_a_retry_stays_as_it_was(self, ledger):
        ledger.open(DEPLOYMENT)
        assert ledger.open(replace(DEPLOYMENT, requested_by="a retry")) == DEPLOYMENT
        assert len(ledger.newest(10)) == 1

    def test_is_listed_newest_first(self, ledger):
        for number in range(3):
            ledger.open(deployment(id=f"d-{number}", requested_at=NOW + seconds(number)))
        assert [found.id for found in ledger.newest(2)] == ["d-2", "d-1"]

    def test_is_written_back_by_who_holds_the_claim_and_by_nobody_else(self, claimed):
        claimed.keep(replace(DEPLOYMENT, phase=Phase.CLAIMED), 1)
        with pytest.raises(ClaimLost, match="epoch 7 no longer holds the claim"):
            claimed.keep(replace(DEPLOYMENT, phase=Phase.PROMOTED), 7)
        assert claimed.read("d-1").phase is Phase.CLAIMED

    def test_that_never_had_the_claim_is_written_back_without_it(self, ledger):
        ledger.keep_unclaimed(replace(DEPLOYMENT, ending=Ending.REFUSED))
        assert ledger.read("d-1").ending is Ending.REFUSED


class TestDecisions:
    def test_are_chained_in_order(self, claimed):
        for number in range(12):
            claimed.decide(entry(entered=f"t{number}"), DEPLOYMENT, 1)
        chain = claimed.decisions("d-1")
        assert [one.number for one in chain] == list(range(1, 13))
        assert chain[0].previous_hash == START
        assert [one.previous_hash for one in chain[1:]] == [one.hash for one in chain[:-1]]
        assert broken_at(claimed.decision_bodies("d-1")) is None

    def test_and_their_deployment_are_kept_together_or_not_at_all(self, claimed):
        changed = replace(DEPLOYMENT, phase=Phase.SHIFTING)
        with pytest.raises(ClaimLost):
            claimed.decide(entry(), changed, 2)
        assert claimed.decisions("d-1") == []
        assert claimed.read("d-1").phase is Phase.PLANNED
        claimed.decide(entry(), changed, 1)
        assert claimed.read("d-1").phase is Phase.SHIFTING

    def test_are_taken_once_however_often_a_state_is_tried(self, claimed):
        first = claimed.decide(entry(action=Action.PROMOTE), DEPLOYMENT, 1)
        again = claimed.decide(entry(action=Action.ROLL_BACK), DEPLOYMENT, 1)
        assert again == first
        assert len(claimed.decisions("d-1")) == 1

    def test_of_a_later_entry_into_the_same_state_are_decisions_of_their_own(self, claimed):
        claimed.decide(entry(entered="t1"), DEPLOYMENT, 1)
        claimed.decide(entry(entered="t2"), DEPLOYMENT, 1)
        assert len(claimed.decisions("d-1")) == 2

    def test_of_one_deployment_are_none_of_anothers(self, claimed):
        claimed.decide(entry(), DEPLOYMENT, 1)
        assert claimed.decisions("d-2") == []

    def test_that_somebody_changed_in_the_table_no_longer_chain(self, claimed):
        claimed.decide(entry(entered="t1"), DEPLOYMENT, 1)
        claimed.decide(entry(entered="t2"), DEPLOYMENT, 1)
        bodies = [dict(body) for body in claimed.decision_bodies("d-1")]
        bodies[0]["decision"] = {**bodies[0]["decision"], "reason": "nicer"}
        assert broken_at(bodies) == 0


class TestWhatIsAsked:
    def test_triggers_are_kept_in_the_order_of_time(self, ledger):
        late, early = Trigger("person", "b", NOW + seconds(1)), Trigger("alarm", "a", NOW, "e-1")
        ledger.add_trigger("d-1", late)
        ledger.add_trigger("d-1", early)
        ledger.add_trigger("d-1", early)
        assert ledger.triggers("d-1") == [early, late]

    def test_a_later_ask_replaces_an_earlier(self, ledger):
        assert ledger.asked("d-1") is None
        ledger.ask("d-1", Ask("promote", "ann", NOW))
        ledger.ask("d-1", Ask("abort", "bob", NOW))
        assert ledger.asked("d-1") == Ask("abort", "bob", NOW)

    def test_a_hold_keeps_its_token_with_the_deployment(self, claimed):
        held = Held("token", NOW, NOW + seconds(600), 0, 5, "too few")
        assert claimed.held("d-1") is None
        claimed.hold(replace(DEPLOYMENT, phase=Phase.HELD), held, 1)
        assert (claimed.held("d-1"), claimed.read("d-1").phase) == (held, Phase.HELD)
        with pytest.raises(ClaimLost):
            claimed.hold(DEPLOYMENT, replace(held, token="other"), 2)
        assert claimed.held("d-1") == held

    def test_a_signal_is_kept_once_however_often_it_comes(self, ledger):
        signal = Signal("e-1", NOW, "alarm", "token-errors", acted=True, why="rang")
        assert ledger.signal(signal)
        assert not ledger.signal(replace(signal, acted=False, why="again"))
        later = replace(signal, id="e-2", at=NOW + seconds(1))
        assert ledger.signal(later)
        assert ledger.signals(10) == [later, signal]


class TestAnEnding:
    INCIDENT = Incident("i-d-1", "d-1", NOW, NOW, "alarm", (("requested", NOW),), {"exposed_seconds": 2.0})

    def test_by_rollback_keeps_incident_deployment_and_release_together(self, claimed):
        ended = replace(DEPLOYMENT, ending=Ending.ROLLED_BACK)
        claimed.close_incident(self.INCIDENT, ended, 1)
        assert claimed.incident("i-d-1") == self.INCIDENT
        assert claimed.read("d-1").ending is Ending.ROLLED_BACK
        assert claimed.rolled_back_by("sha256:a") == "d-1"

    def test_by_one_who_lost_the_claim_keeps_nothing(self, claimed):
        with pytest.raises(ClaimLost):
            claimed.close_incident(self.INCIDENT, replace(DEPLOYMENT, ending=Ending.ROLLED_BACK), 2)
        assert claimed.incident("i-d-1") is None
        assert claimed.rolled_back_by("sha256:a") == ""


WRITES = {
    "take_claim": lambda ledger: ledger.take_claim(Claim(0), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW),
    "release_claim": lambda ledger: ledger.release_claim(1),
    "open": lambda ledger: ledger.open(DEPLOYMENT),
    "keep": lambda ledger: ledger.keep(DEPLOYMENT, 1),
    "signal": lambda ledger: ledger.signal(Signal("e", NOW, "alarm", "n", acted=False, why="")),
}


class _Refusing:
    """A client that refuses everything in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, operation):
        def refuse(**_arguments):
            raise self._error

        return refuse


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_throttled_write_is_told_as_such(write):
    with pytest.raises(Throttled):
        write(Ledger(_Refusing(client_error("ThrottlingException")), "ledger"))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_an_error_that_nobody_expected_is_left_as_it_is(write):
    with pytest.raises(ClientError, match="ValidationException"):
        write(Ledger(_Refusing(client_error("ValidationException")), "ledger"))


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_met_another_is_tried_again_and_no_lost_claim(code):
    cancelled = client_error("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": code}])
    with pytest.raises(Throttled):
        Ledger(_Refusing(cancelled), "ledger").keep(DEPLOYMENT, 1)
    with pytest.raises(Throttled):
        Ledger(_Refusing(cancelled), "ledger").open(DEPLOYMENT)


def test_taking_the_claim_while_its_holder_writes_is_tried_again():
    with pytest.raises(Throttled):
        WRITES["take_claim"](Ledger(_Refusing(client_error("TransactionConflictException")), "ledger"))
