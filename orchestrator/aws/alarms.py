"""CloudWatch alarms: where they stand. An alarm that rings already sends no event, so states are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from orchestrator.aws.clients import narrowed
from orchestrator.domain.observation import AlarmState

NAMES_IN_A_CALL = 100
"""DescribeAlarms takes no more (API reference)."""


class Alarms:
    """CloudWatch alarms.

    Args:
        client: botocore's CloudWatch client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def states(self, arns: Sequence[str]) -> Mapping[str, AlarmState]:
        """Read where the alarms stand, by ARN; those that do not exist are absent.

        Raises:
            Throttled: the request limit was met.
            Unreachable: CloudWatch did not answer.
        """
        wanted = {arn.rpartition(":")[2]: arn for arn in arns}
        names = list(wanted)
        found: dict[str, AlarmState] = {}
        for first in range(0, len(names), NAMES_IN_A_CALL):
            with narrowed():
                answer = self._client.describe_alarms(
                    AlarmNames=names[first : first + NAMES_IN_A_CALL],
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    MaxRecords=NAMES_IN_A_CALL,
                )
            for alarm in [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]:
                found[wanted[alarm["AlarmName"]]] = AlarmState(
                    name=alarm["AlarmName"],
                    state=alarm["StateValue"],
                    since=alarm["StateUpdatedTimestamp"].astimezone(UTC),
                    reason=alarm.get("StateReason", ""),
                )
        return found
