"""The record of a recovery in the ledger, of drills and restores alike, as frozen values.

Tasks append to the record and never remove from it: a phase when they end, and a check result for every check.
`verdict_of` decides once, at the end, on the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.deployment.late_writes import ReplayProgress
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.heartbeats import DataLoss
from orchestrator.domain.recovery.read_pace import ON_DEMAND_READ_UNITS
from orchestrator.domain.verdict import Json, Outcome, Verdict, worst


class Role(StrEnum):
    """The role of a table in the service."""

    STATE = "state"
    TOKENS = "tokens"


class Fault(StrEnum):
    """A fault that a drill injects into the restored tables. A drill that does not detect it has failed."""

    MISSING_ROW = "missing-row"
    CHANGED_BYTE = "changed-byte"
    TIME_OFF_BY_A_MINUTE = "time-off-by-a-minute"
    TTL_OFF = "ttl-off"
    INDEX_GONE = "index-gone"
    REVOKED_TOKEN_ALIVE = "revoked-token-alive"  # noqa: S105 - a kind, not a secret
    CLEANUP_BLOCKED = "cleanup-blocked"


class RecoveryOutcome(StrEnum):
    """The outcome of a recovery."""

    SUCCEEDED = "SUCCEEDED"  # all deciding checks passed
    FAILED = "FAILED"  # a check failed, or could not be judged
    REFUSED = "REFUSED"  # nothing was created


@dataclass(frozen=True)
class Objectives:
    """The objectives of the environment: RTO and RPO."""

    recovery_time: timedelta
    data_loss: timedelta


@dataclass(frozen=True)
class Measured:
    """The measured recovery time and data loss; None if not measured.

    Attributes:
        source: how the data loss was measured.
    """

    recovery_time: timedelta | None = None
    data_loss: timedelta | None = None
    source: str = ""


@dataclass(frozen=True)
class Cost:
    """The expected cost of a recovery, at the prices of one day.

    Attributes:
        usd: the total.
        parts: its parts, in US dollars.
        prices_of: the day of the price list, such as ``2026-11-01``.
    """

    usd: float
    parts: Mapping[str, float]
    prices_of: str


@dataclass(frozen=True)
class TableRecovery:
    """The recovery of one table.

    Attributes:
        role: its role in the service.
        target: name of the restored table.
        size_bytes, items: of the source, by DynamoDB's own count, up to six hours old.
        source_arn: ARN of the source, which DynamoDB reports for a restored table.
        started_at: when the restore was requested; None before that.
        ready_at: when the restored table was first ready to be read.
        backup_arn: the backup that is restored; empty for point-in-time recovery.
        gone: the source no longer exists.
        by_export: compare with an export of the source at the point, instead of its stream.
        export_arn: the export; empty before it was requested.
        exported_at: when it was first complete; None before that.
        later_export_arn: of a backup: the export from after its content; `export_arn` is that from before.
        exportable_from: of a backup: the earliest time that an export of its source can show; None if it cannot.
        read_units: read units a second of the source when the recovery was planned.
        backup_at: the time of the backup; None for point-in-time recovery, whose time is the recovery point.
        uncertainty: how much older or newer than the backup's time its content may be.
        encryption_key: ARN of the key that encrypts the source; empty for DynamoDB's own.
        restore_job: id of the job of AWS Backup that restores it; empty for any other restore.
        copy_job: of a copy in another region: id of the job that copies it to this region; empty before it was started.
        copied_arn: of a copy in another region: the recovery point that the job made of it here; empty before that.
        backup_bytes: the size of the backup, as AWS states it; 0 if it does not, and for point-in-time recovery.
    """

    role: Role
    source: str
    target: str
    size_bytes: int = 0
    items: int = 0
    source_arn: str = ""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    backup_arn: str = ""
    gone: bool = False
    by_export: bool = False
    export_arn: str = ""
    exported_at: datetime | None = None
    read_units: int = ON_DEMAND_READ_UNITS
    backup_at: datetime | None = None
    uncertainty: timedelta = timedelta(0)
    later_export_arn: str = ""
    exportable_from: datetime | None = None
    encryption_key: str = ""
    restore_job: str = ""
    copy_job: str = ""
    copied_arn: str = ""
    backup_bytes: int = 0

    @property
    def restored_from(self) -> str:
        """The backup in this region that is restored: of a copy in another region, what was made of it here."""
        return self.copied_arn or self.backup_arn


@dataclass(frozen=True)
class RecoveryPhase:
    """A phase of a recovery, named after its state. Each begins when the previous one ends."""

    name: str
    began: datetime
    ended: datetime

    @property
    def took(self) -> timedelta:
        """The duration of the phase."""
        return self.ended - self.began


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        check: unique in a recovery, from the general to the specific, such as ``settings.tokens.time_to_live``.
        figures: expected and actual values, as JSON; never a token, a code or personal data.
        decides: whether the outcome of the recovery depends on it. All results are reported.
    """

    check: str
    verdict: Verdict
    figures: Mapping[str, Json] = field(default_factory=dict)
    decides: bool = True


CUTOVER_CHECK = "cutover"
"""The check that shows whether the service uses the restored tables."""


@dataclass(frozen=True)
class Recovery:
    """A drill, a restore or a failback, from its plan to its outcome.

    Attributes:
        point: the recovery point: the earliest time of all restored tables; a whole second.
        latest: the latest time to which all tables could be restored when it was planned.
        expires_at: when its resources may be removed by the cleanup job.
        service: the deployed service.
        deployment: restore: the deployment that cuts over to the tables; empty before it was requested.
        least_epoch: restore: the lowest revocation epoch that functions serve after the cutover.
        skip_comparison: restore: the requester skipped the comparison of contents.
        replay: restore: writes that were replayed, late ones after the cutover included; None before that.
        replays: restore: the kinds of item that the replay since the recovery point leaves out; None for no replay.
        failback_of: the restore whose original tables are used again; empty for any other recovery.
        cleaned_at: when all resources of a drill (tables, functions, roles, logs) were removed; None before that.
        backup_kind: drill: what it restores from.
        selection: drill: which backup of its kind it restores. RANDOM of point-in-time recovery: its point was drawn.
        standing_grants: drill of a chosen point: when the standing grants were given that it tries; None for others.
    """

    id: str
    kind: Kind
    environment: str
    requested_by: str
    requested_at: datetime
    execution: str
    service: Service
    point: datetime
    latest: datetime
    tables: tuple[TableRecovery, ...]
    objectives: Objectives
    cost: Cost
    expires_at: datetime
    fault: Fault | None = None
    fencing_token: int = 0
    phases: tuple[RecoveryPhase, ...] = ()
    check_results: tuple[CheckResult, ...] = ()
    measured: Measured = Measured()
    deployment: str = ""
    least_epoch: int = 0
    skip_comparison: bool = False
    failback_of: str = ""
    replay: ReplayProgress | None = None
    replays: tuple[str, ...] | None = None
    cleaned_at: datetime | None = None
    backup_kind: BackupKind = BackupKind.PITR
    selection: Selection = Selection.LATEST
    standing_grants: datetime | None = None
    outcome: RecoveryOutcome | None = None
    reason: str = ""
    ended_at: datetime | None = None

    @property
    def in_use(self) -> bool:
        """Whether the service uses its tables. Such a restore may still have FAILED, if it missed an objective."""
        return any(
            result.check == CUTOVER_CHECK and result.verdict.outcome is Outcome.PASS for result in self.check_results
        )

    @property
    def proceed_action(self) -> RecoveryAction:
        """The action after a step that restores and failbacks share."""
        return RecoveryAction.FAIL_BACK if self.failback_of else RecoveryAction.PROCEED

    def table(self, role: Role) -> TableRecovery:
        """Return the table of a role."""
        return next(table for table in self.tables if table.role is role)

    def with_phase(self, phase: str, now: datetime) -> Recovery:
        """Return the record with a phase that ends now. A repeated phase is extended, so retries add no other."""
        last = self.phases[-1] if self.phases else None
        if last and last.name == phase:
            return replace(self, phases=(*self.phases[:-1], replace(last, ended=now)))
        began = last.ended if last else self.requested_at
        return replace(self, phases=(*self.phases, RecoveryPhase(phase, began, now)))

    def with_check_results(self, *results: CheckResult) -> Recovery:
        """Return the record with check results. A result replaces an earlier one of the same check."""
        by_check = {result.check: result for result in self.check_results}
        return replace(self, check_results=tuple((by_check | {result.check: result for result in results}).values()))

    def with_tables(self, tables: Iterable[TableRecovery]) -> Recovery:
        """Return the record with these tables, each in place of the one of the same role."""
        changed = {table.role: table for table in tables}
        return replace(self, tables=tuple(changed.get(table.role, table) for table in self.tables))


class RecoveryAction(StrEnum):
    """The next action of a recovery's state machine; the only field that it routes on."""

    PROCEED = "PROCEED"
    FAIL_BACK = "FAIL_BACK"  # the original tables exist: nothing is restored
    WAIT = "WAIT"  # the same state again, later
    DIGEST = "DIGEST"  # segments have to be read
    EXPORT = "EXPORT"  # an export has to be requested, or is not complete
    RESTORE = "RESTORE"  # a restore has to be requested
    REPLAY = "REPLAY"  # the streams are read ahead, and with `replays` the writes since the recovery point are replayed
    INJECT_FAULT = "INJECT_FAULT"  # the drill injects a fault
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"


@dataclass(frozen=True)
class RecoveryDecision:
    """The next action of a recovery's state machine, the wait before it, and its reason.

    Attributes:
        attempt: how often the state has decided WAIT in a row.
    """

    action: RecoveryAction
    reason: str
    wait_seconds: int = 0
    attempt: int = 0


def verdict_of(results: Iterable[CheckResult]) -> Verdict:
    """Return the worst verdict of the deciding results, named by its check. No result is INCONCLUSIVE, never PASS."""
    all_results = list(results)
    verdicts = [
        Verdict(result.verdict.outcome, f"{result.check}: {result.verdict.reason}")
        for result in all_results
        if result.decides
    ]
    if not verdicts:
        return Verdict.inconclusive("no check ran")
    worst_verdict = worst(verdicts)
    failed = [verdict for verdict in verdicts if verdict.outcome is not Outcome.PASS]
    if not failed:
        informational = [result.check for result in all_results if not result.decides]
        note = f"; informational and not passed: {', '.join(informational)}" if informational else ""
        return Verdict.passed(f"all {len(verdicts)} checks passed{note}")
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return Verdict(worst_verdict.outcome, f"{worst_verdict.reason}{more}")


def concluded(recovery: Recovery, now: datetime) -> Recovery:
    """Return the recovery at its end: SUCCEEDED if every deciding check passed, otherwise FAILED."""
    verdict = verdict_of(recovery.check_results)
    outcome = RecoveryOutcome.SUCCEEDED if verdict.outcome is Outcome.PASS else RecoveryOutcome.FAILED
    return replace(recovery, outcome=outcome, reason=verdict.reason, ended_at=now)


def refused_recovery(recovery: Recovery, reason: str, now: datetime) -> Recovery:
    """Return a recovery that ends without having created anything."""
    return replace(recovery, outcome=RecoveryOutcome.REFUSED, reason=reason, ended_at=now)


def with_data_loss(recovery: Recovery, losses: Iterable[DataLoss]) -> Recovery:
    """Return the record with the largest data loss of all tables. One unknown loss leaves it unmeasured."""
    durations = [loss.data_loss for loss in losses]
    if not durations or None in durations:
        return recovery
    worst_loss = max(loss for loss in durations if loss is not None)
    return replace(recovery, measured=replace(recovery.measured, data_loss=worst_loss, source="heartbeats"))


def judge_objectives(recovery: Recovery, now: datetime) -> Recovery:
    """Judge the measured values by the objectives.

    The recovery time runs from the first requested restore until now. If the data loss was not measured, it is the time
    between the latest restorable time and the request, which is its upper bound.
    """
    began = [table.started_at for table in recovery.tables if table.started_at]
    recovery_time = now - min(began) if began else None
    measured_before = recovery.measured
    measured = replace(measured_before, recovery_time=recovery_time)
    if measured_before.data_loss is None:
        # The clock of the source may be ahead of ours.
        data_loss = max(recovery.requested_at - recovery.latest, timedelta(0))
        of_backup = recovery.backup_kind is not BackupKind.PITR
        measured_by = "the backup's time" if of_backup else "the latest restorable time"
        measured = replace(measured, data_loss=data_loss, source=measured_by)
    objectives = recovery.objectives
    # A backup is as old as it is: the objective of data loss holds for point-in-time recovery.
    lost = _objective("objective.data_loss", measured.data_loss, objectives.data_loss)
    decides = recovery.backup_kind is BackupKind.PITR or lost.verdict.outcome is Outcome.PASS
    return replace(recovery, measured=measured).with_check_results(
        _objective("objective.recovery_time", measured.recovery_time, objectives.recovery_time),
        replace(lost, decides=decides),
    )


def _objective(check: str, measured: timedelta | None, allowed: timedelta) -> CheckResult:
    objective_seconds = allowed.total_seconds()
    if measured is None:
        return CheckResult(check, Verdict.inconclusive("it was not measured"), {"objective_seconds": objective_seconds})
    seconds = measured.total_seconds()
    summary = f"{seconds:.0f} s of the {objective_seconds:.0f} s allowed"
    verdict = Verdict.passed(summary) if measured <= allowed else Verdict.failed(summary)
    return CheckResult(check, verdict, {"measured_seconds": seconds, "objective_seconds": objective_seconds})
