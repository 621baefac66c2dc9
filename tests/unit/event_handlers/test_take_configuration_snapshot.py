"""Every day a snapshot, and how it differs from the previous one."""

from __future__ import annotations

import pytest

from orchestrator.aws.configuration import snapshot
from orchestrator.domain.configuration.normalization import Identities, Part
from orchestrator.domain.configuration.snapshot import snapshot_of
from orchestrator.domain.errors import Throttled
from orchestrator.event_handlers.take_configuration_snapshot import handler
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over
from tests.fakes.configuration import FakeCaller
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.s3 import FakeS3


@pytest.fixture
def environment(monkeypatch):
    """The configuration of the environment; a test changes it."""
    clock, timeouts = SimulatedClock(), [3]
    clients = {"dynamodb": FakeDynamoDB(), "s3": FakeS3(), "lambda": LambdaControlPlane(), "sts": FakeCaller()}

    def read(_clients, names, *, account, region, now, why):
        clock.advance(1)
        part = Part("function", "f", {"Timeout": timeouts[-1]})
        return snapshot_of(names.environment, Identities(account, region), now, why, [part])

    monkeypatch.setattr(snapshot, "read_configuration", read)
    monkeypatch.setattr("orchestrator.event_handlers.runtime._cloud", cloud_over(clients, clock.now))
    return timeouts


def answer() -> str:
    return handler({"id": "tick"}, None)["answer"]


def test_a_day_without_a_change_says_so_and_another_says_since_when(environment):
    first, same = answer(), answer()
    environment.append(4)
    changed = answer()

    assert first.endswith("1 parts, the first")
    assert same.endswith("1 parts, unchanged")
    assert f"changed since {same.partition(':')[0]}" in changed


def test_half_a_configuration_is_not_kept(environment, monkeypatch):
    def throttled(*_, **__):
        raise Throttled("ListRoles")

    monkeypatch.setattr(snapshot, "read_configuration", throttled)

    with pytest.raises(Throttled):
        answer()
