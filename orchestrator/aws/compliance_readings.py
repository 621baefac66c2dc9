"""What the controls of an environment read from its account: templates, tables, log groups and trails. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code


class ComplianceReadings:
    """The readings of an environment.

    Args:
        clients: returns the botocore client of a service, in the environment's region.
    """

    def __init__(self, clients: Callable[[str], Any]) -> None:
        self._clients = clients

    def read_templates(self, stacks: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the deployed templates by stack; one that does not exist is absent."""
        found = {stack: self._template(stack) for stack in stacks}
        return {stack: template for stack, template in found.items() if template is not None}

    def _template(self, stack: str) -> Mapping[str, Any] | None:
        try:
            body = self._clients("cloudformation").get_template(StackName=stack)["TemplateBody"]
        except ClientError as error:
            if error_code(error) == "ValidationError":
                return None
            raise
        # botocore decodes a JSON template; another form of it is text.
        template = json.loads(body) if isinstance(body, str) else body
        return template if isinstance(template, Mapping) else None

    def read_expiry(self, tables: Sequence[str]) -> Mapping[str, str]:
        """Return DynamoDB's TimeToLiveStatus by table; empty without one."""
        dynamodb = self._clients("dynamodb")
        return {
            table: str(
                dynamodb.describe_time_to_live(TableName=table)
                .get("TimeToLiveDescription", {})
                .get("TimeToLiveStatus", "")
            )
            for table in tables
        }

    def read_encryption(self, tables: Sequence[str]) -> Mapping[str, str]:
        """Return DynamoDB's SSEType by table; empty for a table that a key of AWS encrypts."""
        dynamodb = self._clients("dynamodb")
        descriptions = {table: dynamodb.describe_table(TableName=table)["Table"] for table in tables}
        return {
            table: str(description.get("SSEDescription", {}).get("SSEType", ""))
            for table, description in descriptions.items()
        }

    def read_log_retention(self, prefixes: Sequence[str], suffix: str) -> Mapping[str, int | None]:
        """Return the retention in days by log group; None for ever.

        Args:
            prefixes: the beginnings of the names.
            suffix: the end of the names: that of the environment.
        """
        logs = self._clients("logs")
        found: dict[str, int | None] = {}
        for prefix in prefixes:
            for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
                for group in page["logGroups"]:
                    if str(group["logGroupName"]).endswith(suffix):
                        found[str(group["logGroupName"])] = group.get("retentionInDays")
        return found

    def read_trails(self) -> Mapping[str, bool]:
        """Return whether each trail of the region is logging, by ARN."""
        cloudtrail = self._clients("cloudtrail")
        trails = [str(trail["TrailARN"]) for trail in cloudtrail.describe_trails()["trailList"]]
        return {trail: bool(cloudtrail.get_trail_status(Name=trail)["IsLogging"]) for trail in trails}
