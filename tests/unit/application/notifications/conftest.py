"""Notifications from the event to the provider: the real function over simulated SQS, DynamoDB and providers."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from orchestrator.application.cloud import Cloud
from orchestrator.aws.provider_client import ProviderClient
from orchestrator.domain.notifications.destinations import encode_destinations
from orchestrator.event_handlers import runtime
from orchestrator.event_handlers.deliver_notifications import handler
from tests.fakes.clock import START
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.notification_providers import LINK_KEY, Providers
from tests.fakes.notification_queue import DEAD_LETTERS, QUEUE, MovableClock, SimulatedQueue
from tests.samples import recovery_table

ENDPOINT = "https://ack.example.com"


class World:
    """The notifications of one environment."""

    def __init__(self, seed: int = 1, **changes: Any) -> None:
        self.clock = MovableClock()
        self.providers = Providers(self.clock.now, self.clock.advance)
        self.queue = SimulatedQueue(self.clock, random.Random(seed))
        self.ledger = FakeDynamoDB()
        settings = {
            "ENVIRONMENT": "test",
            "LEDGER_TABLE": "ledger",
            "NOTIFICATIONS": encode_destinations(self.providers.destinations(**changes)),
            "NOTIFICATION_QUEUE": QUEUE,
            "NOTIFICATION_DEAD_LETTERS": DEAD_LETTERS,
            "RECOVERY_POLICY": json.dumps(recovery_table()),
            "ACKNOWLEDGEMENT_ADDRESS": ENDPOINT,
            "LINK_KEY": LINK_KEY,
        }
        clients = {"sqs": self.queue, "dynamodb": self.ledger, "secretsmanager": self.providers}
        self.cloud = Cloud(settings, clients=clients.__getitem__, now=self.clock.now)
        vars(self.cloud)["providers"] = ProviderClient(
            self.providers, self.providers, self.clock.now, local=False, mailer=self.providers.mailer
        )

    def put(self, event: Mapping[str, Any], after: float = 0) -> None:
        """Have an event arrive in the queue, so many seconds after the start."""
        self.queue.put(json.dumps(event), START + timedelta(seconds=after))

    def work(self, until: datetime | None = None) -> None:
        """Work on everything in the queue."""
        with mock.patch.object(runtime, "_cloud", self.cloud):
            self.queue.work(handler, until)


@pytest.fixture
def world():
    return World()


def stamp(seconds: float) -> str:
    """A time as CloudWatch writes it, so many seconds after the start."""
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def bus_event(detail_type: str, after: float = 0, **detail: Any) -> dict[str, Any]:
    """An event of the orchestrator as EventBridge puts it into the queue."""
    at = (START + timedelta(seconds=after)).isoformat()
    return {
        "id": f"{detail_type}-{after}",
        "source": "ib-oauth.orchestrator",
        "detail-type": detail_type,
        "detail": {"environment": "test", "at": at, **detail},
    }


def alarm_event(name: str, state: str, previous: str, at: float, since: float, section: str) -> dict[str, Any]:
    """An alarm's state change, in the form of CloudWatch's documentation."""
    reason = "Threshold Crossed: 1 datapoint [7.7 (23/11/26 03:00:00)] was greater than the threshold (5.0)."
    data = {"version": "1.0", "statistic": "Average", "period": 60, "recentDatapoints": [7.71234], "threshold": 5.0}
    return {
        "id": f"{name}-{at}",
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [f"arn:aws:cloudwatch:us-west-1:123456789012:alarm:{name}"],
        "detail": {
            "alarmName": name,
            "state": {"value": state, "timestamp": stamp(at), "reason": reason, "reasonData": json.dumps(data)},
            "previousState": {"value": previous, "timestamp": stamp(since), "reason": "earlier"},
            "configuration": {
                "description": f"It is broken. Runbook: docs/runbooks/alarms.md#{section}",
                "metrics": [],
            },
        },
    }
