"""An alarm that fires already is not taken for the one that a fault sets off."""

import threading

import pytest
from botocore.exceptions import EndpointConnectionError

from orchestrator.local.rehearsal.monitor import AlarmWatch


class CloudWatch:
    """Answers each reading with the next of these sets of firing alarms; the last one stays."""

    def __init__(self, *readings):
        self._readings, self.exhausted = list(readings), threading.Event()

    def get_paginator(self, operation):
        assert operation == "describe_alarms"
        return self

    def paginate(self, **params):
        assert params == {"StateValue": "ALARM"}
        reading = self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]
        if len(self._readings) == 1:
            self.exhausted.set()
        if isinstance(reading, Exception):
            raise reading
        return [{"MetricAlarms": [{"AlarmName": name} for name in reading]}]


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(AlarmWatch, "SECONDS", 0.01)

    def watch(*readings):
        cloudwatch = CloudWatch(*readings)
        with AlarmWatch(cloudwatch) as alarms:
            assert cloudwatch.exhausted.wait(10)
        return alarms

    return watch


@pytest.mark.parametrize(
    ("readings", "fired"),
    [
        ([{"a"}, {"a"}, {"a"}, {"a"}], set()),
        ([set(), {"a"}, {"a"}, {"a"}], {"a"}),
        ([{"a"}, set(), {"a"}, {"a"}], {"a"}),
        ([{"a"}, EndpointConnectionError(endpoint_url="http://x"), {"a"}, {"a"}], set()),
    ],
    ids=["it fired before", "it fires", "it was OK in between", "a reading failed in between"],
)
def test_only_an_alarm_that_was_not_firing_fires(watched, readings, fired):
    assert set(watched(*readings).fired) == fired
