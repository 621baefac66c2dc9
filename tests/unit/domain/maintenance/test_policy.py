"""The settings of maintenance."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance.policy import MaintenancePolicy, read_policy
from orchestrator.domain.schema import SettingsReader


def read(**table):
    return read_policy(SettingsReader("prod", table))


def test_without_settings_a_window_has_eight_hours_and_three_days_of_notice():
    assert read() == read(maintenance={}) == MaintenancePolicy(8, 72)
    assert (read().longest, read().notice) == (timedelta(hours=8), timedelta(days=3))


def test_both_are_settings():
    assert read(maintenance={"max_hours": 12, "notice_hours": 0}) == MaintenancePolicy(12, 0)


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"max_hours": 13}, "max_hours"),
        ({"max_hours": True}, "max_hours"),
        ({"notice_hours": -1}, "notice_hours"),
        ({"notice": 1}, "notice"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(table, field):
    with pytest.raises(Refused, match=f"prod.maintenance.{field}: "):
        read(maintenance=table)
