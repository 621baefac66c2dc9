"""The record of a failover in the standby region's ledger, as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.deployment.gates import Gate
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.home_releases import PlannedRelease
from orchestrator.domain.failover.managed_clients import AppliedClients
from orchestrator.domain.failover.steps import Direction, Step, StepRule, rules_of, steps_of
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.request import target_name
from orchestrator.domain.recovery.unused_tables import recovery_of_table

_ATTEMPT = "-attempt-"


class FailoverOutcome(StrEnum):
    """The outcome of a failover."""

    SUCCEEDED = "SUCCEEDED"
    CANCELLED = (
        "CANCELLED"  # rejected, not approved in time, or cancelled; the region that it would leave may issue tokens
    )
    SUPERSEDED = "SUPERSEDED"  # back, after the home region had taken over: another failover took the assignment


@dataclass(frozen=True)
class StepResult:
    """The result of a step that is done, in words, and when it began and ended."""

    step: Step
    result: str
    began: datetime
    ended: datetime

    @property
    def took(self) -> timedelta:
        """How long it took."""
        return self.ended - self.began

    def overdue(self, rule: StepRule) -> bool:
        """Return whether it took longer than its rule expects."""
        return self.took > rule.expected


@dataclass(frozen=True)
class CopiedTable:
    """A table that the failover restores.

    Attributes:
        backup_arn: the copy: a backup of DynamoDB, or a recovery point of AWS Backup; back, empty before it is made.
        as_of: the time of its content.
        target: name of the restored table.
        job: id of AWS Backup's restore job; empty for a backup of DynamoDB.
        source: back, name of the standby region's table in use, of which the backup is.
        replaces: back, name of the home region's old table; empty if its live versions name none.
    """

    role: Role
    backup_arn: str
    as_of: datetime
    target: str
    job: str = ""
    source: str = ""
    replaces: str = ""

    def with_next_target(self, environment: str) -> CopiedTable:
        """Return it with another target and no job, after a job failed: the target is also the job's idempotency token.

        `orchestrator restore list` and the permissions know the new name as that of a restored table, too.
        """
        recovery, _, attempt = recovery_of_table(self.target, environment).partition(_ATTEMPT)
        name = f"{recovery}{_ATTEMPT}{int(attempt or 1) + 1}"
        return replace(self, target=target_name(Kind.RESTORE, name, self.role, environment), job="")


@dataclass(frozen=True)
class Failover:
    """A failover.

    Attributes:
        home: the region that is left.
        region: the region that takes over.
        requested_by: the caller's ARN by STS, or the operator's name on the local cloud.
        gate: the approvals that it needs.
        lease: how long a lease of the regions lasts.
        tables: what it restores: until RESTORE begins, what the approvers see.
        results: of the steps that are done, in their order.
        began: when the step that has no result yet was first begun; None before that.
        assignment_taken_at: a moment after the assignment was taken; None before that.
        token_epoch: the revocation epoch that the restored tokens get; 0 before that is decided.
        dns_change: id of Route 53's change of the domain's record; empty before it was requested.
        release: what it would have published at the request, as the approvers see it; None in records of earlier versions.
        approved_tables: what the approvers saw; empty until RESTORE begins.
        chosen_at: when RESTORE began and `tables` were chosen for it; None before that.
        rejected_by: the approver who rejected it, or the person who cancelled it; empty without one.
        failed: step and reason of the last failure, until the step succeeds; empty without one.
        clients: what TAKE_OVER changed of the managed clients, recorded before it is written; None before that.
        direction: where it goes. Back, `home` is the standby region, which is left, and `region` the home region.
        close_requested_at: back, when the tables in use were first to deny writes; None before that.
        reopened_at: back, when they were verified to accept writes again after a cancellation; None before that.
    """

    id: str
    environment: str
    home: str
    region: str
    requested_by: str
    reason: str
    requested_at: datetime
    gate: Gate
    lease: timedelta
    tables: tuple[CopiedTable, ...]
    results: tuple[StepResult, ...] = ()
    began: datetime | None = None
    assignment_taken_at: datetime | None = None
    token_epoch: int = 0
    rejected_by: str = ""
    failed: str = ""
    outcome: FailoverOutcome | None = None
    ended_at: datetime | None = None
    dns_change: str = ""
    release: PlannedRelease | None = None
    approved_tables: tuple[CopiedTable, ...] = ()
    chosen_at: datetime | None = None
    direction: Direction = Direction.AWAY
    close_requested_at: datetime | None = None
    reopened_at: datetime | None = None
    clients: AppliedClients | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its steps, in their order."""
        return steps_of(self.direction)

    @property
    def rules(self) -> Mapping[Step, StepRule]:
        """The rule of each step."""
        return rules_of(self.direction)

    @property
    def is_to_reopen(self) -> bool:
        """Whether it was cancelled, and the tables that it closed may still deny writes."""
        cancelled = self.outcome is FailoverOutcome.CANCELLED
        return cancelled and self.close_requested_at is not None and self.reopened_at is None

    @property
    def results_by_step(self) -> Mapping[Step, StepResult]:
        """The results, by step."""
        return {result.step: result for result in self.results}

    @property
    def next_step(self) -> Step | None:
        """The first step that has no result; None if all have one."""
        return next((step for step in self.steps if step not in self.results_by_step), None)

    @property
    def copied_at(self) -> datetime:
        """The time of the oldest copy: what clients wrote later is lost."""
        return min(table.as_of for table in self.tables)

    @property
    def issued_until(self) -> datetime:
        """Until when the home region may have issued tokens: the end of its last lease; the request before that is known."""
        last_lease = self.assignment_taken_at + self.lease if self.assignment_taken_at else self.requested_at
        return max(self.requested_at, last_lease)

    @property
    def data_loss(self) -> timedelta:
        """The time from the oldest copy until the home region's last lease at the latest: writes of it are lost."""
        return self.issued_until - self.copied_at

    def begun(self, now: datetime) -> Failover:
        """Return it with the beginning of its next step; the first beginning stays."""
        return self if self.began else replace(self, began=now)

    def with_choice(self, tables: tuple[CopiedTable, ...], now: datetime) -> Failover:
        """Return it with the copies that RESTORE restores, under the names of the approved tables; the first choice stays.

        Args:
            tables: the newest copy of each table now.
            now: the time.

        Raises:
            Refused: a copy is older than the one that the approvers saw, which does not exist any more.
        """
        if self.chosen_at:
            return self
        approved = {table.role: table for table in self.tables}
        for table in tables:
            if table.as_of < approved[table.role].as_of:
                raise Refused(
                    f"copies.{table.role}",
                    f"{table.as_of:%Y-%m-%d %H:%M:%S} UTC, older than the approved one of "
                    f"{approved[table.role].as_of:%Y-%m-%d %H:%M:%S} UTC, which is not there any more",
                    "cancel this failover and start another one, whose approvers see this copy",
                )
        chosen = tuple(replace(table, target=approved[table.role].target) for table in tables)
        return replace(self, tables=chosen, approved_tables=self.tables, chosen_at=now)

    def with_result(self, step: Step, result: str, now: datetime) -> Failover:
        """Return it with the result of its next step; a step that has a result keeps it.

        Raises:
            ValueError: an earlier step has no result.
        """
        if step in self.results_by_step:
            return self
        if step is not self.next_step:
            raise ValueError(f"{step} before {self.next_step}")
        done = StepResult(step, result, self.began or now, now)
        return replace(self, results=(*self.results, done), began=None, failed="")

    def ended(self, outcome: FailoverOutcome, now: datetime) -> Failover:
        """Return it with its outcome; the first outcome stays."""
        return self if self.outcome else replace(self, outcome=outcome, ended_at=now)
