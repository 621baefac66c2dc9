"""Maintenance in the reconcile handler: a window ends by itself, and what was not announced fails the run."""

from __future__ import annotations

import pytest

from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import Schedule, plan
from orchestrator.domain.maintenance.window import WindowState
from orchestrator.event_handlers import reconcile
from orchestrator.event_handlers.steps import StepsFailed
from tests.fakes.clouds import topic_arn
from tests.fakes.errors import client_error
from tests.unit.domain.maintenance.worlds import HOUR, request


def over(cloud):
    """A window whose whole time has passed without a run."""
    begins = cloud.now() - 2 * HOUR
    window_request = request(starts_at=begins, ends_at=begins + HOUR, urgent="now")
    change = plan(Schedule(), window_request, MaintenancePolicy(), begins - HOUR)
    assert cloud.maintenance.commit(change)
    return change.windows[0].id


def run():
    return reconcile.handler({"id": "m", "time": "2026-11-23T03:00:00Z"}, None)


def test_a_window_ends_by_itself_and_its_end_is_announced_once(cloud, events, topics):
    name = over(cloud)
    run()
    run()
    assert cloud.maintenance.read_window(name).state is WindowState.ENDED
    assert [kind for kind, _ in events.put if kind.startswith("Maintenance")] == ["MaintenanceEnded"]
    assert [(topic, subject) for topic, subject, _ in topics.published] == [
        (topic_arn("clients"), "OAuth service: maintenance has ended")
    ]


def test_a_run_that_could_not_announce_fails_after_everything_else_and_the_next_one_announces(
    cloud, topics, monkeypatch
):
    over(cloud)
    taken = topics.publish

    def down(**_params):
        raise client_error("InternalError", "the topic is down")

    monkeypatch.setattr(topics, "publish", down)
    with pytest.raises(StepsFailed, match=r"maintenance waits for its announcements: .*the topic is down"):
        run()
    monkeypatch.setattr(topics, "publish", taken)
    cloud.sleep(60)  # until the next run
    run()
    assert len(topics.published) == 1
