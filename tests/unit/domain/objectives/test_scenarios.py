"""Scenarios: the name of a recovery's scenario, the objectives of the settings, and the runs of rehearsals."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.objectives.scenarios import (
    EARLIER_RUNS,
    REHEARSAL,
    earlier_runs,
    evidence_kind,
    read_rehearsals,
    run_as_json,
    run_of,
    scenario_name,
    scenario_of,
)
from orchestrator.domain.recovery.backups.kinds import BackupKind
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Fault, Measured, RecoveryOutcome
from tests.samples import NOW, recovery, recovery_table, seconds

RUN = {
    "started_at": "2026-11-30T06:00:00+00:00",
    "ended": "unaided",
    "problem": "",
    "recovery_seconds": 4.5,
    "loss_seconds": 0,
}


def ended(**changes):
    measured = Measured(recovery_time=seconds(60), data_loss=seconds(2))
    return replace(
        recovery(), **{"ended_at": NOW, "outcome": RecoveryOutcome.SUCCEEDED, "measured": measured, **changes}
    )


@pytest.mark.parametrize("backup", sorted(BackupKind))
def test_a_drill_is_named_by_what_it_restores(backup):
    assert scenario_name(Kind.DRILL, backup, None) == f"drill-{backup}"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "drill"),
        ({"backup_kind": BackupKind.VAULT}, "drill-vault"),
        ({"backup_kind": BackupKind.COPY}, "drill-copy"),
        ({"kind": Kind.RESTORE}, "restore"),
        ({"kind": Kind.RESTORE, "failback_of": "rs-1"}, "restore"),
    ],
)
def test_evidence_and_metrics_separate_drills_of_backups_from_those_of_a_point_in_time(changes, kind):
    assert evidence_kind(replace(recovery(), **changes)) == kind


def test_a_restore_and_its_failback_are_scenarios_of_their_own():
    assert scenario_name(Kind.RESTORE, BackupKind.PITR, None) == "restore"
    assert scenario_of(replace(recovery(), kind=Kind.RESTORE, failback_of="rs-1")) == "failback"


def test_a_recovery_that_ended_is_a_run_with_what_it_measured():
    run = run_of(ended())

    assert (run.scenario, run.id, run.succeeded) == ("drill-pitr", recovery().id, True)
    assert (run.recovery_time, run.data_loss) == (seconds(60), seconds(2))
    assert run_as_json(run)["recovery_seconds"] == 60
    assert run_as_json(replace(run, recovery_time=None, data_loss=None))["data_loss_seconds"] is None
    assert run_of(ended(outcome=RecoveryOutcome.FAILED)).succeeded is False


@pytest.mark.parametrize(
    "changes",
    [{"ended_at": None}, {"outcome": RecoveryOutcome.REFUSED}, {"fault": min(Fault)}],
    ids=["running", "refused", "with a fault"],
)
def test_what_does_not_show_how_we_recover_is_no_run(changes):
    assert run_of(ended(**changes)) is None


def test_earlier_runs_are_the_last_of_the_same_scenario_oldest_first():
    now = ended(id="dr-now", requested_at=NOW)
    before = [ended(id=f"dr-{age}", requested_at=NOW - timedelta(days=age)) for age in range(1, 14)]
    others = [
        ended(id="dr-later", requested_at=NOW + timedelta(days=1)),
        ended(id="dr-backup", requested_at=NOW - seconds(1), backup_kind=BackupKind.BACKUP),
        ended(id="dr-open", requested_at=NOW - seconds(1), ended_at=None),
    ]

    found = earlier_runs(now, [now, *before, *others])

    assert [run.id for run in found] == [f"dr-{age}" for age in range(EARLIER_RUNS, 0, -1)]


def policy(**scenarios):
    return RecoveryPolicy.parse({**recovery_table(), "scenarios": scenarios})


def test_a_scenario_has_its_own_objectives_and_others_have_the_environments():
    found = policy(**{"region-lost": {"rto_minutes": 240, "rpo_minutes": 0.5}})

    assert found.objectives_of("region-lost").recovery_time == timedelta(hours=4)
    assert found.objectives_of("region-lost").data_loss == seconds(30)
    assert found.objectives_of("restore") == found.objectives
    assert RecoveryPolicy.parse(recovery_table()).scenarios == {}


@pytest.mark.parametrize(
    ("scenarios", "field"),
    [
        ({"Region Lost": {"rto_minutes": 1, "rpo_minutes": 1}}, "recovery.scenarios.Region Lost"),
        ({"restore": {"rto_minutes": 1}}, "recovery.scenarios.restore.rpo_minutes"),
        ({"restore": {"rto_minutes": 0, "rpo_minutes": 1}}, "recovery.scenarios.restore.rto_minutes"),
        ({"restore": {"rto_minutes": 1, "rpo_minutes": 1, "rto": 1}}, "recovery.scenarios.restore.rto"),
        ({"restore": 5}, "recovery.scenarios.restore"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_field(scenarios, field):
    with pytest.raises(Refused) as refused:
        policy(**scenarios)

    assert refused.value.field == field


def test_a_record_of_rehearsals_is_read_as_runs():
    (run, other) = read_rehearsals(
        json.dumps({"region-lost": RUN, "ledger-lost": {**RUN, "ended": None, "recovery_seconds": None}}).encode()
    )

    assert (run.scenario, run.id, run.succeeded) == ("region-lost", REHEARSAL, True)
    assert (run.recovery_time, run.data_loss) == (seconds(4.5), seconds(0))
    assert (other.succeeded, other.recovery_time) == (False, None)
    assert read_rehearsals(json.dumps({"region-lost": {**RUN, "problem": "no alarm"}}).encode())[0].succeeded is False


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"region-lost": 1}',
        b'{"region-lost": {}}',
        json.dumps({"Region Lost": RUN}).encode(),
        json.dumps({"region-lost": {**RUN, "started_at": "2026-11-30T06:00:00"}}).encode(),
        json.dumps({"region-lost": {**RUN, "recovery_seconds": "4"}}).encode(),
        json.dumps({"region-lost": {**RUN, "recovery_seconds": 1e300}}).encode(),
    ],
)
def test_what_is_no_record_of_rehearsals_is_refused(text):
    with pytest.raises(Refused, match="give a record of rehearsals"):
        read_rehearsals(text)
