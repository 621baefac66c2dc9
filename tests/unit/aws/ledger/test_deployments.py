"""The ledger's promises, over the fake table and over moto's: what they agree on is what the fake is trusted with."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.ledger.deployments import Ledger
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.gates import Approval, GateRecord
from orchestrator.domain.deployment.hooks import HookCall
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    EventRecord,
    OperatorCommand,
    PauseToken,
    RollbackTrigger,
)
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import LockLost, Refused, Throttled
from orchestrator.domain.hash_chain import GENESIS_HASH, first_broken_index
from orchestrator.domain.rollback.incident import Incident
from tests.fakes.errors import client_error
from tests.samples import EXECUTION, NOW, deployment, seconds

OTHER = EXECUTION.replace("d-1", "d-2")
DEPLOYMENT = deployment()


def entry(state: str = "AnalyzeCanary", entered: str = "t1", action: Action = Action.BAKE) -> DecisionEntry:
    return DecisionEntry("d-1", 0, NOW, state, entered, Decision(action, 0, 1, 10, "fine"))


@pytest.fixture
def claimed(ledger):
    """The ledger with a deployment that holds the lock under epoch 1."""
    ledger.create_record(DEPLOYMENT)
    ledger.acquire_lock(ledger.read_lock(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    return ledger


def overlap(ledger, monkeypatch, other: DecisionEntry) -> None:
    """Have another invocation append its decision between this one's read of the chain and its write."""
    read = ledger._last_decision

    def read_and_be_overtaken(deployment_id):
        last = read(deployment_id)
        monkeypatch.setattr(ledger, "_last_decision", read)
        ledger.append_decision(other, DEPLOYMENT, 1)
        return last

    monkeypatch.setattr(ledger, "_last_decision", read_and_be_overtaken)


class TestOverlappingInvocations:
    @pytest.mark.parametrize("earlier", [False, True])
    def test_of_one_entry_of_a_state_make_one_decision_the_first_one(self, claimed, monkeypatch, earlier):
        if earlier:
            claimed.append_decision(entry("ShiftTraffic", "t0"), DEPLOYMENT, 1)
        overlap(claimed, monkeypatch, entry(action=Action.ROLL_BACK))
        found = claimed.append_decision(entry(action=Action.BAKE), DEPLOYMENT, 1)
        assert (found.decision.action, found.number) == (Action.ROLL_BACK, 1 + earlier)
        assert claimed.read_decisions("d-1")[-1] == found
        assert len(claimed.read_decisions("d-1")) == 1 + earlier

    @pytest.mark.parametrize("other", [entry("Pause", "t1"), entry(entered="t0")])
    def test_of_two_entries_are_retried_and_both_are_in_the_chain(self, claimed, monkeypatch, other):
        overlap(claimed, monkeypatch, other)
        with pytest.raises(Throttled, match="another decision of d-1 was appended at the same time"):
            claimed.append_decision(entry(), DEPLOYMENT, 1)
        claimed.append_decision(entry(), DEPLOYMENT, 1)
        assert [one.number for one in claimed.read_decisions("d-1")] == [1, 2]
        assert first_broken_index(claimed.read_decision_bodies("d-1")) is None


class TestTheLock:
    def test_is_free_at_first(self, ledger):
        assert ledger.read_lock() == EnvironmentLock(fencing_token=0)

    def test_is_taken_under_the_next_epoch(self, ledger):
        taken = ledger.acquire_lock(ledger.read_lock(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
        assert taken == ledger.read_lock() == EnvironmentLock(1, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)

    def test_is_not_taken_by_one_who_saw_it_before_another_took_it(self, ledger):
        seen = ledger.read_lock()
        ledger.acquire_lock(seen, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
        with pytest.raises(LockLost, match=f"acquired by {EXECUTION} with fencing token 1"):
            ledger.acquire_lock(seen, OTHER, "d-2", Kind.DEPLOYMENT, NOW)
        assert ledger.read_lock().execution == EXECUTION

    def test_taken_again_after_a_lost_response_is_the_same_lock(self, ledger):
        seen = ledger.read_lock()
        first = ledger.acquire_lock(seen, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
        assert ledger.acquire_lock(seen, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW + seconds(1)) == first

    def test_is_taken_over_from_its_holder(self, claimed):
        taken = claimed.acquire_lock(claimed.read_lock(), OTHER, "d-1", Kind.ROLLBACK, NOW)
        assert (taken.fencing_token, taken.execution, taken.kind) == (2, OTHER, Kind.ROLLBACK)

    def test_once_released_is_free(self, claimed):
        claimed.release_lock(1)
        assert not claimed.read_lock().held

    def test_once_released_fences_its_former_holder(self, claimed):
        claimed.release_lock(1)
        with pytest.raises(LockLost):
            claimed.check_lock(1)
        with pytest.raises(LockLost):
            claimed.save_record(DEPLOYMENT, 1)

    def test_released_twice_after_a_lost_response_stays_released(self, claimed):
        claimed.release_lock(1)
        released = claimed.read_lock()
        claimed.release_lock(1)
        assert claimed.read_lock() == released

    def test_is_not_released_by_one_who_lost_it(self, claimed):
        taken = claimed.acquire_lock(claimed.read_lock(), OTHER, "d-1", Kind.ROLLBACK, NOW)
        claimed.release_lock(1)
        assert claimed.read_lock() == taken

    def test_once_released_is_taken_under_a_higher_epoch_still(self, claimed):
        claimed.release_lock(1)
        assert claimed.acquire_lock(claimed.read_lock(), OTHER, "d-2", Kind.DEPLOYMENT, NOW).fencing_token > 1

    def test_is_checked_by_its_epoch(self, claimed):
        claimed.check_lock(1)
        claimed.fence(1)()
        with pytest.raises(LockLost, match=f"token 2 lost the environment lock to {EXECUTION} with fencing token 1"):
            claimed.fence(2)()


class TestADeployment:
    def test_is_kept_and_found(self, ledger):
        assert ledger.find_record("d-1") is None
        assert ledger.create_record(DEPLOYMENT) == DEPLOYMENT
        assert ledger.read_record("d-1") == ledger.find_record("d-1") == DEPLOYMENT

    def test_that_is_unknown_is_refused(self, ledger):
        with pytest.raises(Refused, match="orchestrator history"):
            ledger.read_record("d-9")

    def test_opened_again_by_a_retry_stays_as_it_was(self, ledger):
        ledger.create_record(DEPLOYMENT)
        assert ledger.create_record(replace(DEPLOYMENT, requested_by="a retry")) == DEPLOYMENT
        assert len(ledger.newest_records(10)) == 1

    def test_is_listed_newest_first(self, ledger):
        for number in range(3):
            ledger.create_record(deployment(id=f"d-{number}", requested_at=NOW + seconds(number)))
        assert [found.id for found in ledger.newest_records(2)] == ["d-2", "d-1"]

    def test_are_listed_from_a_time_on(self, ledger):
        for number in range(1, 4):
            ledger.create_record(replace(DEPLOYMENT, id=f"d-{number}", requested_at=NOW + seconds(number)))
        assert ledger.ids_since(NOW + seconds(2)) == ["d-3", "d-2"]
        assert ledger.ids_since(NOW + seconds(4)) == []

    def test_are_listed_between_two_times_that_count_both(self, ledger):
        for number in range(4):
            at = NOW + seconds(number / 2)
            ledger.create_record(replace(DEPLOYMENT, id=f"d-{number}", requested_at=at))
        assert [one.id for one in ledger.records_between(NOW + seconds(0.5), NOW + seconds(1))] == ["d-2", "d-1"]
        assert [one.id for one in ledger.records_between(NOW, NOW)] == ["d-0"]
        assert ledger.records_between(NOW + seconds(2), NOW + seconds(9)) == []

    def test_are_decoded_elsewhere_as_they_are_here(self, claimed):
        token = claimed.read_lock().fencing_token
        claimed.append_decision(entry(), DEPLOYMENT, token)
        claimed.record_command("d-1", OperatorCommand("resume", "ada", NOW))
        claimed.open_hook_call(DEPLOYMENT, HookCall("a"))
        claimed.add_trigger("d-1", RollbackTrigger("alarm", "5xx", NOW))
        stored = claimed.read_stored("d-1")
        assert msgspec.json.decode(stored.record, type=Deployment) == claimed.read_record("d-1")
        decoded = [msgspec.json.decode(one, type=DecisionEntry) for one in stored.decisions]
        assert decoded == claimed.read_decisions("d-1")
        with pytest.raises(Refused, match="no such deployment"):
            claimed.read_stored("d-9")

    @pytest.mark.parametrize("refused_since", [0, 1, 60])
    def test_is_found_however_many_were_refused_since(self, ledger, refused_since):
        ledger.create_record(DEPLOYMENT)
        for number in range(refused_since):
            ledger.create_record(deployment(id=f"d-no-{number}", requested_at=NOW + seconds(1 + number)))
        assert ledger.find_newest(lambda found: found.id == "d-1") == DEPLOYMENT
        assert ledger.find_newest(lambda found: found.repair) is None

    def test_are_the_same_when_they_are_read_in_batches(self, ledger):
        for number in range(108):
            ledger.create_record(replace(DEPLOYMENT, id=f"d-{number}", requested_at=NOW + seconds(number)))
        one_by_one = ledger.newest_records(107)
        ledger.reads_in_batches = True
        assert ledger.newest_records(107) == one_by_one
        assert [one.id for one in one_by_one[:2]] == ["d-107", "d-106"]
        assert [one.id for one in ledger.records_between(NOW, NOW + seconds(1))] == ["d-1", "d-0"]
        assert ledger.find_newest(lambda found: found.id == "d-3") == ledger.read_record("d-3")
        assert ledger.find_newest(lambda found: found.repair) is None

    def test_that_is_missing_is_refused_when_it_is_read_in_a_batch(self, ledger, monkeypatch):
        ledger.create_record(DEPLOYMENT)
        monkeypatch.setattr(ledger, "_key", lambda name: f"other#{name}")
        ledger.reads_in_batches = True
        with pytest.raises(Refused, match="no such deployment"):
            ledger.newest_records(1)

    def test_has_the_targets_that_an_operator_chose_last(self, ledger):
        assert ledger.read_targets("d-1") == {}
        ledger.record_targets("d-1", {"token": "25"})
        ledger.record_targets("d-1", {"token": "26", "public": "14"})
        assert ledger.read_targets("d-1") == {"token": "26", "public": "14"}

    def test_is_written_back_by_who_holds_the_lock_and_by_no_other(self, claimed):
        claimed.save_record(replace(DEPLOYMENT, phase=DeploymentPhase.LOCKED), 1)
        with pytest.raises(LockLost, match="token 7 no longer holds the environment lock"):
            claimed.save_record(replace(DEPLOYMENT, phase=DeploymentPhase.PROMOTED), 7)
        assert claimed.read_record("d-1").phase is DeploymentPhase.LOCKED

    def test_that_never_had_the_lock_is_written_back_without_it(self, ledger):
        ledger.save_unlocked(replace(DEPLOYMENT, outcome=DeploymentOutcome.REFUSED))
        assert ledger.read_record("d-1").outcome is DeploymentOutcome.REFUSED


class TestDecisions:
    def test_are_chained_in_order(self, claimed):
        for number in range(12):
            claimed.append_decision(entry(entered=f"t{number}"), DEPLOYMENT, 1)
        chain = claimed.read_decisions("d-1")
        assert [one.number for one in chain] == list(range(1, 13))
        assert chain[0].previous_hash == GENESIS_HASH
        assert [one.previous_hash for one in chain[1:]] == [one.hash for one in chain[:-1]]
        assert first_broken_index(claimed.read_decision_bodies("d-1")) is None

    def test_and_their_deployment_are_kept_together_or_not_at_all(self, claimed):
        changed = replace(DEPLOYMENT, phase=DeploymentPhase.SHIFTING)
        with pytest.raises(LockLost):
            claimed.append_decision(entry(), changed, 2)
        assert claimed.read_decisions("d-1") == []
        assert claimed.read_record("d-1").phase is DeploymentPhase.PLANNED
        claimed.append_decision(entry(), changed, 1)
        assert claimed.read_record("d-1").phase is DeploymentPhase.SHIFTING

    def test_are_taken_once_however_often_a_state_is_tried(self, claimed):
        first = claimed.append_decision(entry(action=Action.PROMOTE), DEPLOYMENT, 1)
        again = claimed.append_decision(entry(action=Action.ROLL_BACK), DEPLOYMENT, 1)
        assert again == first
        assert len(claimed.read_decisions("d-1")) == 1

    def test_of_a_later_entry_into_the_same_state_are_decisions_of_their_own(self, claimed):
        claimed.append_decision(entry(entered="t1"), DEPLOYMENT, 1)
        claimed.append_decision(entry(entered="t2"), DEPLOYMENT, 1)
        assert len(claimed.read_decisions("d-1")) == 2

    def test_that_are_new_are_read_alone(self, claimed):
        made = [claimed.append_decision(entry(entered=f"t{number}"), DEPLOYMENT, 1) for number in range(3)]
        assert claimed.read_decisions_after("d-1", 0) == made
        assert claimed.read_decisions_after("d-1", 2) == made[2:]
        assert claimed.read_decisions_after("d-1", 3) == []

    def test_of_one_deployment_are_none_of_anothers(self, claimed):
        claimed.append_decision(entry(), DEPLOYMENT, 1)
        assert claimed.read_decisions("d-2") == []

    def test_that_were_changed_in_the_table_no_longer_chain(self, claimed):
        claimed.append_decision(entry(entered="t1"), DEPLOYMENT, 1)
        claimed.append_decision(entry(entered="t2"), DEPLOYMENT, 1)
        bodies = [dict(body) for body in claimed.read_decision_bodies("d-1")]
        bodies[0]["decision"] = {**bodies[0]["decision"], "reason": "nicer"}
        assert first_broken_index(bodies) == 0


class TestQueries:
    def test_triggers_are_kept_in_the_order_of_time(self, ledger):
        late, early = RollbackTrigger("person", "b", NOW + seconds(1)), RollbackTrigger("alarm", "a", NOW, "e-1")
        ledger.add_trigger("d-1", late)
        ledger.add_trigger("d-1", early)
        ledger.add_trigger("d-1", early)
        assert ledger.read_triggers("d-1") == [early, late]

    def test_a_later_ask_replaces_an_earlier(self, ledger):
        assert ledger.pending_command("d-1") is None
        ledger.record_command("d-1", OperatorCommand("promote", "ann", NOW))
        ledger.record_command("d-1", OperatorCommand("abort", "bob", NOW))
        assert ledger.pending_command("d-1") == OperatorCommand("abort", "bob", NOW)

    def test_a_hold_keeps_its_token_with_the_deployment(self, claimed):
        held = PauseToken("token", NOW, NOW + seconds(600), 0, 5, "too few")
        assert claimed.pause_token("d-1") is None
        claimed.record_pause(replace(DEPLOYMENT, phase=DeploymentPhase.PAUSED), held, 1)
        assert (claimed.pause_token("d-1"), claimed.read_record("d-1").phase) == (held, DeploymentPhase.PAUSED)
        with pytest.raises(LockLost):
            claimed.record_pause(DEPLOYMENT, replace(held, token="other"), 2)
        assert claimed.pause_token("d-1") == held

    def test_an_approval_is_kept_once_a_person_and_by_its_gate(self, ledger):
        first, other = Approval("ben", NOW), Approval("cleo", NOW + seconds(1))
        assert ledger.read_approvals("d-1", 0) == []
        assert ledger.record_approval("d-1", 0, first)
        assert not ledger.record_approval("d-1", 0, replace(first, at=NOW + seconds(9)))
        assert ledger.record_approval("d-1", 0, other)
        assert ledger.record_approval("d-1", 1, first)
        assert ledger.read_approvals("d-1", 0) == [first, other]
        assert ledger.read_approvals("d-1", 1) == [first]

    def test_a_question_keeps_its_first_token_and_the_next_gate_has_its_own(self, ledger):
        waiting = replace(DEPLOYMENT, gates=(GateRecord(0, NOW),))
        assert ledger.open_hook_call(waiting, HookCall("a")) == HookCall("a")
        assert ledger.open_hook_call(waiting, HookCall("b")) == HookCall("a")
        later = replace(waiting, gates=(*waiting.gates, GateRecord(1, NOW)))
        assert ledger.open_hook_call(later, HookCall("b")) == HookCall("b")

    def test_a_decision_is_found_by_the_entry_of_its_state_and_only_while_it_is_the_newest(self, claimed):
        assert claimed.decision_of("d-1", "AnalyzeCanary", "t1") is None
        made = claimed.append_decision(entry(), DEPLOYMENT, 1)
        assert claimed.decision_of("d-1", "AnalyzeCanary", "t1") == made
        assert claimed.decision_of("d-1", "AnalyzeCanary", "t2") is None
        claimed.append_decision(entry(entered="t2"), DEPLOYMENT, 1)
        assert claimed.decision_of("d-1", "AnalyzeCanary", "t1") is None

    def test_a_signal_is_kept_once_however_often_it_comes(self, ledger):
        signal = EventRecord("e-1", NOW, "alarm", "token-errors", acted=True, why="rang")
        assert ledger.record_event(signal)
        assert not ledger.record_event(replace(signal, acted=False, why="again"))
        later = replace(signal, id="e-2", at=NOW + seconds(1))
        assert ledger.record_event(later)
        assert ledger.read_events(10) == [later, signal]
        assert ledger.find_event(signal.id, signal.at) == signal
        assert ledger.find_event("another", signal.at) is None

    def test_signals_are_listed_between_two_times_that_count_both(self, ledger):
        signals = [
            EventRecord(f"e-{number}", NOW + seconds(number / 2), "alarm", "token-errors", acted=True, why="fired")
            for number in range(4)
        ]
        for signal in signals:
            ledger.record_event(signal)
        assert ledger.read_events_between(NOW + seconds(0.5), NOW + seconds(1)) == [signals[2], signals[1]]
        assert ledger.read_events_between(NOW, NOW) == [signals[0]]
        assert ledger.read_events_between(NOW + seconds(2), NOW + seconds(9)) == []

    def test_signals_are_read_over_more_than_one_page_of_dynamodb(self, ledger):
        """A page has at most 1 MB, whatever the limit is."""
        for number in range(60):
            at = NOW + seconds(number)
            ledger.record_event(EventRecord(f"e-{number}", at, "alarm", "n", acted=False, why="x" * 30_000))
        newest_first = [f"e-{number}" for number in reversed(range(60))]
        assert [one.id for one in ledger.read_events(55)] == newest_first[:55]
        assert [one.id for one in ledger.read_events_between(NOW, NOW + seconds(59))] == newest_first


class TestAnEnding:
    INCIDENT = Incident("i-d-1", "d-1", NOW, NOW, "alarm", (("requested", NOW),), {"exposed_seconds": 2.0})

    def test_by_rollback_keeps_incident_deployment_and_release_together(self, claimed):
        ended = replace(DEPLOYMENT, outcome=DeploymentOutcome.ROLLED_BACK)
        claimed.close_incident(self.INCIDENT, ended, 1)
        assert claimed.read_incident("i-d-1") == self.INCIDENT
        assert claimed.read_record("d-1").outcome is DeploymentOutcome.ROLLED_BACK
        assert claimed.rolled_back_by("sha256:a") == "d-1"

    def test_by_our_own_failure_bars_no_release(self, claimed):
        ended = replace(DEPLOYMENT, outcome=DeploymentOutcome.ROLLED_BACK)
        claimed.close_incident(self.INCIDENT, ended, 1, bars_release=False)
        assert claimed.read_record("d-1").outcome is DeploymentOutcome.ROLLED_BACK
        assert claimed.rolled_back_by("sha256:a") == ""

    def test_by_one_who_lost_the_lock_keeps_nothing(self, claimed):
        with pytest.raises(LockLost):
            claimed.close_incident(self.INCIDENT, replace(DEPLOYMENT, outcome=DeploymentOutcome.ROLLED_BACK), 2)
        assert claimed.read_incident("i-d-1") is None
        assert claimed.rolled_back_by("sha256:a") == ""


WRITES = {
    "take_claim": lambda ledger: ledger.acquire_lock(EnvironmentLock(0), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW),
    "release_claim": lambda ledger: ledger.release_lock(1),
    "open": lambda ledger: ledger.create_record(DEPLOYMENT),
    "keep": lambda ledger: ledger.save_record(DEPLOYMENT, 1),
    "signal": lambda ledger: ledger.record_event(EventRecord("e", NOW, "alarm", "n", acted=False, why="")),
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
def test_a_throttled_write_is_reported_as_such(write):
    with pytest.raises(Throttled):
        write(Ledger(_Refusing(client_error("ThrottlingException")), "ledger"))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_an_unexpected_error_is_left_as_it_is(write):
    with pytest.raises(ClientError, match="ValidationException"):
        write(Ledger(_Refusing(client_error("ValidationException")), "ledger"))


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_met_another_is_tried_again_and_no_lost_lock(code):
    cancelled = client_error("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": code}])
    with pytest.raises(Throttled):
        Ledger(_Refusing(cancelled), "ledger").save_record(DEPLOYMENT, 1)
    with pytest.raises(Throttled):
        Ledger(_Refusing(cancelled), "ledger").create_record(DEPLOYMENT)


def test_taking_the_lock_while_its_holder_writes_is_tried_again():
    with pytest.raises(Throttled):
        WRITES["take_claim"](Ledger(_Refusing(client_error("TransactionConflictException")), "ledger"))
