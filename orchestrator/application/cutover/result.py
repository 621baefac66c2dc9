"""The result of a cutover: whether its deployment has ended, and what to roll back if it did not succeed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from orchestrator.application.cloud import Cloud
from orchestrator.application.restored_tokens import log_epoch_in_force
from orchestrator.aws.step_functions import execution_arn
from orchestrator.domain.deployment.outcome import cause_of
from orchestrator.domain.deployment.release import FunctionVersion
from orchestrator.domain.environment_lock import EnvironmentLock
from orchestrator.domain.recovery.failback import check_results_of
from orchestrator.domain.recovery.record import CUTOVER_CHECK, CheckResult, Recovery
from orchestrator.domain.recovery.restore import (
    VARIABLES,
    cutover_not_requested,
    environment_variables_of,
    judge_cutover,
)
from orchestrator.domain.verdict import Outcome


def cutover_result(cloud: Cloud, recovery: Recovery, error: Mapping[str, str]) -> CheckResult | None:
    """Return the result of the deployment that makes the service use the restored tables; None while it is running.

    A result that was recorded stays: the restore has forgotten a failed deployment since.

    Args:
        cloud: the environment.
        recovery: the restore.
        error: the error that prevented the deployment's request, as a state machine reports it; empty if none did.
    """
    recorded = next((result for result in recovery.check_results if result.check == CUTOVER_CHECK), None)
    if recorded is not None:
        return recorded
    if not recovery.deployment:
        return cutover_not_requested(cause_of(error) if error else "it was not requested")
    deployment = cloud.ledger.find_record(recovery.deployment)
    refusal = cloud.ledger.read_refusal(recovery.deployment)
    if deployment is not None:
        return judge_cutover(recovery.deployment, deployment, "") if deployment.ended_at else None
    if refusal is not None:
        return judge_cutover(recovery.deployment, None, refusal.why)
    arn = execution_arn(cloud.settings["DEPLOYMENT_MACHINE"], recovery.deployment)
    if cloud.executions.describe_execution(arn).alive:
        return None
    return judge_cutover(recovery.deployment, None, "its execution ended before its plan was recorded")


def finish_cutover(cloud: Cloud, recovery: Recovery, result: CheckResult, lock: EnvironmentLock) -> Recovery:
    """Return the recovery with the result of its cutover.

    After a successful one, the revocation log gets the epoch of the tables in use. After a failed one, `$LATEST` gets the
    environment variables of the live version again; the deployment or its rollback has reverted the aliases and unblocked
    the tables by then. The recovery forgets a failed deployment, so that a late start of it is refused.

    Args:
        cloud: the environment.
        recovery: the restore.
        result: of its cutover.
        lock: the environment lock, held by the caller.

    Raises:
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.find_record(recovery.deployment) if recovery.deployment else None
    sync_results = check_results_of(deployment.cutover.sync) if deployment and deployment.cutover else ()
    recovery = replace(recovery, fencing_token=lock.fencing_token).with_check_results(result, *sync_results)
    if result.verdict.outcome is Outcome.PASS:
        log_epoch_in_force(recovery, cloud)
        return recovery
    for function_name in recovery.service.functions.values():
        stable = cloud.aliases.read_alias(function_name).routing.primary
        live = cloud.versions.describe_version(function_name, stable)
        cloud.function_environment.update_variables(
            function_name, partial(_variables_of, live, recovery), cloud.restores.fence(lock.fencing_token)
        )
    return replace(recovery, deployment="")


def _variables_of(live: FunctionVersion, recovery: Recovery, variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of `$LATEST` after a failed cutover: the live version's, if the cutover had changed them.

    Another writer may have changed them since: a restore that died may be completed after other deployments.
    """
    tables = {variables[name] for name in VARIABLES.values() if name in variables}
    changed = not tables or not tables.isdisjoint(table.target for table in recovery.tables)
    return environment_variables_of(live) if changed else variables
