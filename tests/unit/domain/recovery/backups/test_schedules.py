"""Schedules of drills by kind of backup: what is read, what is refused, and what they cost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection, exports_of
from orchestrator.domain.recovery.backups.schedules import DrillSchedule, read_drills, refuse_costly_drills
from orchestrator.domain.schema import Findings, SettingsReader
from tests.samples import NOW

WEEKLY = {"schedule": "cron(30 5 ? * SUN *)", "select": "random", "success_within_hours": 361}


def read(**kinds):
    return read_drills(SettingsReader("recovery.drills", kinds, Refused))


def test_a_kind_has_a_schedule_a_selection_and_a_time_until_it_is_overdue():
    expected = DrillSchedule(BackupKind.VAULT, "cron(30 5 ? * SUN *)", Selection.RANDOM, timedelta(hours=361))
    assert read(vault=WEEKLY) == {BackupKind.VAULT: expected}
    assert read() == {}
    assert expected.per_month(NOW) == pytest.approx(52 / 12)


@pytest.mark.parametrize(
    ("kinds", "field", "remedy"),
    [
        ({"tape": WEEKLY}, "tape", "name one of backup, vault, copy"),
        ({"pitr": WEEKLY}, "pitr", "`drill_schedule` is that of point-in-time recovery"),
        ({"vault": {**WEEKLY, "schedule": "daily"}}, "vault.schedule", "give a schedule such as"),
        ({"vault": {**WEEKLY, "schedule": 5}}, "vault.schedule", "give a schedule such as"),
        ({"vault": {**WEEKLY, "schedule": "cron(0 25 * * ? *)"}}, "vault.schedule", "25 is none of 0 to 23"),
        ({"vault": {"select": "random", "success_within_hours": 1}}, "vault.schedule", "give a schedule such as"),
        ({"vault": {**WEEKLY, "select": "newest"}}, "vault.select", "latest"),
        ({"vault": {**WEEKLY, "success_within_hours": 0}}, "vault.success_within_hours", "from 1 to 8784"),
        ({"vault": {**WEEKLY, "colour": "red"}}, "vault.colour", "remove it"),
    ],
)
def test_what_makes_no_sense_is_refused_by_key_and_remedy(kinds, field, remedy):
    with pytest.raises(Refused) as caught:
        read(**kinds)
    assert caught.value.field == f"recovery.drills.{field}"
    assert remedy in caught.value.remedy


def test_all_findings_are_collected():
    findings = Findings()
    kinds = {"tape": WEEKLY, "vault": {**WEEKLY, "schedule": "daily"}, "copy": WEEKLY}
    found = read_drills(SettingsReader("recovery.drills", kinds, Refused, findings))
    assert [error.field for error in findings.errors] == ["recovery.drills.tape", "recovery.drills.vault.schedule"]
    assert set(found) == {BackupKind.VAULT, BackupKind.COPY}


def test_drills_of_a_month_are_capped_with_the_part_of_each_kind():
    schedules = [
        DrillSchedule(BackupKind.PITR, "rate(1 day)", Selection.LATEST, timedelta(hours=49)),
        *read(vault=WEEKLY, backup={**WEEKLY, "schedule": "rate(1 day)"}).values(),
    ]
    usd = {BackupKind.PITR: 0.5, BackupKind.VAULT: 2.0, BackupKind.BACKUP: 1.0}
    refuse_costly_drills(schedules, usd, 54.3, NOW)
    with pytest.raises(Refused) as caught:
        refuse_costly_drills(schedules, usd, 54.2, NOW)
    assert caught.value.field == "recovery.max_monthly_usd"
    assert "54.29 US dollars a month (pitr 15.21, vault 8.67, backup 30.42)" in caught.value.remedy


def test_a_backup_may_be_compared_with_two_exports_of_each_table_and_a_point_with_one():
    assert {kind: exports_of(kind) for kind in BackupKind} == {"pitr": 1, "backup": 2, "vault": 2, "copy": 2}
