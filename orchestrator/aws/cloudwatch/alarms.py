"""Read the states of CloudWatch alarms. An alarm that is already in ALARM sends no event, so its state is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.analysis.observations import AlarmState

NAMES_IN_A_CALL = 100
"""DescribeAlarms accepts no more (API reference)."""


class Alarms:
    """CloudWatch alarms.

    Args:
        client: botocore's CloudWatch client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read_states(self, arns: Sequence[str]) -> Mapping[str, AlarmState]:
        """Return the states of alarms by ARN; an alarm that does not exist is absent.

        Raises:
            Throttled: the request limit was reached.
            Unreachable: CloudWatch did not answer.
        """
        arn_of = {arn.rpartition(":")[2]: arn for arn in arns}
        names = list(arn_of)
        states: dict[str, AlarmState] = {}
        for first in range(0, len(names), NAMES_IN_A_CALL):
            with translate_errors():
                response = self._client.describe_alarms(
                    AlarmNames=names[first : first + NAMES_IN_A_CALL],
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    MaxRecords=NAMES_IN_A_CALL,
                )
            for alarm in [*response.get("MetricAlarms", ()), *response.get("CompositeAlarms", ())]:
                states[arn_of[alarm["AlarmName"]]] = AlarmState(
                    name=alarm["AlarmName"],
                    state=alarm["StateValue"],
                    since=alarm["StateUpdatedTimestamp"].astimezone(UTC),
                    reason=alarm.get("StateReason", ""),
                )
        return states
