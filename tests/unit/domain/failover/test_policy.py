"""The settings of a failover."""

from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.policy import read_failover
from orchestrator.domain.schema import SettingsReader

SETTINGS = {
    "region": "us-east-2",
    "lease_seconds": 900,
    "oldest_copy_hours": 26,
    "approval": {"approvers": ["ann", "bob"], "quorum": 2, "deadline_seconds": 3600},
}


def read(**changes):
    return read_failover(SettingsReader("prod.failover", {**SETTINGS, **changes}))


def test_the_settings_are_read():
    policy = read()
    assert (policy.region, policy.lease, policy.oldest_copy) == (
        "us-east-2",
        timedelta(minutes=15),
        timedelta(hours=26),
    )
    assert (policy.gate.approvers, policy.gate.quorum) == (("ann", "bob"), 2)


def test_what_is_encoded_is_read_as_it_was():
    policy = read()
    assert read_failover(SettingsReader("failover", policy.encode())) == policy


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"region": "moon"}, "prod.failover.region"),
        ({"lease_seconds": 9}, "prod.failover.lease_seconds"),
        ({"oldest_copy_hours": 0}, "prod.failover.oldest_copy_hours"),
        ({"approval": {"approvers": [], "deadline_seconds": 60}}, "prod.failover.approval.approvers"),
        ({"other": 1}, "prod.failover.other"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_field(changes, field):
    with pytest.raises(Refused) as refused:
        read(**changes)
    assert refused.value.field == field
