"""What a step of a failover returns: its result, or that it is not done yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.application.cloud import Cloud
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.failover.decisions import pass_approvals
from orchestrator.domain.failover.record import FailoverOutcome
from orchestrator.domain.failover.steps import Step

_SHORTEST_SECONDS, _LONGEST_SECONDS = 2, 60


@dataclass(frozen=True)
class StepDone:
    """A step is done: the failover as read or written last, and the result in words."""

    read: ReadFailover
    result: str


@dataclass(frozen=True)
class StepWaits:
    """A step is not done yet."""

    read: ReadFailover
    reason: str
    wait_seconds: int


def begin_step(read: ReadFailover, cloud: Cloud) -> ReadFailover:
    """Record when the next step began; a repetition keeps the first time."""
    began = read.failover.begun(cloud.now())
    return read if began == read.failover else cloud.failovers.commit(read, began)


def record_result(step: Step, done: StepDone, cloud: Cloud) -> ReadFailover:
    """Record the result of a step; with the last one, the failover has succeeded."""
    failover = done.read.failover.with_result(step, done.result, cloud.now())
    if failover.next_step is None:
        failover = failover.ended(FailoverOutcome.SUCCEEDED, cloud.now())
    return cloud.failovers.commit(done.read, failover)


def seconds_before_check(read: ReadFailover, now: datetime) -> int:
    """Return how long to wait before a step is checked again: a tenth of the time that it has taken so far."""
    began = read.failover.began or now
    return min(max(round((now - began).total_seconds() / 10), _SHORTEST_SECONDS), _LONGEST_SECONDS)


def with_approvals(read: ReadFailover, cloud: Cloud) -> ReadFailover:
    """Record the result of a failover's approvals, as far as those in the ledger decide it; return it as written last.

    Raises:
        LockLost: another writer changed the failover.
    """
    passed = pass_approvals(read.failover, cloud.failovers.read_approvals(read.failover.id), cloud.now())
    return read if passed == read.failover else cloud.failovers.commit(read, passed)
