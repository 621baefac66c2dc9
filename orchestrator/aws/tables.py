"""DynamoDB tables as things to be recovered: their point-in-time recovery and their backups."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused


class Tables:
    """Recovery of tables.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def recoverable(self, table: str) -> bool:
        """Whether point-in-time recovery is on.

        Raises:
            Refused: there is no such table.
        """
        try:
            with narrowed():
                found = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        except ClientError as error:
            if code_of(error) in {"TableNotFoundException", "ResourceNotFoundException"}:
                raise Refused("service.tables", table, "deploy the service stack first") from error
            raise
        recovery = found.get("PointInTimeRecoveryDescription") or {}
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")

    def back_up(self, table: str, name: str) -> str:
        """Start an on-demand backup and return its ARN. It is fuzzy by about a minute under writes."""
        with narrowed():
            return str(self._client.create_backup(TableName=table, BackupName=name)["BackupDetails"]["BackupArn"])
