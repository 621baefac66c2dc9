"""What depends on tables: Kinesis streaming destinations, event source mappings of their streams, and alarms.

Facts of AWS that this relies on (API reference of DescribeKinesisStreamingDestination, ListEventSourceMappings and
DescribeAlarms): a disabled destination stays listed; a mapping names the ARN of a stream, which begins with the table's
ARN; an alarm on a table has its name as the dimension `TableName`, also in the metrics of an expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, read_pages, translate_errors
from orchestrator.domain.recovery.attachments import Attachments

_ABSENT = "ResourceNotFoundException"
_SENDING = frozenset({"ENABLING", "ACTIVE", "UPDATING"})
TABLE_DIMENSION = "TableName"
SCALING_PREFIX = "TargetTracking-table/"
"""Application Auto Scaling names the alarms of its policies like this; they belong to the setting `autoscaling`."""

Alarm = Mapping[str, Any]


class TableAttachments:
    """What depends on tables.

    Args:
        client: botocore's DynamoDB client.
        lambda_: botocore's Lambda client.
        cloudwatch: botocore's CloudWatch client.
    """

    def __init__(self, client: Any, lambda_: Any, cloudwatch: Any) -> None:
        self._client, self._lambda, self._cloudwatch = client, lambda_, cloudwatch

    def read_attachments(self, tables: Sequence[tuple[str, str]]) -> list[Attachments]:
        """Return what depends on each table, given by name and ARN. All mappings and alarms are read once.

        Raises:
            Throttled, Unreachable: AWS did not answer.
        """
        mappings, alarms = list(self._mappings()), list(self._alarms())
        return [
            Attachments(
                kinesis_streams=self._kinesis_streams(name),
                mappings={
                    mapping["FunctionArn"]: mapping["UUID"]
                    for mapping in mappings
                    if mapping.get("EventSourceArn", "").startswith(f"{arn}/stream/")
                },
                alarms=_alarms_on(name, alarms),
            )
            for name, arn in tables
        ]

    def _kinesis_streams(self, table: str) -> tuple[str, ...] | None:
        try:
            with translate_errors():
                found = self._client.describe_kinesis_streaming_destination(TableName=table)
        except ClientError as error:
            if error_code(error) != _ABSENT:
                raise
            return None
        destinations = found.get("KinesisDataStreamDestinations", ())
        return tuple(sorted(one["StreamArn"] for one in destinations if one["DestinationStatus"] in _SENDING))

    def _mappings(self) -> Iterator[Mapping[str, Any]]:
        for page in read_pages(self._lambda, "list_event_source_mappings"):
            yield from page["EventSourceMappings"]

    def _alarms(self) -> Iterator[Alarm]:
        for page in read_pages(self._cloudwatch, "describe_alarms", AlarmTypes=["MetricAlarm"]):
            yield from page.get("MetricAlarms", ())


def _alarms_on(table: str, alarms: Sequence[Alarm]) -> Mapping[str, tuple[str, ...]]:
    """Return the alarms on a table by metric, without those that scale it."""
    found: dict[str, list[str]] = {}
    for alarm in alarms:
        name = alarm["AlarmName"]
        for metric in () if name.startswith(SCALING_PREFIX) else _metrics_of(alarm):
            dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions", ())}
            if dimensions.pop(TABLE_DIMENSION, None) == table:
                others = [f"{key}={value}" for key, value in sorted(dimensions.items())]
                names = found.setdefault(" ".join((metric["Namespace"], metric["MetricName"], *others)), [])
                names += [name] if name not in names else []
    return {metric: tuple(sorted(names)) for metric, names in found.items()}


def _metrics_of(alarm: Alarm) -> Iterator[Mapping[str, Any]]:
    """Yield the metrics of an alarm: its own, or those of its expression."""
    if "MetricName" in alarm:
        yield alarm
    for query in alarm.get("Metrics", ()):
        if "MetricStat" in query:
            yield query["MetricStat"]["Metric"]
