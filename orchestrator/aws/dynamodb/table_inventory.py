"""The tables of an account: list them by name, and describe what each costs to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.aws.clients import read_pages, translate_errors
from orchestrator.aws.dynamodb.descriptions import describe_table
from orchestrator.domain.recovery.unused_tables import TableFacts


class TableInventory:
    """The tables of an account.

    Args:
        client: botocore's DynamoDB client.
        scaling: returns botocore's Application Auto Scaling client, for `deregister_scaling` alone.
    """

    def __init__(self, client: Any, scaling: Callable[[], Any]) -> None:
        self._client, self._scaling = client, scaling

    def list_tables(self, matches: Callable[[str], object]) -> list[str]:
        """Return the names of all tables that match, sorted."""
        pages = read_pages(self._client, "list_tables")
        return sorted(name for page in pages for name in page["TableNames"] if matches(name))

    def describe(self, table: str) -> TableFacts | None:
        """Describe a table; None if it does not exist."""
        description = describe_table(self._client, table)
        if description is None:
            return None
        indexes = [*description.get("GlobalSecondaryIndexes", ()), *description.get("LocalSecondaryIndexes", ())]
        return TableFacts(
            name=table,
            created_at=description["CreationDateTime"],
            size_bytes=description.get("TableSizeBytes", 0) + sum(one.get("IndexSizeBytes", 0) for one in indexes),
            items=description.get("ItemCount", 0),
            read_units=_units([description, *indexes], "ReadCapacityUnits"),
            write_units=_units([description, *indexes], "WriteCapacityUnits"),
        )

    def has_point_in_time_recovery(self, table: str) -> bool:
        """Return whether point-in-time recovery is on."""
        with translate_errors():
            backups = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")

    def deregister_scaling(self, table: str) -> int:
        """Deregister the scalable targets of a table; return their number. The alarms of their policies go with them."""
        scaling = self._scaling()
        with translate_errors():
            indexes = self._client.describe_table(TableName=table)["Table"].get("GlobalSecondaryIndexes", ())
            resources = [f"table/{table}", *(f"table/{table}/index/{index['IndexName']}" for index in indexes)]
            targets = scaling.describe_scalable_targets(ServiceNamespace="dynamodb", ResourceIds=resources)
            for target in targets["ScalableTargets"]:
                scaling.deregister_scalable_target(
                    ServiceNamespace="dynamodb",
                    ResourceId=target["ResourceId"],
                    ScalableDimension=target["ScalableDimension"],
                )
        return len(targets["ScalableTargets"])


def _units(descriptions: list[Mapping[str, Any]], kind: str) -> int:
    """Return the provisioned units of a table and its indexes; DynamoDB reports 0 on demand."""
    return sum(int((one.get("ProvisionedThroughput") or {}).get(kind, 0)) for one in descriptions)
