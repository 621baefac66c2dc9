"""The real restore: when its copies may be used, how the service comes to use them, and what that came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.domain.cut_over import CutOver, Table, TableChange
from orchestrator.domain.errors import Refused
from orchestrator.domain.naming import deployment_id
from orchestrator.domain.records import Claim, Deployment, Ending, Kind
from orchestrator.domain.recovery import CUT_OVER, Finding, Recovery, Role, TableRecovery
from orchestrator.domain.release import Latest
from orchestrator.domain.verdict import Json, Outcome, Verdict

VARIABLES: Mapping[Role, str] = {Role.STATE: "STATE_TABLE", Role.TOKENS: "TOKENS_TABLE"}
"""By which environment variable the service's functions are told a table's name."""

LEAST_EPOCH = "LEAST_EPOCH"
"""By which variable they are told the lowest revocation epoch that a table must be in; over any lower one they answer 503."""

SETTINGS: Mapping[Role, str] = {Role.STATE: "state", Role.TOKENS: "tokens"}
LEAST_EPOCH_SETTING = "least_epoch"
"""By which settings of ``[environment.service.tables]`` the stack is told the same."""

CHECK = CUT_OVER


def deployment_for(recovery_id: str) -> str:
    """The deployment that makes the service use a restore's copies: one name, so that it is started once."""
    return deployment_id(recovery_id)


def refuse_bad(recovery: Recovery) -> None:
    """Let nothing be used of which anything was found wrong.

    Raises:
        Refused: a finding that decides is not PASS, or nothing was looked at.
    """
    deciding = [finding for finding in recovery.findings if finding.decides]
    bad = [finding for finding in deciding if finding.verdict.outcome is not Outcome.PASS]
    if bad:
        told = "; ".join(f"{finding.check}: {finding.verdict.reason}" for finding in bad)
        raise Refused("recovery", recovery.id, f"its copies are not fit to be used: {told}")
    if not deciding:
        raise Refused("recovery", recovery.id, "nothing was looked at")


def uncomparable(recovery: Recovery, table: TableRecovery) -> str:
    """Why nothing can say what a table held at the point, before anybody has tried; empty where it is to be tried."""
    if recovery.uncompared:
        return f"{recovery.requested_by} asked for it not to be compared"
    if table.gone:
        return f"{table.source} is not there any more: nothing says what it held"
    if table.backup_arn:
        return "its copy is made of a backup, which is of a minute and not of a second: nothing says what it held then"
    return ""


def weighed(kind: Kind, finding: Finding) -> Finding:
    """The finding of contents, with whether a recovery's verdict rests on it.

    A drill has to know. A real restore is asked for because something is wrong with the source: that nobody can say any more what
    it held is told and no reason to go without a copy. What is known to be wrong in the copy, and what could not be read, is one.
    """
    unknown = finding.verdict.outcome is Outcome.INCONCLUSIVE
    return replace(finding, decides=not (kind is Kind.RESTORE and unknown))


def cut_over_of(recovery: Recovery, claim: Claim) -> CutOver:
    """What a deployment does that a restore asks for.

    Raises:
        Refused: the recovery is no restore under way, so that nobody vouches for its copies.
    """
    held = claim.held and claim.kind is Kind.RESTORE and claim.deployment == recovery.id
    if recovery.kind is not Kind.RESTORE or not held or not recovery.deployment:
        raise Refused("cut_over", recovery.id, "only a restore that is under way asks for this: `orchestrator restore`")
    changes = tuple(
        TableChange(
            role=table.role,
            leaves=Table(table.source, table.source_arn),
            enters=Table(table.target, arn_beside(table.source_arn, table.target)),
        )
        for table in recovery.tables
    )
    gone = tuple(table.source for table in recovery.tables if table.gone)
    return CutOver(recovery.id, changes, gone=gone, back=bool(recovery.back))


def arn_beside(arn: str, table: str) -> str:
    """The ARN of another table of the same account and region."""
    return f"{arn.rpartition('/')[0]}/{table}"


def hands_over(claim: Claim, deployment: Deployment) -> bool:
    """Whether the claim's holder is the restore that asked for this deployment: it waits, and lets it change the environment."""
    return (
        deployment.cut_over is not None
        and claim.kind is Kind.RESTORE
        and claim.deployment == deployment.cut_over.recovery
    )


def refuse_unvouched(claim: Claim, deployment: Deployment) -> None:
    """Let a deployment cut over only while the restore that asked for it holds the claim.

    Raises:
        Refused: it does not; it was given up meanwhile.
    """
    if deployment.cut_over is not None and not hands_over(claim, deployment):
        remedy = "that restore holds the claim no longer, so nobody vouches for its copies; start another"
        raise Refused("cut_over", deployment.cut_over.recovery, remedy)


def retargeted(variables: Mapping[str, str], recovery: Recovery, epoch: int) -> Mapping[str, str]:
    """A function's environment variables with the copies in the sources' place.

    Args:
        variables: as they are.
        recovery: the restore.
        epoch: the lowest that its copy of the tokens table may be in from now on.
    """
    names = {VARIABLES[table.role]: table.target for table in recovery.tables}
    known = {name: value for name, value in names.items() if name in variables}
    return {**variables, **known, LEAST_EPOCH: str(epoch)}


def refuse_other_release(name: str, stable: Latest, latest: Latest) -> None:
    """Let a cut-over change the tables and nothing else: `$LATEST` must be what clients get now, apart from these.

    Raises:
        Refused: it holds another release.
    """
    if (stable.code_sha256, _apart(stable)) != (latest.code_sha256, _apart(latest)):
        remedy = (
            "it holds another release than clients get: deploy the stack with that one again, or ship this one first"
        )
        raise Refused(f"release.{name}", f"$LATEST {latest.code_sha256}", remedy)


def variables_of(version: Latest) -> Mapping[str, str]:
    """What a version is told by its environment variables."""
    environment = version.configuration.get("Environment")
    variables = environment.get("Variables", {}) if isinstance(environment, Mapping) else {}
    return {name: str(value) for name, value in variables.items()}


def refuse_other_sources(name: str, stable: Latest, sources: Mapping[Role, str]) -> None:
    """Let a restore leave the tables that clients use, and no others: those would stay open.

    Args:
        name: the function's.
        stable: its version that clients get.
        sources: the tables that the restore is to leave.

    Raises:
        Refused: the settings file, from which the restore was planned, names other tables than clients use.
    """
    used = tables_of(stable)
    for role, source in sources.items():
        found = used.get(VARIABLES[role], source)
        if found != source:
            remedy = f"clients use {found}: have environments.toml name that one (`orchestrator restore --write-settings`), and deploy"
            raise Refused(f"service.tables.{SETTINGS[role]}", source, f"{name}: {remedy}")


def _apart(version: Latest) -> Mapping[str, Json]:
    """A version's configuration without what a cut-over changes."""
    own = {LEAST_EPOCH, *VARIABLES.values()}
    told = {name: value for name, value in variables_of(version).items() if name not in own}
    return {**version.configuration, "Environment": told}


def tables_of(version: Latest) -> Mapping[str, str]:
    """The tables that a version uses, by the variable that says so."""
    variables = variables_of(version)
    return {name: variables[name] for name in VARIABLES.values() if name in variables}


def tables_in(version: Latest) -> Mapping[Role, str]:
    """The same, by what they are."""
    used = tables_of(version)
    return {role: used[variable] for role, variable in VARIABLES.items() if variable in used}


def refuse_other_tables(name: str, stable: Latest, latest: Latest) -> None:
    """Let nothing but a cut-over change the tables: what is written during a shift would be split between them.

    Raises:
        Refused: `$LATEST` uses other tables than stable.
    """
    before, after = tables_of(stable), tables_of(latest)
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    if changed:
        key = min(changed)
        remedy = f"clients use {before[key]}: name that one in environments.toml and deploy the stack, or use `orchestrator restore`"
        raise Refused(f"release.{name}.{key}", after[key], remedy)


def floor_of(version: Latest) -> int:
    """The lowest revocation epoch that a version serves tables of."""
    return int(variables_of(version).get(LEAST_EPOCH, "0"))


def refuse_lower_floor(name: str, stable: Latest, latest: Latest) -> None:
    """Let no release serve tables of an epoch that the one before would not: what a restore had ended would be alive in them.

    Raises:
        Refused: `$LATEST` has a lower floor than stable.
    """
    before, after = floor_of(stable), floor_of(latest)
    if after < before:
        setting = f"{LEAST_EPOCH_SETTING} = {before}"
        remedy = f"clients have {before} since a restore: write {setting} under service.tables in environments.toml (`orchestrator restore --write-settings`), and deploy the stack"
        raise Refused(f"release.{name}.{LEAST_EPOCH}", str(after), remedy)


def not_asked_for(why: str) -> Finding:
    """The finding of a restore that came to no deployment."""
    return Finding(CHECK, Verdict.failed(why))


def judge_cut_over(deployment: str, ended: Deployment | None, refusal: str) -> Finding:
    """What became of the deployment that makes the service use the copies.

    Args:
        deployment: its id.
        ended: as the ledger has it; None where its plan was refused.
        refusal: why, in that case.
    """
    figures: dict[str, Json] = {"deployment": deployment}
    if ended is None:
        return Finding(CHECK, Verdict.failed(f"{deployment} was refused: {refusal}"), figures)
    if ended.ending is not Ending.SUCCEEDED:
        return Finding(CHECK, Verdict.failed(f"{deployment} ended {ended.ending}: {ended.reason}"), figures)
    closed = ended.cut_over.closed_at if ended.cut_over else None
    promoted = ended.shifts[-1].at if ended.shifts else None
    if closed and promoted:
        figures["closed_seconds"] = round((promoted - closed).total_seconds(), 3)
    return Finding(CHECK, Verdict.passed(f"{deployment}: {ended.reason}"), figures)


def settings_after(recovery: Recovery) -> Mapping[str, str | int]:
    """What ``[environment.service.tables]`` in environments.toml has to say once the copies are in use."""
    return {
        **{SETTINGS[table.role]: table.target for table in recovery.tables},
        LEAST_EPOCH_SETTING: recovery.least_epoch,
    }
