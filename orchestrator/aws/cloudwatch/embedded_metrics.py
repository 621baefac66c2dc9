"""The orchestrator's own metrics, as log lines in CloudWatch's embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

Powertools' Metrics adds a dimension for the function, but these metrics belong to the environment, whichever task
emits them. Each metric is emitted by environment, and again by its further dimensions (a deployment's outcome, a
rollback's trigger).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

NAMESPACE = "IbOauth/Orchestrator"
Unit: TypeAlias = Literal["Count", "Seconds"]


def write(line: str) -> None:
    """Write a line to the function's log in one write."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class EmbeddedMetrics:
    """The metrics of one environment.

    Attributes:
        environment: its name.
        now: the clock.
        write: writes a line to the log.
    """

    environment: str
    now: Callable[[], datetime]
    write: Callable[[str], None] = write

    def put_count(self, metric: str, dimensions: Mapping[str, str], deployment: str, number: int = 1) -> None:
        """Emit a count.

        Args:
            metric: its name.
            dimensions: further dimensions, each with few values.
            deployment: id of the deployment or recovery, for readers of the log.
            number: the count.
        """
        self._put({metric: number}, "Count", dimensions, deployment)

    def put_duration(self, seconds: Mapping[str, float], dimensions: Mapping[str, str], deployment: str) -> None:
        """Emit durations by metric name, in seconds. Args: as `put_count`."""
        if seconds:
            self._put(seconds, "Seconds", dimensions, deployment)

    def _put(self, values: Mapping[str, float], unit: Unit, dimensions: Mapping[str, str], deployment: str) -> None:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["environment"], *([["environment", *dimensions]] if dimensions else [])],
            "Metrics": [{"Name": name, "Unit": unit} for name in values],
        }
        line = {
            "level": "INFO",
            "message": "measured",
            "deployment": deployment,
            "environment": self.environment,
            **dimensions,
            **values,
            "_aws": {"Timestamp": int(self.now().timestamp() * 1000), "CloudWatchMetrics": [directive]},
        }
        self.write(msgspec.json.encode(line).decode())
