"""What the ledger and CloudWatch recorded in the hours of an incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.application.incidents.facts import LONGEST, read_facts
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.incidents.timeline import Span
from tests.fakes.clouds import cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.samples import NOW, deployment, recovery

HOUR = timedelta(hours=1)
SPAN = Span(NOW - HOUR, NOW + HOUR)


@pytest.fixture
def cloud():
    return cloud_over({"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane()}, lambda: NOW)


def test_facts_are_what_was_under_way_and_what_happened_in_the_time(cloud):
    for name, begins, ends in (
        ("d-long", NOW - 5 * HOUR, NOW - 0.5 * HOUR),
        ("d-earlier", NOW - 5 * HOUR, NOW - 2 * HOUR),
        ("d-now", NOW, None),
        ("d-later", NOW + 2 * HOUR, None),
        ("d-old", NOW - 2 * LONGEST, None),
    ):
        cloud.ledger.create_record(replace(deployment(), id=name, requested_at=begins, ended_at=ends))
    drills = cloud.recoveries(Kind.DRILL)
    drills.create_record(replace(recovery(), id="dr-now", requested_at=NOW, ended_at=None))
    drills.create_record(replace(recovery(), id="dr-earlier", requested_at=NOW - 3 * HOUR, ended_at=NOW - 2 * HOUR))
    for name, at in (("in", NOW), ("before", NOW - 2 * HOUR), ("after", NOW + 2 * HOUR)):
        cloud.ledger.record_event(EventRecord(name, at, "alarm", name, acted=False, why=""))
    facts = read_facts(cloud, SPAN)
    assert [one.id for one in facts.deployments] == ["d-now", "d-long"]
    assert set(facts.decisions) == {"d-now", "d-long"}
    assert [one.id for one in facts.recoveries] == ["dr-now"]
    assert [one.id for one in facts.events] == ["in"]


def test_what_happened_in_the_time_is_found_whatever_was_recorded_since(cloud):
    """Three weeks of a busy environment: more records and events than any page of a list has."""
    rolled_back = replace(deployment(), id="d-in", requested_at=NOW, ended_at=NOW + 0.5 * HOUR)
    drill = replace(recovery(), id="dr-in", requested_at=NOW, ended_at=NOW + 0.5 * HOUR)
    event = EventRecord("in", NOW, "alarm", "token-errors", acted=True, why="7.7 % > 5 %", deployment="d-in")
    cloud.ledger.create_record(rolled_back)
    cloud.recoveries(Kind.DRILL).create_record(drill)
    cloud.ledger.record_event(event)
    for number in range(501):
        later = NOW + 2 * HOUR + timedelta(minutes=number)
        cloud.ledger.create_record(replace(rolled_back, id=f"d-{number}", requested_at=later))
        cloud.recoveries(Kind.DRILL).create_record(replace(drill, id=f"dr-{number}", requested_at=later))
    for number in range(1001):
        cloud.ledger.record_event(replace(event, id=f"e-{number}", at=NOW + 2 * HOUR + timedelta(minutes=number)))
    facts = read_facts(cloud, SPAN)
    assert ([one.id for one in facts.deployments], [one.id for one in facts.recoveries]) == (["d-in"], ["dr-in"])
    assert facts.events == [event]


def test_an_empty_ledger_has_no_facts(cloud):
    facts = read_facts(cloud, SPAN)
    assert (facts.events, facts.deployments, facts.decisions, facts.recoveries) == ([], [], {}, [])
