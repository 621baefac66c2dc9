"""A recovery: what a drill and a real restore keep of themselves in the ledger, as frozen values.

Tasks append to the record and never take away: a phase when they are done, a finding for everything that was looked at. What the
findings come to is decided once, at the end, by `verdict_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.plan import Service
from orchestrator.domain.receipts import Loss
from orchestrator.domain.records import Kind
from orchestrator.domain.verdict import Json, Outcome, Verdict, worst


class Role(StrEnum):
    """What a table is to the service."""

    STATE = "state"
    TOKENS = "tokens"


class Sabotage(StrEnum):
    """What a saboteur breaks in the restored copy, so that a drill that finds nothing is found out."""

    MISSING_ROW = "missing-row"
    CHANGED_BYTE = "changed-byte"
    TIME_OFF_BY_A_MINUTE = "time-off-by-a-minute"
    TTL_OFF = "ttl-off"
    INDEX_GONE = "index-gone"
    REVOKED_TOKEN_ALIVE = "revoked-token-alive"  # noqa: S105 - a kind, not a secret
    CLEANUP_BLOCKED = "cleanup-blocked"


class RecoveryEnding(StrEnum):
    """How a recovery came out."""

    GREEN = "GREEN"  # everything that was looked at passed
    RED = "RED"  # something did not, or could not be looked at
    REFUSED = "REFUSED"  # nothing was made


@dataclass(frozen=True)
class Objectives:
    """What the environment promises: how long a recovery may take, and how much it may lose."""

    recovery_time: timedelta
    data_loss: timedelta


@dataclass(frozen=True)
class Measured:
    """What it took, and what it lost; None where it was not measured.

    Attributes:
        source: how the loss was measured.
    """

    recovery_time: timedelta | None = None
    data_loss: timedelta | None = None
    source: str = ""


@dataclass(frozen=True)
class Cost:
    """What a recovery is expected to cost, at the prices of a day.

    Attributes:
        usd: all together.
        parts: the sum's parts, in US dollars.
        prices_of: the day of the price list, such as ``2026-11-01``.
    """

    usd: float
    parts: Mapping[str, float]
    prices_of: str


@dataclass(frozen=True)
class TableRecovery:
    """One table's way: from the source to its restored copy.

    Attributes:
        role: what it is to the service.
        target: name of the table that the restore makes.
        size_bytes, items: of the source, by DynamoDB's own count, which is up to six hours old.
        source_arn: with which DynamoDB says where a restored table came from.
        started_at: when the restore was asked for; None while it was not.
        ready_at: when the copy was first seen ready to be read.
        backup_arn: the backup that the copy is made of; empty where it is made of the source's point-in-time recovery.
        gone: the source is not there any more.
        by_export: an export tells what the source held at the point, and not its stream.
        export_arn: that export; empty while it was not asked for.
        exported_at: when it was first seen complete; None while it was not.
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


@dataclass(frozen=True)
class Phase:
    """A stretch of a recovery, named by the state that it was spent in. Each begins where the one before ended."""

    name: str
    began: datetime
    ended: datetime

    @property
    def took(self) -> timedelta:
        """How long it was."""
        return self.ended - self.began


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: unique in a recovery, from the general to the particular, such as ``settings.tokens.time_to_live``.
        figures: what was expected and found, as JSON; never a token, a code or a person.
        decides: whether the recovery's verdict rests on it. What does not is told all the same.
    """

    check: str
    verdict: Verdict
    figures: Mapping[str, Json] = field(default_factory=dict)
    decides: bool = True


CUT_OVER = "cut_over"
"""The check that says whether a restore had the service use its tables."""


@dataclass(frozen=True)
class Recovery:
    """A drill or a restore, from its plan to its ending.

    Attributes:
        point: the time that all tables are restored to; a whole second.
        latest: the latest time to which all of them could be restored when it was planned.
        lease_until: when whatever it made may be removed by anybody who finds it.
        service: what is deployed.
        deployment: of a restore: the deployment that makes the service use the copies; empty until it is asked for.
        least_epoch: of a restore: the lowest revocation epoch that the functions are told to serve from its cut-over on.
        uncompared: of a restore: its contents are not compared, because whoever asked for it said so.
        back: the restore that is gone back from: the tables that it left are used again. Empty for any other recovery.
        cleaned_at: when nothing of it was left; a drill's tables, functions, roles and logs. None while there may be something.
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
    lease_until: datetime
    sabotage: Sabotage | None = None
    epoch: int = 0
    phases: tuple[Phase, ...] = ()
    findings: tuple[Finding, ...] = ()
    measured: Measured = Measured()
    deployment: str = ""
    least_epoch: int = 0
    uncompared: bool = False
    back: str = ""
    cleaned_at: datetime | None = None
    ending: RecoveryEnding | None = None
    reason: str = ""
    ended_at: datetime | None = None

    @property
    def in_use(self) -> bool:
        """Whether the service came to use its tables. A restore that did may still be red: for a promise that it missed."""
        return any(one.check == CUT_OVER and one.verdict.outcome is Outcome.PASS for one in self.findings)

    @property
    def onward(self) -> RecoveryAction:
        """Where a step leads that is taken whether tables are restored or gone back to."""
        return RecoveryAction.BACK if self.back else RecoveryAction.PROCEED

    def table(self, role: Role) -> TableRecovery:
        """The table of a role."""
        return next(table for table in self.tables if table.role is role)

    def reached(self, phase: str, now: datetime) -> Recovery:
        """With a phase that ended now. The same phase over again, as a wait's, goes on; a retry adds no other."""
        last = self.phases[-1] if self.phases else None
        if last and last.name == phase:
            return replace(self, phases=(*self.phases[:-1], replace(last, ended=now)))
        began = last.ended if last else self.requested_at
        return replace(self, phases=(*self.phases, Phase(phase, began, now)))

    def found(self, *findings: Finding) -> Recovery:
        """With findings; one of the same check as before takes its place, so that a retry looks once."""
        kept = {finding.check: finding for finding in self.findings}
        return replace(self, findings=tuple((kept | {finding.check: finding for finding in findings}).values()))

    def with_tables(self, tables: Iterable[TableRecovery]) -> Recovery:
        """With tables in the place of those of the same role."""
        changed = {table.role: table for table in tables}
        return replace(self, tables=tuple(changed.get(table.role, table) for table in self.tables))


class RecoveryAction(StrEnum):
    """The only thing that a recovery's machine routes on."""

    PROCEED = "PROCEED"
    BACK = "BACK"  # to tables that are there: nothing is restored
    WAIT = "WAIT"  # the same state again, later
    DIGEST = "DIGEST"  # segments are still to be read
    EXPORT = "EXPORT"  # an export is still to be asked for, or not complete
    RESTORE = "RESTORE"  # a restore is still to be asked for
    SABOTAGE = "SABOTAGE"  # somebody asked for something to be broken
    GREEN = "GREEN"
    RED = "RED"
    REFUSED = "REFUSED"


@dataclass(frozen=True)
class RecoveryDecision:
    """What a recovery's machine does next, how long it waits first, and why.

    Attributes:
        attempt: how often the state that decided has said WAIT in a row.
    """

    action: RecoveryAction
    reason: str
    wait_seconds: int = 0
    attempt: int = 0


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """What all findings that decide come to: the worst of them, by its check. Nothing found is INCONCLUSIVE, never PASS."""
    every = list(findings)
    told = [Verdict(one.verdict.outcome, f"{one.check}: {one.verdict.reason}") for one in every if one.decides]
    if not told:
        return Verdict.inconclusive("nothing was looked at")
    found = worst(told)
    bad = [verdict for verdict in told if verdict.outcome is not Outcome.PASS]
    if not bad:
        unknown = [one.check for one in every if not one.decides]
        beside = f"; not known, and not decided by: {', '.join(unknown)}" if unknown else ""
        return Verdict.passed(f"all {len(told)} checks passed{beside}")
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return Verdict(found.outcome, f"{found.reason}{more}")


def concluded(recovery: Recovery, now: datetime) -> Recovery:
    """The recovery at its end: GREEN where every check that decides passed, RED for everything else."""
    verdict = verdict_of(recovery.findings)
    ending = RecoveryEnding.GREEN if verdict.outcome is Outcome.PASS else RecoveryEnding.RED
    return replace(recovery, ending=ending, reason=verdict.reason, ended_at=now)


def refused(recovery: Recovery, reason: str, now: datetime) -> Recovery:
    """A recovery that ends without having made anything."""
    return replace(recovery, ending=RecoveryEnding.REFUSED, reason=reason, ended_at=now)


def lost(recovery: Recovery, losses: Iterable[Loss]) -> Recovery:
    """With the loss that receipts tell: the largest of all tables. A table whose receipts tell none leaves it unmeasured."""
    told = [one.data_loss for one in losses]
    if not told or None in told:
        return recovery
    worst_loss = max(one for one in told if one is not None)
    return replace(recovery, measured=replace(recovery.measured, data_loss=worst_loss, source="receipts"))


def measure(recovery: Recovery, now: datetime) -> Recovery:
    """Judge what was measured by the objectives.

    The time to recover runs from the first restore that was asked for until now. Where nobody measured the loss, what was
    written between the latest restorable time and the request counts as lost: more than that it cannot be.
    """
    began = [table.started_at for table in recovery.tables if table.started_at]
    took = now - min(began) if began else None
    given = recovery.measured
    measured = replace(given, recovery_time=took)
    if given.data_loss is None:
        # Of two clocks the source's may be ahead of ours.
        lost = max(recovery.requested_at - recovery.latest, timedelta(0))
        measured = replace(measured, data_loss=lost, source="the latest restorable time")
    objectives = recovery.objectives
    return replace(recovery, measured=measured).found(
        _objective("objective.recovery_time", measured.recovery_time, objectives.recovery_time),
        _objective("objective.data_loss", measured.data_loss, objectives.data_loss),
    )


def _objective(check: str, found: timedelta | None, allowed: timedelta) -> Finding:
    wanted = allowed.total_seconds()
    if found is None:
        return Finding(check, Verdict.inconclusive("it was not measured"), {"objective_seconds": wanted})
    seconds = found.total_seconds()
    told = f"{seconds:.0f} s of the {wanted:.0f} s allowed"
    verdict = Verdict.passed(told) if found <= allowed else Verdict.failed(told)
    return Finding(check, verdict, {"measured_seconds": seconds, "objective_seconds": wanted})
