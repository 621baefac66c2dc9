"""The cleanup job: remove what drills leave behind, when their executions are dead or their resources have expired.

Two kinds of resources are removed: those that the ledger names, whose names follow from a drill's id, and those that
are tagged as a drill's of this environment, have expired, and belong to no ledger record. A name proves nothing: a table
that the ledger names is removed only if DynamoDB reports that it was restored for the drill (`foreign_reason`), and a
function only if it has the drill's tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.recovery_reporting import publish_completion, write_evidence
from orchestrator.application.restored_tables.restore_jobs import describe_restored, may_appear
from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.names import DRILL_PREFIX
from orchestrator.domain.recovery.backups.kinds import BY_RESTORE_JOB
from orchestrator.domain.recovery.cleanup import cleanup_reason, concluded_by_cleanup, is_expired_drill, with_cleaned_at
from orchestrator.domain.recovery.outcome import recovery_message
from orchestrator.domain.recovery.record import Fault, Recovery, RecoveryAction, RecoveryDecision, TableRecovery
from orchestrator.domain.recovery.request import target_name
from orchestrator.domain.recovery.restored_table import (
    CLOCK_TOLERANCE,
    DRILL_TAG,
    Removal,
    foreign_reason,
    judge_removal,
)

RECENT = 50
"""How many recoveries are checked: a month of daily drills, and some that operators requested."""

CLEANUP_HOLDER = "#cleanup"
"""Appended to a dead execution's ARN, it names the holder of the lock meanwhile. No execution has such an ARN, so any
other execution may take the lock over."""

_ABSENT = frozenset({"ResourceNotFoundException"})
_BEING_CHANGED = frozenset({"ResourceConflictException", "OperationAbortedException"})
_NOT_ALLOWED = frozenset({"AccessDeniedException", "AccessDenied"})


# --- the job ---------------------------------------------------------------------------------------------


def clean_up_recovery(cloud: Cloud, recovery: Recovery) -> str:
    """Remove what a drill left, and complete its record if it is incomplete; return what was done, or nothing.

    Of a restore whose execution is dead, only the evidence is written: its tables are its result.
    """
    if recovery.kind is Kind.RESTORE:
        return _report_dead_restore(cloud, recovery)
    alive = (
        not (recovery.ended_at and recovery.cleaned_at)
        and cloud.executions.describe_execution(recovery.execution).alive
    )
    reason = cleanup_reason(recovery, alive=alive, now=cloud.now())
    if not reason:
        return ""
    fencing_token = _take_over_lock(cloud, recovery)
    removals = remove_drill_resources(cloud, recovery, inject_fault=False)
    judged, wait = judge_removal(recovery, removals, cloud.now())
    left = [name for name, removal in removals.items() if not removal.over]
    completed = recovery.ended_at is None and not wait
    if completed:
        _complete(cloud, concluded_by_cleanup(judged, cloud.now()), fencing_token)
    elif not left and recovery.cleaned_at is None:
        cloud.drills.save_unlocked(with_cleaned_at(recovery, cloud.now()))
    if fencing_token:
        cloud.drills.release_lock(fencing_token)
    _write_missing_evidence(cloud, recovery.id)
    if completed:
        ended = cloud.drills.read_record(recovery.id)
        failed = RecoveryDecision(RecoveryAction.FAILED, ended.reason)
        publish_completion(cloud, ended.kind, ended.id, ended, failed)
    result = f"left: {', '.join(left)}" if left else "nothing is left of it"
    return f"{recovery.id}: {reason}; {result}"


def clean_up_abandoned(cloud: Cloud) -> list[str]:
    """Remove expired resources that are tagged as a drill's and belong to no ledger record; return what was done."""
    removed = []
    for arn, tags in _tagged_resources(cloud):
        name = arn.rpartition("/")[2].rpartition(":")[2]
        remove = _REMOVERS.get(arn.split(":")[2])
        if (
            remove is None
            or not name.startswith(DRILL_PREFIX)
            or not is_expired_drill(tags, cloud.environment, cloud.now())
        ):
            continue
        if cloud.drills.find_record(tags[DRILL_TAG]) is None:
            removed.append(f"{name}: abandoned, {remove(cloud, name).lower()}")
    return removed


def _take_over_lock(cloud: Cloud, recovery: Recovery) -> int:
    """Take over the lock of a dead execution, so that it writes nothing more; 0 if it does not hold the lock."""
    lock = cloud.drills.read_lock()
    holder = f"{recovery.execution}{CLEANUP_HOLDER}"
    if lock.execution not in {recovery.execution, holder}:
        return 0
    return cloud.drills.acquire_lock(lock, holder, recovery.id, Kind.DRILL, cloud.now()).fencing_token


def _complete(cloud: Cloud, recovery: Recovery, fencing_token: int) -> None:
    if fencing_token:
        cloud.drills.save_record(recovery, fencing_token)
    else:
        cloud.drills.save_unlocked(recovery)
    _notify_operators(cloud, recovery, RecoveryDecision(RecoveryAction.FAILED, recovery.reason))


def _report_dead_restore(cloud: Cloud, recovery: Recovery) -> str:
    """Write the evidence of a restore whose execution died, and report its outcome. Nothing is removed.

    Its record must be complete: `orchestrator.application.stale_executions` completes it.
    """
    if recovery.ended_at is None or cloud.evidence.find_entry(recovery.id) is not None:
        return ""
    if cloud.executions.describe_execution(recovery.execution).alive:
        return ""
    write_evidence(cloud, recovery)
    action = RecoveryAction(recovery.outcome or RecoveryAction.FAILED)
    decision = RecoveryDecision(action, recovery.reason)
    _notify_operators(cloud, recovery, decision)
    publish_completion(cloud, recovery.kind, recovery.id, recovery, decision)
    return f"{recovery.id}: its execution is dead; its evidence is written"


def _notify_operators(cloud: Cloud, recovery: Recovery, decision: RecoveryDecision) -> None:
    subject, text = recovery_message(recovery.id, recovery.kind, cloud.environment, recovery, decision, {})
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)


def _write_missing_evidence(cloud: Cloud, recovery_id: str) -> None:
    """Write the evidence of a drill whose execution died before it could."""
    recovery = cloud.drills.read_record(recovery_id)
    if recovery.ended_at and cloud.evidence.find_entry(recovery_id) is None:
        write_evidence(cloud, recovery)


def _tagged_resources(cloud: Cloud) -> list[tuple[str, Mapping[str, str]]]:
    pages = (
        cloud.clients("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(TagFilters=[{"Key": DRILL_TAG}], ResourceTypeFilters=["dynamodb:table", "lambda:function"])
    )
    with translate_errors():
        return [
            (resource["ResourceARN"], {tag["Key"]: tag["Value"] for tag in resource["Tags"]})
            for page in pages
            for resource in page["ResourceTagMappingList"]
        ]


# --- the resources ---------------------------------------------------------------------------------------


def remove_drill_resources(cloud: Cloud, recovery: Recovery, *, inject_fault: bool = True) -> Mapping[str, Removal]:
    """Remove what a drill created. It is idempotent: a resource that no longer exists counts as removed.

    Args:
        cloud: the environment.
        recovery: the drill. Nothing is removed of a restore: its tables are its result.
        inject_fault: whether the drill's fault CLEANUP_BLOCKED takes effect.

    Returns:
        Name of each resource that a drill may create to the progress of its removal.
    """
    if recovery.kind is not Kind.DRILL:
        return {}
    remove = _remove_blocked if inject_fault and recovery.fault is Fault.CLEANUP_BLOCKED else remove_table
    tables = {table.target: partial(_remove_own_table, cloud, recovery, table, remove) for table in recovery.tables}
    functions = [
        target_name(Kind.DRILL, recovery.id, name, recovery.environment) for name in recovery.service.functions
    ]
    removals: dict[str, Callable[[], Removal]] = {
        **tables,
        **{f"function {name}": partial(_remove_own_function, cloud, recovery, name) for name in functions},
    }
    if any(table.by_export for table in recovery.tables):
        removals["exports"] = partial(remove_exports, cloud, recovery.id)
    results = for_each(removals.values(), lambda remove: remove())
    return dict(zip(removals, results, strict=True))


def _remove_own_table(
    cloud: Cloud, recovery: Recovery, table: TableRecovery, remove: Callable[[Cloud, str], Removal]
) -> Removal:
    """Remove a restored table, unless another table has its name."""
    restored = describe_restored(cloud, recovery, table)
    if restored is None:
        return Removal.UNDER_WAY if _may_create(cloud, recovery, table) else Removal.GONE
    if reason := foreign_reason(recovery, table, restored):
        # A job names its table late. Until then, nothing proves that the table is the drill's, or that it is not.
        if _may_create(cloud, recovery, table):
            return Removal.UNDER_WAY
        logger.error("table not removed", extra={"recovery": recovery.id, "table": table.target, "reason": reason})
        return Removal.FOREIGN
    return remove(cloud, table.target)


def _may_create(cloud: Cloud, recovery: Recovery, table: TableRecovery) -> bool:
    """Return whether a job of the drill may still create a table, also if the job's id was lost."""
    if table.restore_job or recovery.backup_kind not in BY_RESTORE_JOB:
        return may_appear(cloud, table)
    since = recovery.requested_at - CLOCK_TOLERANCE
    return cloud.restore_jobs.find_unnamed(table.restored_from, since) is not None


def remove_table(cloud: Cloud, table: str) -> Removal:
    """Delete a table, after lifting its deletion protection."""
    return cloud.table_restores.remove_table(table)


def _remove_blocked(cloud: Cloud, table: str) -> Removal:
    """Inject a fault: protect the restored table from deletion, and try to delete it without lifting that."""
    cloud.table_restores.set_deletion_protection(table, on=True)
    return cloud.table_restores.remove_table(table, lift_protection=False)


def _remove_own_function(cloud: Cloud, recovery: Recovery, name: str) -> Removal:
    """Delete an isolated function, unless another function has its name."""
    function = cloud.isolated_functions.find_function(name)
    if function is None:
        return Removal.GONE
    if function.tags.get(DRILL_TAG) != recovery.id:
        logger.error("function not removed", extra={"recovery": recovery.id, "function": name})
        return Removal.FOREIGN
    return remove_function(cloud, name)


def remove_function(cloud: Cloud, name: str) -> Removal:
    """Delete a function."""
    return _removal(lambda: cloud.clients("lambda").delete_function(FunctionName=name))


def remove_exports(cloud: Cloud, recovery_id: str) -> Removal:
    """Delete the files of a drill's exports. The bucket's lifecycle deletes those of a running export after a day."""
    return _removal(lambda: cloud.exports.remove_files(recovery_id))


_REMOVERS: Mapping[str, Callable[[Cloud, str], Removal]] = {"dynamodb": remove_table, "lambda": remove_function}


def _removal(delete: Callable[[], Any]) -> Removal:
    try:
        with translate_errors():
            delete()
    except ClientError as error:
        code = error_code(error)
        if code in _BEING_CHANGED:
            return Removal.UNDER_WAY
        if code in _NOT_ALLOWED:
            return Removal.REFUSED
        if code not in _ABSENT:
            raise
    return Removal.GONE
