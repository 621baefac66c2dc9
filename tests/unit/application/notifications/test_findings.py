"""Findings over the ledger and the bus: each owner gets each message once, and a bus that fails loses none."""

from __future__ import annotations

import pytest

from orchestrator.application.notifications.findings import attend_findings, change_findings
from orchestrator.domain.errors import Throttled
from orchestrator.domain.findings.register import REMIND_EVERY, after_compliance
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.notification_queue import MovableClock
from tests.unit.application.incidents.test_incident_log import FailingEvents
from tests.unit.domain.findings.test_register import compliance


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def events():
    return FailingEvents()


@pytest.fixture
def cloud(clock, events):
    clients = {"dynamodb": FakeDynamoDB(), "events": events, "lambda": LambdaControlPlane()}
    return cloud_over(clients, clock.now, SETTINGS)


def report(cloud, failing):
    change_findings(cloud, lambda register: after_compliance(register, compliance(cloud.now(), failing=failing)))


def test_a_kept_report_is_announced_within_the_next_minute_and_reminded_of_after_a_day(cloud, clock, events):
    assert attend_findings(cloud) == ""
    report(cloud, 2)
    for _ in range(3):
        assert attend_findings(cloud) == ""
    clock.advance(REMIND_EVERY.total_seconds())
    attend_findings(cloud)
    assert [(kind, detail["new"], detail["number"]) for kind, detail in events.put] == [
        ("FindingsReported", 2, 1),
        ("FindingsReported", 0, 2),
    ]


def test_a_bus_that_is_down_is_reported_and_loses_no_message(cloud, events):
    report(cloud, 1)
    events.down = True
    assert "the bus is down" in attend_findings(cloud)
    events.down = False
    assert attend_findings(cloud) == ""
    assert len(events.put) == 1


def test_a_report_that_is_kept_meanwhile_is_not_overwritten(cloud, events):
    report(cloud, 1)
    write, other = cloud.findings.write_register, []

    def interrupted(register):
        if not other:
            other.append(True)
            report(cloud, 2)
        return write(register)

    cloud.findings.write_register = interrupted
    assert attend_findings(cloud) == ""
    assert len(cloud.findings.read_register().findings) == 2
    assert [detail["open"] for _, detail in events.put] == [1, 2]


def test_a_writer_that_is_always_slower_gives_up(cloud, monkeypatch):
    monkeypatch.setattr(cloud.findings, "write_register", lambda _: False)
    with pytest.raises(Throttled, match="other writers were always faster"):
        report(cloud, 1)
