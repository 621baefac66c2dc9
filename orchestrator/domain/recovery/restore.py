"""The real restore: when its tables may be used, how the service cuts over to them, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.domain.deployment.cutover import Cutover, TableChange, TableRef
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.domain.deployment.release import FunctionVersion
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import deployment_id
from orchestrator.domain.recovery.record import CUTOVER_CHECK, CheckResult, Recovery, Role, TableRecovery
from orchestrator.domain.verdict import Json, Outcome, Verdict

VARIABLES: Mapping[Role, str] = {Role.STATE: "STATE_TABLE", Role.TOKENS: "TOKENS_TABLE"}
"""Environment variable with the name of each table."""

LEAST_EPOCH = "LEAST_EPOCH"
"""Environment variable with the lowest allowed revocation epoch. With a lower one the service responds 503."""

SETTINGS: Mapping[Role, str] = {Role.STATE: "state", Role.TOKENS: "tokens"}
LEAST_EPOCH_SETTING = "least_epoch"
"""Settings of ``[environment.service.tables]`` from which the stack sets these variables."""

CHECK = CUTOVER_CHECK


def deployment_for(recovery_id: str) -> str:
    """Return the id of the deployment that cuts over to a restore's tables. It is unique, so that it starts only once."""
    return deployment_id(recovery_id)


def refuse_failed_checks(recovery: Recovery) -> None:
    """Refuse to use tables of which a check did not pass.

    Raises:
        Refused: a deciding check is not PASS, or no check ran.
    """
    deciding = [result for result in recovery.check_results if result.decides]
    failed = [result for result in deciding if result.verdict.outcome is not Outcome.PASS]
    if failed:
        reasons = "; ".join(f"{result.check}: {result.verdict.reason}" for result in failed)
        raise Refused("recovery", recovery.id, f"its tables must not be used: {reasons}")
    if not deciding:
        raise Refused("recovery", recovery.id, "no check ran")


def reason_not_comparable(recovery: Recovery, table: TableRecovery) -> str:
    """Return why a table's contents cannot be compared; empty if they can."""
    if recovery.skip_comparison:
        return f"{recovery.requested_by} skipped the comparison"
    if table.gone:
        return f"{table.source} no longer exists, so there is no evidence of what it held"
    if recovery.kind is Kind.RESTORE and table.backup_arn:
        return (
            "it was restored from a backup, whose time is only exact to a minute, so there is no evidence to the second"
        )
    if recovery.kind is Kind.RESTORE and table.by_export and not table.exported_at:
        return (
            f"{table.source} is too large, or has too little capacity, to be read while clients use it, and its export "
            f"is not complete"
        )
    return ""


def with_decides(kind: Kind, result: CheckResult) -> CheckResult:
    """Return the check result of the contents, with whether the recovery's outcome depends on it.

    A drill depends on it. A real restore starts because the source is damaged, so evidence of what it held may be
    impossible. An inconclusive result is then only informational. A known difference and a failed read still decide.
    """
    inconclusive = result.verdict.outcome is Outcome.INCONCLUSIVE
    return replace(result, decides=not (kind is Kind.RESTORE and inconclusive))


def cutover_of(recovery: Recovery, lock: EnvironmentLock) -> Cutover:
    """Return the cutover of a restore's deployment.

    Raises:
        Refused: the recovery is not a restore in progress, so its tables are not approved.
    """
    holds_lock = lock.held and lock.kind is Kind.RESTORE and lock.deployment == recovery.id
    if recovery.kind is not Kind.RESTORE or not holds_lock or not recovery.deployment:
        raise Refused("cutover", recovery.id, "only a restore in progress starts a cutover: use `orchestrator restore`")
    changes = tuple(
        TableChange(
            role=table.role,
            leaves=TableRef(table.source, table.source_arn),
            enters=TableRef(table.target, sibling_table_arn(table.source_arn, table.target)),
        )
        for table in recovery.tables
    )
    missing = tuple(table.source for table in recovery.tables if table.gone)
    return Cutover(recovery.id, changes, gone=missing, failback=bool(recovery.failback_of))


def sibling_table_arn(arn: str, table: str) -> str:
    """Return the ARN of another table of the same account and region."""
    return f"{arn.rpartition('/')[0]}/{table}"


def delegates_lock(lock: EnvironmentLock, deployment: Deployment) -> bool:
    """Return whether the restore that requested this deployment holds the lock, and lets it change the environment."""
    return (
        deployment.cutover is not None and lock.kind is Kind.RESTORE and lock.deployment == deployment.cutover.recovery
    )


def refuse_unauthorized_cutover(lock: EnvironmentLock, deployment: Deployment) -> None:
    """Refuse a cutover if the restore that requested it no longer holds the lock.

    Raises:
        Refused: the restore ended meanwhile.
    """
    if deployment.cutover is not None and not delegates_lock(lock, deployment):
        remedy = "that restore no longer holds the environment lock, so its tables are not approved; start another one"
        raise Refused("cutover", deployment.cutover.recovery, remedy)


def environment_variables_for(variables: Mapping[str, str], recovery: Recovery, epoch: int) -> Mapping[str, str]:
    """Return a function's environment variables with the restored tables in place of the sources.

    Args:
        variables: the current variables.
        recovery: the restore.
        epoch: the lowest allowed epoch of its tokens table.
    """
    names = {VARIABLES[table.role]: table.target for table in recovery.tables}
    overrides = {name: value for name, value in names.items() if name in variables}
    return {**variables, **overrides, LEAST_EPOCH: str(epoch)}


def refuse_other_release(name: str, stable: FunctionVersion, latest: FunctionVersion) -> None:
    """Refuse a cutover that changes more than the tables: `$LATEST` must otherwise equal the live version.

    Raises:
        Refused: it holds another release.
    """
    if (stable.code_sha256, _unchanged_configuration(stable)) != (latest.code_sha256, _unchanged_configuration(latest)):
        remedy = (
            "it differs from the live release: deploy the stack with the live release again, or promote this one first"
        )
        raise Refused(f"release.{name}", f"$LATEST {latest.code_sha256}", remedy)


def environment_variables_of(version: FunctionVersion) -> Mapping[str, str]:
    """Return a version's environment variables."""
    environment = version.configuration.get("Environment")
    variables = environment.get("Variables", {}) if isinstance(environment, Mapping) else {}
    return {name: str(value) for name, value in variables.items()}


def refuse_other_sources(name: str, stable: FunctionVersion, sources: Mapping[Role, str]) -> None:
    """Refuse a restore of tables that the live version does not use, because those in use would stay unblocked.

    Args:
        name: name of the function.
        stable: its live version.
        sources: the tables that the restore replaces.

    Raises:
        Refused: the settings file, from which the restore was planned, names other tables.
    """
    tables_in_use = table_variables_of(stable)
    for role, source in sources.items():
        table_in_use = tables_in_use.get(VARIABLES[role], source)
        if table_in_use != source:
            remedy = (
                f"the live version uses {table_in_use}: name it in environments.toml "
                "(`orchestrator restore --write-settings`), and deploy"
            )
            raise Refused(f"service.tables.{SETTINGS[role]}", source, f"{name}: {remedy}")


def _unchanged_configuration(version: FunctionVersion) -> Mapping[str, Json]:
    """Return a version's configuration without what a cutover changes."""
    changed = {LEAST_EPOCH, *VARIABLES.values()}
    variables = {name: value for name, value in environment_variables_of(version).items() if name not in changed}
    return {**version.configuration, "Environment": variables}


def table_variables_of(version: FunctionVersion) -> Mapping[str, str]:
    """Return the tables that a version uses, by environment variable."""
    variables = environment_variables_of(version)
    return {name: variables[name] for name in VARIABLES.values() if name in variables}


def tables_by_role(version: FunctionVersion) -> Mapping[Role, str]:
    """Return the tables that a version uses, by role."""
    tables = table_variables_of(version)
    return {role: tables[variable] for role, variable in VARIABLES.items() if variable in tables}


def refuse_other_tables(name: str, stable: FunctionVersion, latest: FunctionVersion) -> None:
    """Refuse a release that changes the tables, because a gradual shift would split writes between them.

    Raises:
        Refused: `$LATEST` uses other tables than stable.
    """
    before, after = table_variables_of(stable), table_variables_of(latest)
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    if changed:
        key = min(changed)
        remedy = (
            f"the live version uses {before[key]}: name it in environments.toml and deploy the stack, "
            "or use `orchestrator restore`"
        )
        raise Refused(f"release.{name}.{key}", after[key], remedy)


def least_epoch_of(version: FunctionVersion) -> int:
    """Return the lowest revocation epoch that a version serves."""
    return int(environment_variables_of(version).get(LEAST_EPOCH, "0"))


def refuse_lower_least_epoch(name: str, stable: FunctionVersion, latest: FunctionVersion) -> None:
    """Refuse a release that would serve a lower epoch than before, in which invalidated tokens would be valid again.

    Raises:
        Refused: `$LATEST` has a lower least epoch than stable.
    """
    before, after = least_epoch_of(stable), least_epoch_of(latest)
    if after < before:
        setting = f"{LEAST_EPOCH_SETTING} = {before}"
        remedy = (
            f"the live version has {before} since a restore or a failover: write {setting} under service.tables in "
            "environments.toml (after a restore, `orchestrator restore --write-settings` does), and deploy the stack"
        )
        raise Refused(f"release.{name}.{LEAST_EPOCH}", str(after), remedy)


def cutover_not_requested(why: str) -> CheckResult:
    """Return the check result of a restore without a cutover."""
    return CheckResult(CHECK, Verdict.failed(why))


def judge_cutover(deployment: str, deployment_record: Deployment | None, refusal: str) -> CheckResult:
    """Judge the deployment that cuts over to the restored tables.

    Args:
        deployment: its id.
        deployment_record: its record in the ledger; None if its plan was refused.
        refusal: why it was refused, in that case.
    """
    figures: dict[str, Json] = {"deployment": deployment}
    if deployment_record is None:
        return CheckResult(CHECK, Verdict.failed(f"{deployment} was refused: {refusal}"), figures)
    if deployment_record.outcome is not DeploymentOutcome.SUCCEEDED:
        return CheckResult(
            CHECK,
            Verdict.failed(f"{deployment} ended {deployment_record.outcome}: {deployment_record.reason}"),
            figures,
        )
    # Clients get 503 from the first host on that applies the block, so the time is counted from its request.
    blocked_at = deployment_record.cutover.block_requested_at if deployment_record.cutover else None
    promoted_at = deployment_record.shifts[-1].at if deployment_record.shifts else None
    if blocked_at and promoted_at:
        figures["closed_seconds"] = round((promoted_at - blocked_at).total_seconds(), 3)
    return CheckResult(CHECK, Verdict.passed(f"{deployment}: {deployment_record.reason}"), figures)


def settings_after(recovery: Recovery) -> Mapping[str, str | int]:
    """Return the settings of ``[environment.service.tables]`` in environments.toml after the cutover."""
    return {
        **{SETTINGS[table.role]: table.target for table in recovery.tables},
        LEAST_EPOCH_SETTING: recovery.least_epoch,
    }
