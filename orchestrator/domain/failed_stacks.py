"""Stacks whose creation failed: which of them stand in the way of the next deployment, and what has to go. Pure.

CloudFormation rolls a failed creation back. What it cannot delete stays: a table with deletion protection, the keys
that such a table needs, a bucket that has objects. The stack itself stays with its termination protection, so
`cdk deploy` cannot replace it. Such a stack never served clients: its creation was not completed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.errors import Refused

CREATION_FAILED = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
"""The states of a stack that was never created completely. Only its deletion is possible.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html"""

TABLES = frozenset({"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"})
KEY, LOG_GROUP = "AWS::KMS::Key", "AWS::Logs::LogGroup"
_EMPTIED_BY_HAND = {"AWS::S3::Bucket": "bucket", "AWS::Backup::BackupVault": "vault"}
_GONE = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})
"""States of resources that a rollback deleted, or retains for good because other stacks use them."""


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack; `name` is its physical id, empty if it was never created."""

    logical_id: str
    resource_type: str
    name: str
    phase: str


@dataclass(frozen=True)
class FailedStack:
    """A stack whose creation failed.

    Attributes:
        name: its name.
        phase: its status.
        created_at: when its creation began.
        protected: whether termination protection is on.
        resources: all of its resources.
    """

    name: str
    phase: str
    created_at: datetime
    protected: bool
    resources: tuple[StackResource, ...]


@dataclass(frozen=True)
class StackRemoval:
    """What is removed with a stack. CloudFormation deletes the rest.

    Attributes:
        stack: the stack's name.
        protected: whether its termination protection has to be turned off.
        tables: tables whose deletion protection has to be turned off.
        keys: ids of KMS keys, to be scheduled for deletion.
        log_groups: log groups.
    """

    stack: str
    protected: bool
    tables: tuple[str, ...]
    keys: tuple[str, ...]
    log_groups: tuple[str, ...]


def plan_removal(stack: FailedStack) -> StackRemoval:
    """Return what is removed with a failed stack.

    Raises:
        Refused: the stack was created once, or a bucket or vault of it has to be emptied first.
    """
    if stack.phase not in CREATION_FAILED:
        raise Refused("stack", stack.name, f"it is in {stack.phase}: remove only a stack whose creation failed")
    left = [resource for resource in stack.resources if resource.name and resource.phase not in _GONE]
    for resource in left:
        if what := _EMPTIED_BY_HAND.get(resource.resource_type):
            remedy = f"empty the {what} and delete it, then repeat: CloudFormation deletes no {what} that holds data"
            raise Refused(f"{stack.name}.{resource.logical_id}", resource.name, remedy)
    return StackRemoval(
        stack=stack.name,
        protected=stack.protected,
        tables=_names(left, TABLES),
        keys=_names(left, {KEY}),
        log_groups=_names(left, {LOG_GROUP}),
    )


def refuse_older_table(stack: FailedStack, table: str, created_at: datetime) -> None:
    """Refuse a table that is older than the stack: the failed creation did not make it, so it may hold data.

    Raises:
        Refused: the table is older.
    """
    if created_at < stack.created_at.replace(microsecond=0):  # some times are given in whole seconds
        remedy = f"it is older than {stack.name}: keep it, and import it after the next creation (npx cdk import)"
        raise Refused("table", table, remedy)


def _names(resources: Iterable[StackResource], types: Iterable[str]) -> tuple[str, ...]:
    wanted = frozenset(types)
    return tuple(resource.name for resource in resources if resource.resource_type in wanted)
