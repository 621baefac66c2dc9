"""CloudFormation: find stacks whose creation failed, and remove them with all that a rollback could not delete.

Facts of AWS that this relies on:

- DeleteStack refuses a stack with termination protection, and retains resources with DeletionPolicy
  RetainExceptOnCreate: they are retained by every operation but the rollback of their creation.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-protect-stacks.html
- A table with deletion protection cannot be deleted.
- A KMS key is deleted after a waiting period of 7 to 30 days, in which the deletion can be cancelled.
  https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.dynamodb.restores import TableRestores
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.failed_stacks import (
    CREATION_FAILED,
    FailedStack,
    StackRemoval,
    StackResource,
    plan_removal,
    refuse_older_table,
)
from orchestrator.domain.names import is_of_environment
from orchestrator.domain.recovery.restored_table import Removal

_KEY_DAYS = 7
_TABLE_TRIES, _EVERY_SECONDS = 60, 5
_ALREADY = frozenset({"KMSInvalidStateException", "NotFoundException", "ResourceNotFoundException"})
"""Error codes of keys and log groups that are deleted already, or about to be."""


class StackNotRemoved(OrchestratorError):
    """A table or the stack was not deleted in time, or CloudFormation could not delete it."""


class FailedStacks:
    """The stacks of an environment whose creation failed.

    Args:
        clients: returns the botocore client of a service.
        sleep: waits for seconds.
    """

    def __init__(self, clients: Callable[[str], Any], sleep: Callable[[float], None]) -> None:
        self._clients, self._sleep = clients, sleep
        self._client = clients("cloudformation")

    def find(self, environment: str) -> tuple[FailedStack, ...]:
        """Return the failed stacks of an environment, the newest first: a later stack depends on an earlier one."""
        with translate_errors():
            pages = self._client.get_paginator("describe_stacks").paginate()
            found = [stack for page in pages for stack in page["Stacks"] if _is_failed(stack, environment)]
        return tuple(self._read(stack) for stack in sorted(found, key=lambda one: one["CreationTime"], reverse=True))

    def plan(self, stack: FailedStack) -> StackRemoval:
        """Return what is removed with a stack.

        Raises:
            Refused: the stack, a bucket, a vault or a table may hold data.
        """
        removal = plan_removal(stack)
        for table in removal.tables:
            with translate_errors():
                description = self._clients("dynamodb").describe_table(TableName=table)["Table"]
            refuse_older_table(stack, table, description["CreationDateTime"])
        return removal

    def remove(self, removal: StackRemoval) -> None:
        """Remove a stack and what it left; may be repeated after a failure.

        Raises:
            StackNotRemoved: a table or the stack is still there.
        """
        for table in removal.tables:
            self._remove_table(table)
        for key in removal.keys:
            self._remove("kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=_KEY_DAYS)
        for group in removal.log_groups:
            self._remove("logs", "delete_log_group", logGroupName=group)
        if removal.protected:
            with translate_errors():
                self._client.update_termination_protection(StackName=removal.stack, EnableTerminationProtection=False)
        with translate_errors():
            self._client.delete_stack(StackName=removal.stack)
        try:
            waiter = self._client.get_waiter("stack_delete_complete")
            waiter.wait(StackName=removal.stack, WaiterConfig={"Delay": _EVERY_SECONDS})
        except WaiterError as error:
            raise StackNotRemoved(f"{removal.stack} was not deleted: {error}") from error

    def _read(self, stack: dict[str, Any]) -> FailedStack:
        with translate_errors():
            found = self._client.describe_stack_resources(StackName=stack["StackName"])["StackResources"]
        return FailedStack(
            name=stack["StackName"],
            phase=stack["StackStatus"],
            created_at=stack["CreationTime"],
            protected=bool(stack.get("EnableTerminationProtection")),
            resources=tuple(
                StackResource(
                    one["LogicalResourceId"],
                    one["ResourceType"],
                    one.get("PhysicalResourceId", ""),
                    one["ResourceStatus"],
                )
                for one in found
            ),
        )

    def _remove_table(self, table: str) -> None:
        tables = TableRestores(self._clients("dynamodb"))
        for _ in range(_TABLE_TRIES):
            if tables.remove_table(table) is Removal.GONE:
                return
            self._sleep(_EVERY_SECONDS)
        raise StackNotRemoved(f"the table {table} was not deleted within {_TABLE_TRIES * _EVERY_SECONDS} s")

    def _remove(self, service: str, operation: str, **parameters: Any) -> None:
        try:
            with translate_errors():
                getattr(self._clients(service), operation)(**parameters)
        except ClientError as error:
            if error_code(error) not in _ALREADY:
                raise


def _is_failed(stack: dict[str, Any], environment: str) -> bool:
    name = str(stack["StackName"])
    ours = is_of_environment(name, environment)
    return ours and stack["StackStatus"] in CREATION_FAILED
