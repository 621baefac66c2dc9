"""Tables as things to be restored: what they are apart from their items, and how a copy comes to be, as AWS documents it.

A copy is CREATING for a while and then ACTIVE; its RestoreSummary says from what and to when. It has the source's keys, indexes, billing and
encryption, and nothing else of it. Every change of a table takes a moment, in which no other is taken and nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.fakes.clouds import ACCOUNT, REGION
from tests.fakes.errors import client_error
from tests.fakes.pages import Pages

COPIED = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingModeSummary", "SSEDescription")
WINDOW = timedelta(days=35)
LAG = timedelta(minutes=5)


@dataclass
class FakeTable:
    """One table: its description, and the settings that have operations of their own."""

    description: dict[str, Any]
    busy_until: datetime
    status_until: str = "ACTIVE"
    time_to_live: dict[str, Any] = field(default_factory=lambda: {"TimeToLiveStatus": "DISABLED"})
    recovery_days: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    policy: str = ""
    insights: dict[str, str] = field(default_factory=dict)
    """Index, or nothing for the table, to the mode of Contributor Insights."""


class RestorableTables:
    """A DynamoDB client.

    Args:
        now: the clock.
        restore_seconds: how long a restore takes.
        change_seconds: how long a change of a table takes.
        at_once: how many restores the account may have under way.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        restore_seconds: float = 1200,
        change_seconds: float = 5,
        at_once: int = 50,
    ) -> None:
        self._now = now
        self._restoring, self._changing = timedelta(seconds=restore_seconds), timedelta(seconds=change_seconds)
        self._at_once = at_once
        self.tables: dict[str, FakeTable] = {}
        self.backups: dict[str, dict[str, Any]] = {}
        """By ARN."""
        self.restored: list[tuple[str, str, datetime]] = []
        """(source, target, time) of every restore that was taken, in order."""

    def add(self, name: str, **description: Any) -> FakeTable:
        """A table with everything that a restore drops, in a window that has been open for long."""
        table = FakeTable(
            {
                "TableName": name,
                "TableArn": arn_of(name),
                "CreationDateTime": self._now(),
                "TableSizeBytes": 1_000_000,
                "ItemCount": 1000,
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "DeletionProtectionEnabled": True,
                **description,
            },
            busy_until=self._now(),
            time_to_live={"TimeToLiveStatus": "ENABLED", "AttributeName": "delete_at"},
            recovery_days=35,
            tags={"environment": "test", "aws:cloudformation:stack-name": "ib-oauth-stack-test"},
        )
        self.tables[name] = table
        return table

    def stream(self, name: str, label: str = "2026-01-01T00:00:00.000") -> None:
        """Give a table a stream with both images, which began at the time of its label."""
        self.tables[name].description |= {
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            "LatestStreamLabel": label,
            "LatestStreamArn": f"{arn_of(name)}/stream/{label}",
        }

    # --- describing --------------------------------------------------------------------------------------

    def get_paginator(self, operation: str) -> Any:
        return Pages(getattr(self, operation))

    def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        table = self._known(TableName)
        status = table.status_until if self._now() < table.busy_until else "ACTIVE"
        found = {**deepcopy(table.description), "TableStatus": status}
        if "RestoreSummary" in found:
            found["RestoreSummary"]["RestoreInProgress"] = status == "CREATING"
        return {"Table": found}

    def list_tables(self, *, ExclusiveStartTableName: str = "") -> dict[str, Any]:  # noqa: N803
        """Two names a page, in an order that is not that of the names."""
        names = sorted(self.tables, key=lambda name: name[::-1])
        begin = names.index(ExclusiveStartTableName) + 1 if ExclusiveStartTableName else 0
        page = names[begin : begin + 2]
        return {"TableNames": page, **({"LastEvaluatedTableName": page[-1]} if begin + 2 < len(names) else {})}

    def describe_time_to_live(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        return {"TimeToLiveDescription": dict(self._known(TableName).time_to_live)}

    def describe_continuous_backups(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        days = self._known(TableName).recovery_days
        recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "ENABLED" if days else "DISABLED"}
        if days:
            now = self._now()
            recovery |= {
                "RecoveryPeriodInDays": days,
                "EarliestRestorableDateTime": now - timedelta(days=days),
                "LatestRestorableDateTime": now - LAG,
            }
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": recovery}}

    def list_tags_of_resource(self, *, ResourceArn: str) -> dict[str, Any]:  # noqa: N803
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._of(ResourceArn).tags.items()]}

    def describe_contributor_insights(self, *, TableName: str, IndexName: str = "") -> dict[str, Any]:  # noqa: N803
        mode = self._known(TableName).insights.get(IndexName)
        return {"ContributorInsightsStatus": "DISABLED"} | (
            {"ContributorInsightsStatus": "ENABLING", "ContributorInsightsMode": mode} if mode else {}
        )

    def update_contributor_insights(
        self,
        *,
        TableName: str,  # noqa: N803
        ContributorInsightsAction: str,  # noqa: N803
        IndexName: str = "",  # noqa: N803
        ContributorInsightsMode: str = "ACCESSED_AND_THROTTLED_KEYS",  # noqa: N803
    ) -> dict[str, Any]:
        insights = self._known(TableName).insights
        if ContributorInsightsAction == "ENABLE":
            insights[IndexName] = ContributorInsightsMode
        else:
            del insights[IndexName]
        return {}

    def get_resource_policy(self, *, ResourceArn: str) -> dict[str, Any]:  # noqa: N803
        policy = self._of(ResourceArn).policy
        if not policy:
            raise client_error("PolicyNotFoundException", "no policy")
        return {"Policy": policy, "RevisionId": "1"}

    # --- restoring ---------------------------------------------------------------------------------------

    def restore_table_to_point_in_time(
        self,
        *,
        SourceTableName: str,  # noqa: N803
        TargetTableName: str,  # noqa: N803
        RestoreDateTime: datetime,  # noqa: N803
        BillingModeOverride: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        source, now = self._known(SourceTableName), self._now()
        if TargetTableName in self.tables:
            raise client_error("TableAlreadyExistsException", TargetTableName)
        if not source.recovery_days:
            raise client_error("PointInTimeRecoveryUnavailableException", SourceTableName)
        if not now - timedelta(days=source.recovery_days) <= RestoreDateTime <= now - LAG:
            raise client_error("InvalidRestoreTimeException", str(RestoreDateTime))
        under_way = [one for one in self.tables.values() if one.status_until == "CREATING" and now < one.busy_until]
        if len(under_way) >= self._at_once:
            raise client_error("LimitExceededException", "too many restores")
        kept = restored_description(source.description, BillingModeOverride)
        summary = {"SourceTableArn": arn_of(SourceTableName), "RestoreDateTime": RestoreDateTime}
        self.tables[TargetTableName] = FakeTable(
            {
                **kept,
                "TableName": TargetTableName,
                "TableArn": arn_of(TargetTableName),
                "CreationDateTime": now,
                "TableSizeBytes": 0,
                "ItemCount": 0,
                "RestoreSummary": summary,
            },
            busy_until=now + self._restoring,
            status_until="CREATING",
        )
        self.restored.append((SourceTableName, TargetTableName, RestoreDateTime))
        return {"TableDescription": self.describe_table(TableName=TargetTableName)["Table"]}

    def restore_table_from_backup(
        self,
        *,
        TargetTableName: str,  # noqa: N803
        BackupArn: str,  # noqa: N803
        BillingModeOverride: str = "",  # noqa: N803
        SSESpecificationOverride: dict[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        found = self.backups.get(BackupArn)
        if found is None:
            raise client_error("BackupNotFoundException", BackupArn)
        summary = {"SourceTableArn": found["TableArn"], "SourceBackupArn": BackupArn, "RestoreDateTime": self._now()}
        kept = restored_description(found["description"], BillingModeOverride)
        if SSESpecificationOverride:
            key = SSESpecificationOverride["KMSMasterKeyId"]
            kept["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}
        names = {"TableName": TargetTableName, "TableArn": arn_of(TargetTableName)}
        self.tables[TargetTableName] = FakeTable(
            {
                **kept,
                **names,
                "TableSizeBytes": 0,
                "ItemCount": 0,
                "CreationDateTime": self._now(),
                "RestoreSummary": summary,
            },
            busy_until=self._now() + self._restoring,
            status_until="CREATING",
        )
        self.restored.append((found["TableName"], TargetTableName, found["BackupCreationDateTime"]))
        return {"TableDescription": self.describe_table(TableName=TargetTableName)["Table"]}

    def list_backups(self, *, TableName: str, BackupType: str) -> dict[str, Any]:  # noqa: N803
        found = [one for one in self.backups.values() if one["TableName"] == TableName]
        listed = [one for one in found if BackupType in {"ALL", one["BackupType"]}]
        return {"BackupSummaries": [{key: one[key] for key in one if key != "description"} for one in listed]}

    def describe_backup(self, *, BackupArn: str) -> dict[str, Any]:  # noqa: N803
        """As DynamoDB documents it: no tags, no resource policy, no table class, no types of key attributes."""
        found = self.backups.get(BackupArn)
        if found is None:
            raise client_error("BackupNotFoundException", BackupArn)
        source = found["description"]
        units = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
        details = {
            "TableName": found["TableName"],
            "KeySchema": source["KeySchema"],
            "ProvisionedThroughput": source.get("ProvisionedThroughput", units),
            "BillingMode": (source.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
            **{key: source[key] for key in ("OnDemandThroughput",) if key in source},
        }
        features = {
            "GlobalSecondaryIndexes": source.get("GlobalSecondaryIndexes", []),
            "LocalSecondaryIndexes": source.get("LocalSecondaryIndexes", []),
            **{
                stated: source[key]
                for stated, key in (("StreamDescription", "StreamSpecification"), ("SSEDescription", "SSEDescription"))
                if key in source
            },
        }
        return {"BackupDescription": deepcopy({"SourceTableDetails": details, "SourceTableFeatureDetails": features})}

    def back_up(self, table: str, name: str, kind: str = "USER") -> None:
        """Have a backup of a table."""
        arn = f"{arn_of(table)}/backup/{len(self.backups):08}"
        self.backups[arn] = {
            "BackupArn": arn,
            "BackupName": name,
            "BackupType": kind,
            "BackupStatus": "AVAILABLE",
            "BackupCreationDateTime": self._now() - LAG,
            "BackupSizeBytes": 1_000,
            "TableName": table,
            "TableArn": arn_of(table),
            "description": deepcopy(self.tables[table].description),
        }

    def lose(self, table: str) -> None:
        """Delete a table; point-in-time recovery leaves a backup of it."""
        self.back_up(table, f"{table}$DeletedTableBackup", "SYSTEM")
        del self.tables[table]

    # --- changing ----------------------------------------------------------------------------------------

    def update_table(self, *, TableName: str, **changes: Any) -> dict[str, Any]:  # noqa: N803
        table = self._idle(TableName)
        for name, value in changes.items():
            match name:
                case "TableClass":
                    table.description["TableClassSummary"] = {"TableClass": value}
                case "BillingMode":
                    table.description["BillingModeSummary"] = {"BillingMode": value}
                case "GlobalSecondaryIndexUpdates":
                    self._change_indexes(table, value)
                case "StreamSpecification":
                    label = f"{self._now():%Y-%m-%dT%H:%M:%S}.000"
                    names = {"LatestStreamLabel": label, "LatestStreamArn": f"{arn_of(TableName)}/stream/{label}"}
                    table.description |= {name: value, **names}
                case _:
                    table.description[name] = value
        table.busy_until, table.status_until = self._now() + self._changing, "UPDATING"
        return {}

    def update_time_to_live(self, *, TableName: str, TimeToLiveSpecification: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        on = TimeToLiveSpecification["Enabled"]
        name = {"AttributeName": TimeToLiveSpecification["AttributeName"]} if on else {}
        self._idle(TableName).time_to_live = {"TimeToLiveStatus": "ENABLING" if on else "DISABLED", **name}
        return {}

    def update_continuous_backups(
        self,
        *,
        TableName: str,  # noqa: N803
        PointInTimeRecoverySpecification: dict[str, Any],  # noqa: N803
    ) -> dict[str, Any]:
        wanted = PointInTimeRecoverySpecification
        days = wanted.get("RecoveryPeriodInDays", 35) if wanted["PointInTimeRecoveryEnabled"] else 0
        self._idle(TableName).recovery_days = days
        return {}

    def tag_resource(self, *, ResourceArn: str, Tags: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self._of(ResourceArn).tags |= {tag["Key"]: tag["Value"] for tag in Tags}
        return {}

    def untag_resource(self, *, ResourceArn: str, TagKeys: list[str]) -> dict[str, Any]:  # noqa: N803
        for key in TagKeys:
            self._of(ResourceArn).tags.pop(key, None)
        return {}

    def put_resource_policy(self, *, ResourceArn: str, Policy: str) -> dict[str, Any]:  # noqa: N803
        self._of(ResourceArn).policy = Policy
        return {}

    def delete_resource_policy(self, *, ResourceArn: str) -> dict[str, Any]:  # noqa: N803
        self._of(ResourceArn).policy = ""
        return {}

    def delete_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        table = self._idle(TableName)
        if table.description.get("DeletionProtectionEnabled"):
            raise client_error("ValidationException", "Resource cannot be deleted as it is currently protected")
        del self.tables[TableName]
        return {}

    def _change_indexes(self, table: FakeTable, updates: list[dict[str, Any]]) -> None:
        for update in updates:
            indexes = table.description["GlobalSecondaryIndexes"]
            if "Delete" in update:
                gone = update["Delete"]["IndexName"]
                table.description["GlobalSecondaryIndexes"] = [one for one in indexes if one["IndexName"] != gone]
            else:
                changed = update["Update"]
                found = [one for one in indexes if one["IndexName"] == changed["IndexName"]]
                if not found:
                    raise client_error("ResourceNotFoundException", f"Index: {changed['IndexName']} not found")
                found[0].update(changed)

    def _known(self, name: str) -> FakeTable:
        if name not in self.tables:
            raise client_error("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
        return self.tables[name]

    def _idle(self, name: str) -> FakeTable:
        table = self._known(name)
        if self._now() < table.busy_until:
            raise client_error("ResourceInUseException", f"{name} is {table.status_until}")
        return table

    def _of(self, arn: str) -> FakeTable:
        return self._known(arn.rpartition("/")[2])


def restored_description(source: dict[str, Any], billing_mode: str) -> dict[str, Any]:
    """What a restore takes from its source: its keys, indexes and encryption, and its capacity unless that is overridden."""
    kept = {key: deepcopy(value) for key, value in source.items() if key in COPIED}
    mode = billing_mode or (source.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    kept["BillingModeSummary"] = {"BillingMode": mode}
    on_demand = mode == "PAY_PER_REQUEST"
    for part, described in (
        (kept, source),
        *zip(kept.get("GlobalSecondaryIndexes", ()), source.get("GlobalSecondaryIndexes", ()), strict=True),
    ):
        units = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
        part["ProvisionedThroughput"] = units if on_demand else deepcopy(described.get("ProvisionedThroughput", units))
    return kept


def arn_of(table: str) -> str:
    """The ARN of a table."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
