"""StartCutover: set the restored tables on `$LATEST`, and start the deployment that switches the service to them."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.restored_tokens import restored_tokens_of
from orchestrator.domain.recovery.isolated_service import refuse_unsafe
from orchestrator.domain.recovery.record import Recovery, Role
from orchestrator.domain.recovery.restore import (
    deployment_for,
    environment_variables_for,
    least_epoch_of,
    refuse_failed_checks,
    refuse_other_release,
    refuse_other_sources,
)
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task, save_and_continue


def start_cutover(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Change the environment variables of `$LATEST` and start the deployment.

    A retry writes the same variables and finds the same deployment.

    Raises:
        Refused: a check of the restored tables failed, or `$LATEST` holds another release than the live version.
        LockLost: another execution holds the lock.
    """
    ledger = cloud.restores
    recovery = ledger.read_record(task_input.recovery)
    refuse_failed_checks(recovery)
    tokens_epoch = _tokens_epoch(recovery, cloud)
    functions = sorted(recovery.service.functions.items())
    live_epochs = [_live_least_epoch(name, function_name, recovery, cloud) for name, function_name in functions]
    least_epoch = max(tokens_epoch, *live_epochs)
    for _, function_name in functions:
        cloud.function_environment.update_variables(
            function_name,
            lambda variables: environment_variables_for(variables, recovery, least_epoch),
            ledger.fence(task_input.fencing_token),
        )
    deployment = deployment_for(recovery.id)
    requested = replace(recovery, deployment=deployment, least_epoch=least_epoch)
    targets = ", ".join(table.target for table in recovery.tables)
    output = save_and_continue(task_input, cloud, requested, f"{deployment} switches the service to {targets}")
    # Last, after the record names it: once the deployment holds the lock, this fencing token can write nothing more.
    request = {"requested_by": f"restore {recovery.id}", "cutover": recovery.id, "force": True}
    cloud.executions.start_execution(cloud.settings["DEPLOYMENT_MACHINE"], deployment, request)
    return output


def _tokens_epoch(recovery: Recovery, cloud: Cloud) -> int:
    """Return the revocation epoch of the tokens table from now on.

    For a restore it is the epoch in which the restored table was sanitized; for a failback, that of the table in use.
    """
    if not recovery.failback_of:
        return refuse_unsafe(restored_tokens_of(recovery, cloud).read_state(), recovery.id).epoch
    in_use = recovery.table(Role.TOKENS).source
    return cloud.restored_tokens(in_use, in_use, recovery.service.revocations).read_epoch()


def _live_least_epoch(name: str, function_name: str, recovery: Recovery, cloud: Cloud) -> int:
    """Return the lowest revocation epoch that the live version serves.

    Raises:
        Refused: the live version uses other tables than the restore replaces, or `$LATEST` holds another release.
    """
    live_version = cloud.aliases.read_alias(function_name).routing.primary
    live, latest = for_each(
        (live_version, "$LATEST"), lambda version: cloud.versions.describe_version(function_name, version)
    )
    refuse_other_sources(name, live, {table.role: table.source for table in recovery.tables})
    refuse_other_release(name, live, latest)
    return least_epoch_of(live)


handler = recovery_task(start_cutover)
