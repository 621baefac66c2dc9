"""A table of the service is deleted, or emptied slowly by a bug."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from orchestrator.aws.oauth_tables.restored_tokens import FAMILY
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.names import resource_name
from orchestrator.domain.recovery.record import Role
from orchestrator.local.deployed_environment import ENVIRONMENT
from orchestrator.local.rehearsal.stage import Stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

GONE_SECONDS = 60.0
DELETIONS_PER_SECOND = 20.0
DELETED_BEFORE_NOTICE = 60
"""Refresh tokens that are gone when users report it."""
NOTICE_SECONDS = 120.0
_RESTORE, _POINT = "restore", "recovery point"
_stop_emptying = threading.Event()


def delete_table(stage: Stage, name: str) -> None:
    """Delete a table, as an administrator can: deletion protection first."""
    dynamodb = stage.here.cloud.clients("dynamodb")
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)

    def gone() -> bool | None:
        try:
            dynamodb.describe_table(TableName=name)
        except ClientError:
            return True
        return None

    stage.wait_until(gone, GONE_SECONDS, f"the deletion of {name}")


def delete(stage: Stage) -> None:
    """Delete the table of tokens."""
    delete_table(stage, live_table(stage, Role.TOKENS))


def start_emptying(stage: Stage) -> None:
    """Delete refresh tokens, one after the other, until the person stops it; return when users have noticed."""
    stage.notes[_POINT] = (datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)).isoformat()
    _stop_emptying.clear()
    deleted: list[str] = []
    threading.Thread(target=_empty, args=(stage, live_table(stage, Role.TOKENS), deleted), daemon=True).start()
    stage.wait_until(
        lambda: len(deleted) >= DELETED_BEFORE_NOTICE or None, NOTICE_SECONDS, f"{DELETED_BEFORE_NOTICE} deletions"
    )


def restore_deleted(stage: Stage) -> None:
    """Restore the deleted table from the backup that its deletion left."""
    _restore(stage, "")


def restore_emptied(stage: Stage) -> None:
    """Stop the bug, and restore to the second before it began."""
    _stop_emptying.set()
    _restore(stage, f" --to {stage.notes[_POINT]}")


def verify(stage: Stage) -> str:
    """Write the restored tables into the settings, deploy the stacks, and verify the live versions."""
    stage.type(f"orchestrator restore --write-settings {stage.notes[_RESTORE]} --env ENV")
    stage.deploy_stacks()
    stage.type("orchestrator verify --flows 1 --env ENV")
    return f"the service uses the tables of {stage.notes[_RESTORE]}, and so do the settings"


def _restore(stage: Stage, options: str) -> None:
    stage.type(f"orchestrator restore --plan{options} --env ENV")
    stage.type(f"orchestrator restore --yes --watch{options} --env ENV", expected=None)
    restores = [one for one in stage.here.cloud.restores.newest_records(5) if one.kind is Kind.RESTORE]
    restore = next((one for one in restores if one.in_use), None)
    if restore is None:
        newest = (
            f"{restores[0].id} ended {restores[0].outcome}: {restores[0].reason}" if restores else "none was started"
        )
        raise RehearsalFailed(f"no restore is in use: {newest}")
    stage.notes[_RESTORE] = restore.id
    stage.say(f"{restore.id}: {restore.outcome}, {restore.reason}")


def live_table(stage: Stage, role: Role) -> str:
    """Return the table that the live version of a function uses."""
    live = stage.here.cloud.clients("lambda").get_function_configuration(
        FunctionName=resource_name("token", ENVIRONMENT), Qualifier="live"
    )
    return str(live["Environment"]["Variables"][f"{role}_TABLE".upper()])


def _empty(stage: Stage, table: str, deleted: list[str]) -> None:
    dynamodb = stage.here.cloud.clients("dynamodb")
    families = {"FilterExpression": "begins_with(pk, :family)", "ExpressionAttributeValues": {":family": {"S": FAMILY}}}
    while not _stop_emptying.is_set():
        try:
            pages = dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="pk", **families)
            for item in (item for page in pages for item in page["Items"]):
                if _stop_emptying.wait(1 / DELETIONS_PER_SECOND):
                    return
                dynamodb.delete_item(TableName=table, Key=item)
                deleted.append(item["pk"]["S"])
        except ClientError:
            return  # the tables are closed for the cutover
        _stop_emptying.wait(1)
