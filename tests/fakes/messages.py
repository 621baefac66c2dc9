"""Event bus, topics, alarms and tables' recovery, as far as the tasks use them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from tests.fakes.errors import client_error


@dataclass
class FakeEvents:
    """An EventBridge client that keeps what is put."""

    put: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """(detail-type, detail), in order."""
    fails: bool = False

    def put_events(self, *, Entries: Sequence[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - botocore's
        if self.fails:
            raise client_error("InternalFailure", "the bus is down")
        self.put += [(entry["DetailType"], json.loads(entry["Detail"])) for entry in Entries]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(len(self.put))}]}


@dataclass
class FakeTopics:
    """An SNS client that keeps what is published."""

    published: list[tuple[str, str, str]] = field(default_factory=list)
    """(topic, subject, text), in order."""

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> dict[str, str]:  # noqa: N803 - botocore's
        assert 1 <= len(Subject) <= 100, "SNS refuses another subject"
        assert "\n" not in Subject, "SNS refuses a subject of several lines"
        self.published.append((TopicArn, Subject, Message))
        return {"MessageId": str(len(self.published))}


@dataclass
class FakeAlarms:
    """A CloudWatch client whose alarms ring as a test says."""

    since: datetime
    ringing: set[str] = field(default_factory=set)
    """Names of the alarms in ALARM."""
    values: dict[datetime, float] = field(default_factory=dict)
    """The value of every alarm by period; a breaching one is above 5."""
    deleted: set[str] = field(default_factory=set)
    """Names of the alarms that do not exist."""
    reads_fail: bool = False
    sections: dict[str, str] = field(default_factory=dict)
    """Section of the runbook by alarm; the others name none."""

    def get_paginator(self, name: str) -> Any:
        if name == "describe_alarms":
            return SimpleNamespace(paginate=self._describe_firing)
        assert name == "get_metric_data"
        return self

    def _describe_firing(self, *, AlarmNamePrefix: str, AlarmTypes: list[str], StateValue: str) -> list[dict[str, Any]]:  # noqa: N803 - botocore's
        assert AlarmTypes, "without types CloudWatch leaves composite alarms out"
        assert StateValue == "ALARM", "other states are not faked"
        names = [name for name in sorted(self.ringing - self.deleted) if name.startswith(AlarmNamePrefix)]
        return [{"MetricAlarms": [self._alarm(name)]} for name in names]

    def paginate(self, **_params: Any) -> list[dict[str, Any]]:
        if self.reads_fail:
            raise client_error("InternalServiceFault", "CloudWatch is down")
        series = {"Id": "value", "Timestamps": list(self.values), "Values": list(self.values.values())}
        return [{"MetricDataResults": [series]}]

    def describe_alarms(self, **params: Any) -> dict[str, Any]:
        assert len(params["AlarmNames"]) <= params["MaxRecords"] <= 100, "DescribeAlarms takes no more"
        assert params["AlarmTypes"], "without types CloudWatch leaves composite alarms out"
        found = [self._alarm(name) for name in params["AlarmNames"] if name not in self.deleted]
        return {"MetricAlarms": found, "CompositeAlarms": []}

    def _alarm(self, name: str) -> dict[str, Any]:
        return {
            "AlarmName": name,
            "AlarmDescription": f"Runbook: docs/runbooks/alarms.md#{self.sections[name]}"
            if name in self.sections
            else "",
            "StateValue": "ALARM" if name in self.ringing else "OK",
            "StateUpdatedTimestamp": self.since,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 5.0,
            "EvaluationPeriods": 2,
            "Namespace": "IbOauth",
            "MetricName": name,
            "Dimensions": [],
            "Period": 60,
            "Statistic": "Sum",
        }


@dataclass
class FakeRecovery:
    """The recovery operations of a DynamoDB client."""

    off: set[str] = field(default_factory=set)
    """Tables whose point-in-time recovery is off."""
    backups: list[str] = field(default_factory=list)

    def describe_continuous_backups(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        status = "DISABLED" if TableName in self.off else "ENABLED"
        return {
            "ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}
        }

    def create_backup(self, *, TableName: str, BackupName: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        self.backups.append(BackupName)
        return {"BackupDetails": {"BackupArn": f"arn:backup:{TableName}:{BackupName}"}}
