"""What the orchestrator counts of itself: log lines in CloudWatch's embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

Powertools' Metrics adds a dimension of its own for the function, and what is counted here is the environment's, whichever task
counts it. Each metric is there by environment, and again by what else is said of it (a deployment's ending, a rollback's trigger).
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
    """Write a line to the function's log in one piece."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Measures:
    """The metrics of one environment.

    Attributes:
        now: the clock.
        write: where lines go.
    """

    environment: str
    now: Callable[[], datetime]
    write: Callable[[str], None] = write

    def count(self, metric: str, of: Mapping[str, str], deployment: str, number: int = 1) -> None:
        """Count one, or so many. `of` says what else there is to say of it: dimensions of few values. deployment: for whoever reads the log."""
        self._put({metric: number}, "Count", of, deployment)

    def seconds(self, figures: Mapping[str, float], of: Mapping[str, str], deployment: str) -> None:
        """Tell how long something took, by metric."""
        if figures:
            self._put(figures, "Seconds", of, deployment)

    def _put(self, values: Mapping[str, float], unit: Unit, of: Mapping[str, str], deployment: str) -> None:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["environment"], *([["environment", *of]] if of else [])],
            "Metrics": [{"Name": name, "Unit": unit} for name in values],
        }
        line = {
            "level": "INFO",
            "message": "measured",
            "deployment": deployment,
            "environment": self.environment,
            **of,
            **values,
            "_aws": {"Timestamp": int(self.now().timestamp() * 1000), "CloudWatchMetrics": [directive]},
        }
        self.write(msgspec.json.encode(line).decode())
