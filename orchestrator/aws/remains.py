"""What a drill leaves behind unless it is removed. Names follow from the drill's id, so they are known whatever became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Recovery, Sabotage
from orchestrator.domain.recovery_plan import target_name
from orchestrator.domain.restored import Removal

_ABSENT = frozenset({"ResourceNotFoundException", "NoSuchEntity"})
_BEING_CHANGED = frozenset({"ResourceConflictException", "OperationAbortedException", "DeleteConflict"})
_NOT_ALLOWED = frozenset({"AccessDeniedException", "AccessDenied", "UnmodifiableEntity"})


def remove(cloud: Cloud, recovery: Recovery, *, saboteur: bool = True) -> Mapping[str, Removal]:
    """Remove what a drill made; what is gone already is passed over, so it can be repeated.

    Args:
        cloud: the environment.
        recovery: whose things. Of a restore nothing is removed here: its tables are what it is for.
        saboteur: whether one who blocks the removal is let.

    Returns:
        Name of each thing that a drill may make to how far its removal has come.
    """
    if recovery.kind is not Kind.DRILL:
        return {}
    tables = {table.target: partial(remove_table, cloud, table.target) for table in recovery.tables}
    if saboteur and recovery.sabotage is Sabotage.CLEANUP_BLOCKED:
        tables = {name: partial(_blocked, cloud, name) for name in tables}
    functions = [
        target_name(Kind.DRILL, recovery.id, name, recovery.environment) for name in recovery.service.functions
    ]
    removals: dict[str, Callable[[], Removal]] = {
        **tables,
        **{f"function {name}": partial(remove_function, cloud, name) for name in functions},
        **{f"role {name}": partial(remove_role, cloud, name) for name in functions},
        **{f"log group of {name}": partial(remove_logs, cloud, name) for name in functions},
    }
    if any(table.by_export for table in recovery.tables):
        removals["exports"] = partial(remove_exports, cloud, recovery.id)
    done = for_each(removals.values(), lambda call: call())
    return dict(zip(removals, done, strict=True))


def remove_table(cloud: Cloud, table: str) -> Removal:
    """Delete a table, its protection lifted first."""
    return cloud.restoring.remove(table)


def _blocked(cloud: Cloud, table: str) -> Removal:
    """What a saboteur does: protects the copy, and has the cleaner not lift that."""
    cloud.restoring.protect(table, on=True)
    return cloud.restoring.remove(table, lift_protection=False)


def remove_function(cloud: Cloud, name: str) -> Removal:
    """Delete a function."""
    return _gone(lambda: cloud.clients("lambda").delete_function(FunctionName=name))


def remove_role(cloud: Cloud, name: str) -> Removal:
    """Delete a role with the policies in it."""
    iam = cloud.clients("iam")

    def delete() -> None:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)

    return _gone(delete)


def remove_logs(cloud: Cloud, function: str) -> Removal:
    """Delete a function's log group."""
    return _gone(lambda: cloud.clients("logs").delete_log_group(logGroupName=f"/aws/lambda/{function}"))


def remove_exports(cloud: Cloud, recovery_id: str) -> Removal:
    """Delete the files of a drill's exports; what one writes that is still under way goes by the bucket's own rule, after a day."""
    return _gone(lambda: cloud.exports.remove(recovery_id))


def _gone(delete: Callable[[], Any]) -> Removal:
    try:
        with narrowed():
            delete()
    except ClientError as error:
        code = code_of(error)
        if code in _BEING_CHANGED:
            return Removal.UNDER_WAY
        if code in _NOT_ALLOWED:
            return Removal.REFUSED
        if code not in _ABSENT:
            raise
    return Removal.GONE
