"""The ledger's recoveries, over the fake table and over moto, under claims that do not meet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.aws.recovery_ledger import Recoveries
from orchestrator.domain.errors import ClaimLost, Refused
from orchestrator.domain.records import Kind, Signal
from orchestrator.domain.recovery import Finding
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


def test_a_drills_claim_is_not_the_environments(ledger, drills):
    ledger.take_claim(ledger.claim(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    taken = drills.take_claim(drills.claim(), DRILL, RECOVERY.id, Kind.DRILL, NOW)
    assert (taken.epoch, ledger.claim().execution, drills.claim().execution) == (1, EXECUTION, DRILL)


def test_a_restores_claim_is_the_environments(ledger, restores):
    restores.take_claim(restores.claim(), DRILL, RECOVERY.id, Kind.RESTORE, NOW)
    assert ledger.claim().kind is Kind.RESTORE


def test_a_recovery_comes_back_as_it_was_kept(drills):
    found = RECOVERY.found(Finding("restore.state", Verdict.passed("restored"), {"items": 3}))
    drills.open(found)
    assert drills.find(found.id) == drills.read(found.id) == found


def test_a_recovery_that_was_opened_before_stands(drills):
    drills.open(RECOVERY)
    assert drills.open(replace(RECOVERY, requested_by="somebody else")) == RECOVERY


def test_one_that_there_is_not_is_refused_with_where_to_look(drills):
    assert drills.find("dr-none") is None
    with pytest.raises(Refused, match="name one that `orchestrator history` lists"):
        drills.read("dr-none")


def test_the_newest_come_first(drills):
    for number in range(3):
        drills.open(replace(RECOVERY, id=f"dr-{number}", requested_at=NOW + seconds(number)))
    assert [one.id for one in drills.newest(2)] == ["dr-2", "dr-1"]


def test_whoever_lost_the_claim_keeps_nothing(drills):
    drills.open(RECOVERY)
    first = drills.take_claim(drills.claim(), DRILL, RECOVERY.id, Kind.DRILL, NOW)
    second = drills.take_claim(drills.claim(), f"{DRILL}-2", RECOVERY.id, Kind.DRILL, NOW)
    drills.keep(replace(RECOVERY, reason="second"), second.epoch)
    with pytest.raises(ClaimLost):
        drills.keep(replace(RECOVERY, reason="first"), first.epoch)
    assert drills.read(RECOVERY.id).reason == "second"


def test_one_that_never_got_its_claim_is_completed_all_the_same(drills):
    drills.open(RECOVERY)
    drills.keep_unclaimed(replace(RECOVERY, reason="refused"))
    assert drills.read(RECOVERY.id).reason == "refused"


def test_why_there_is_no_plan_is_kept(drills):
    assert drills.refusal("dr-9") is None
    why = Signal("dr-9", NOW, "request", "dr-9", acted=False, why="too dear", deployment="dr-9")
    drills.refuse(why)
    assert drills.refusal("dr-9") == why
