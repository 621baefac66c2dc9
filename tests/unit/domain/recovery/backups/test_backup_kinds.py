"""What a request of a drill may say about the backup that it restores."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.kinds import UNDETECTED, BackupKind, Selection
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Fault
from orchestrator.domain.recovery.request import (
    RecoveryRequest,
    read_recovery_request,
    refuse_drill_options,
    refuse_restore_options,
)
from tests.samples import recovery_table

POLICY = RecoveryPolicy.parse(recovery_table(inject_faults=True))


def read(**request):
    return read_recovery_request({"requested_by": "ann", **request}, POLICY, "test")


def refused(**request):
    with pytest.raises(Refused) as caught:
        read(**request)
    return caught.value


def test_without_a_choice_it_is_point_in_time_recovery_and_the_latest():
    request = read()
    assert (request.backup_kind, request.selection) == (BackupKind.PITR, Selection.LATEST)
    assert read(**{"from": "pitr", "select": "latest"}) == request


@pytest.mark.parametrize("select", sorted(Selection))
def test_one_of_dynamodb_s_own_backups_is_selected(select):
    request = read(**{"from": "backup", "select": select})
    assert (request.backup_kind, request.selection) == (BackupKind.BACKUP, Selection(select))


@pytest.mark.parametrize("value", ["tape", "", "BACKUP", 1, True, ["backup"], {}])
def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(value):
    error = refused(**{"from": value})
    assert (error.field, error.value) == ("from", value)
    assert "pitr, backup" in error.remedy


@pytest.mark.parametrize("value", ["newest", "", 3, False, []])
def test_a_selection_that_there_is_not_is_refused_with_those_that_there_are(value):
    error = refused(**{"from": "backup", "select": value})
    assert (error.field, error.value) == ("select", value)
    assert "latest, random, oldest" in error.remedy


def test_backups_are_selected_from_those_of_some_days():
    assert read(**{"from": "vault"}).within_days == 0
    assert read(**{"from": "vault", "select": "random", "within_days": 30}).within_days == 30


@pytest.mark.parametrize("value", [-1, 3651, 1.5, "x", True])
def test_days_that_are_none_are_refused(value):
    error = refused(**{"from": "vault", "within_days": value})
    assert (error.field, error.value) == ("within_days", value)


def test_point_in_time_recovery_has_no_backups_of_some_days():
    assert "drill_point_days" in refused(within_days=3).remedy


def test_point_in_time_recovery_has_no_oldest_backup():
    assert "--to" in refused(select="oldest").remedy


def test_a_drill_of_point_in_time_recovery_draws_its_point_and_a_restore_does_not():
    request = read(select="random")
    assert request.chooses_point
    with pytest.raises(Refused, match="only a drill draws its recovery point"):
        refuse_drill_options(request)
    assert not read(**{"from": "backup", "select": "random"}).chooses_point


def test_a_point_is_either_chosen_or_drawn():
    error = refused(select="random", to="2026-11-23T03:00:00Z")
    assert (error.field, error.value) == ("select", "random")
    assert read(to="2026-11-23T03:00:00Z").chooses_point
    assert not read().chooses_point


def test_a_backup_has_its_own_time():
    error = refused(**{"from": "backup", "to": "2026-11-23T03:00:00Z"})
    assert (error.field, "a backup has its own time" in error.remedy) == ("to", True)


@pytest.mark.parametrize("fault", sorted(Fault))
def test_a_fault_that_no_check_of_a_backup_detects_is_refused(fault):
    if fault in UNDETECTED:
        assert refused(**{"from": "backup", "fault": fault}).field == "fault"
    else:
        assert read(**{"from": "backup", "fault": fault}).fault == fault


def test_every_fault_that_is_refused_is_one():
    assert set(UNDETECTED) <= set(Fault)


def test_a_restore_selects_no_backup_and_a_drill_takes_no_name():
    with pytest.raises(Refused, match="only a drill selects backups"):
        refuse_drill_options(RecoveryRequest("ann", backup_kind=BackupKind.BACKUP))
    refuse_drill_options(RecoveryRequest("ann", backup="nightly"))
    with pytest.raises(Refused, match="--from backup"):
        refuse_restore_options(RecoveryRequest("ann", backup="nightly"))
