"""The ledger's recoveries, over the fake table and over moto, under claims that do not meet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.aws.ledger.records import Recoveries
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import LockLost, Refused
from orchestrator.domain.recovery.record import CheckResult
from orchestrator.domain.verdict import Verdict
from tests.samples import EXECUTION, NOW, recovery, seconds

DRILL = EXECUTION.replace("deployment", "drill")
RECOVERY = recovery()


@pytest.fixture
def drills(ledger) -> Recoveries:
    return Recoveries(ledger._client, ledger._table, Kind.DRILL)


@pytest.fixture
def restores(ledger) -> Recoveries:
    return Recoveries(ledger._client, ledger._table, Kind.RESTORE)


def test_a_drills_lock_is_not_the_environments(ledger, drills):
    ledger.acquire_lock(ledger.read_lock(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    taken = drills.acquire_lock(drills.read_lock(), DRILL, RECOVERY.id, Kind.DRILL, NOW)
    assert (taken.fencing_token, ledger.read_lock().execution, drills.read_lock().execution) == (1, EXECUTION, DRILL)


def test_a_restores_lock_is_the_environments(ledger, restores):
    restores.acquire_lock(restores.read_lock(), DRILL, RECOVERY.id, Kind.RESTORE, NOW)
    assert ledger.read_lock().kind is Kind.RESTORE


def test_a_recovery_comes_back_as_it_was_kept(drills):
    found = RECOVERY.with_check_results(CheckResult("restore.state", Verdict.passed("restored"), {"items": 3}))
    drills.create_record(found)
    assert drills.find_record(found.id) == drills.read_record(found.id) == found


def test_a_recovery_that_was_opened_before_stands(drills):
    drills.create_record(RECOVERY)
    assert drills.create_record(replace(RECOVERY, requested_by="somebody else")) == RECOVERY


def test_one_that_there_is_not_is_refused_with_where_to_look(drills):
    assert drills.find_record("dr-none") is None
    with pytest.raises(Refused, match="name one that `orchestrator history` lists"):
        drills.read_record("dr-none")


def test_the_newest_come_first(drills):
    for number in range(3):
        drills.create_record(replace(RECOVERY, id=f"dr-{number}", requested_at=NOW + seconds(number)))
    assert [one.id for one in drills.newest_records(2)] == ["dr-2", "dr-1"]


def test_a_drill_that_lost_the_lock_keeps_nothing(drills):
    drills.create_record(RECOVERY)
    first = drills.acquire_lock(drills.read_lock(), DRILL, RECOVERY.id, Kind.DRILL, NOW)
    second = drills.acquire_lock(drills.read_lock(), f"{DRILL}-2", RECOVERY.id, Kind.DRILL, NOW)
    drills.save_record(replace(RECOVERY, reason="second"), second.fencing_token)
    with pytest.raises(LockLost):
        drills.save_record(replace(RECOVERY, reason="first"), first.fencing_token)
    assert drills.read_record(RECOVERY.id).reason == "second"


def test_one_that_never_got_its_lock_is_completed_all_the_same(drills):
    drills.create_record(RECOVERY)
    drills.save_unlocked(replace(RECOVERY, reason="refused"))
    assert drills.read_record(RECOVERY.id).reason == "refused"


def test_why_there_is_no_plan_is_kept(drills):
    assert drills.read_refusal("dr-9") is None
    why = EventRecord("dr-9", NOW, "request", "dr-9", acted=False, why="too dear", deployment="dr-9")
    drills.record_refusal(why)
    assert drills.read_refusal("dr-9") == why
