"""Removes everything that a run made: the stacks, and what their deletion retains.

Only stacks named ``ib-oauth-*-ENVIRONMENT`` are looked at, and only resources that these stacks list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from orchestrator.aws.clients import error_code
from orchestrator.aws.dynamodb.restores import TableRestores
from orchestrator.domain.names import DRILL_PREFIX, PREFIX, RESTORED_PREFIX, is_of_environment
from orchestrator.domain.recovery.restored_table import Removal

Clients = Callable[[str], Any]
_TRIES, _EVERY_SECONDS, _KEY_DAYS = 60, 5, 7
_GONE = frozenset(
    {"NoSuchBucket", "NotFoundException", "ResourceNotFoundException", "KMSInvalidStateException", "ValidationError"}
)
FAILURES = (ClientError, BotoCoreError)


def tear_down(environment: str, regions: Mapping[str, Clients], say: Callable[[str], None]) -> tuple[str, ...]:
    """Remove an environment from regions, whatever state it is in; return what is left, one entry each.

    Args:
        environment: the environment's name.
        regions: functions that create botocore clients, by region.
        say: prints a line.
    """
    left: list[str] = []
    for region, clients in regions.items():
        for stack in _stacks(clients, environment):
            say(f"  removing {stack} in {region}")
            left += [f"{region}: {thing}" for thing in _remove_stack(clients, stack)]
        left += [f"{region}: table {name}" for name in _remove_tables(clients, environment)]
        left += [f"{region}: stack {name}" for name in _stacks(clients, environment)]
    return tuple(left)


def _stacks(clients: Clients, environment: str) -> list[str]:
    """The environment's stacks, the newest first: a later stack imports from an earlier one."""
    pages = clients("cloudformation").get_paginator("describe_stacks").paginate()
    found = [stack for page in pages for stack in page["Stacks"] if is_of_environment(stack["StackName"], environment)]
    return [stack["StackName"] for stack in sorted(found, key=lambda one: one["CreationTime"], reverse=True)]


def _remove_stack(clients: Clients, stack: str) -> list[str]:
    client = clients("cloudformation")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [one for page in pages for one in page["StackResourceSummaries"]]
    for resource in resources:  # buckets and tables must not stand in the way of the deletion
        _prepare(clients, resource)
    client.update_termination_protection(StackName=stack, EnableTerminationProtection=False)
    client.delete_stack(StackName=stack)
    left = []
    try:
        client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": _EVERY_SECONDS})
    except WaiterError as error:
        left.append(f"stack {stack}: {error}")
    return [*left, *(problem for resource in resources if (problem := _remove(clients, resource)))]


def _prepare(clients: Clients, resource: Mapping[str, Any]) -> None:
    name = resource.get("PhysicalResourceId", "")
    try:
        match resource["ResourceType"]:
            case "AWS::S3::Bucket" if name:
                _empty_bucket(clients("s3"), name)
            case "AWS::DynamoDB::Table" if name:
                TableRestores(clients("dynamodb")).set_deletion_protection(name, on=False)
            case "AWS::CloudTrail::Trail" if name:
                clients("cloudtrail").stop_logging(Name=name)
    except FAILURES as error:
        if _code(error) not in _GONE:
            raise


def _remove(clients: Clients, resource: Mapping[str, Any]) -> str:
    """Remove a resource that the deletion of its stack retained; return what stood in the way."""
    name, kind = resource.get("PhysicalResourceId", ""), resource["ResourceType"]
    if not name:
        return ""
    try:
        match kind:
            case "AWS::DynamoDB::Table":
                return "" if _remove_table(clients, name) else f"table {name}"
            case "AWS::KMS::Key":
                clients("kms").schedule_key_deletion(KeyId=name, PendingWindowInDays=_KEY_DAYS)
            case "AWS::Logs::LogGroup":
                clients("logs").delete_log_group(logGroupName=name)
            case "AWS::S3::Bucket":
                _empty_bucket(clients("s3"), name)
                clients("s3").delete_bucket(Bucket=name)
            case "AWS::Backup::BackupVault":
                clients("backup").delete_backup_vault(BackupVaultName=name)
    except FAILURES as error:
        if _code(error) not in _GONE:
            return f"{kind} {name}: {error}"
    return ""


def _empty_bucket(client: Any, bucket: str) -> None:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        objects = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        ]
        if objects:
            client.delete_objects(
                Bucket=bucket, Delete={"Objects": objects, "Quiet": True}, BypassGovernanceRetention=True
            )


def _remove_tables(clients: Clients, environment: str) -> Sequence[str]:
    """Remove what restores and drills made; return what is left."""
    pages = clients("dynamodb").get_paginator("list_tables").paginate()
    names = [name for page in pages for name in page["TableNames"]]
    prefixes = (DRILL_PREFIX, RESTORED_PREFIX, f"{PREFIX}smoke-")
    ours = [name for name in names if name.startswith(prefixes) and f"-{environment}" in name]
    return [name for name in ours if not _remove_table(clients, name)]


def _remove_table(clients: Clients, name: str) -> bool:
    tables = TableRestores(clients("dynamodb"))
    for _ in range(_TRIES):
        if tables.remove_table(name) is Removal.GONE:
            return True
        time.sleep(_EVERY_SECONDS)
    return False


def _code(error: Exception) -> str:
    return error_code(error) if isinstance(error, ClientError) else ""
