"""Which region may issue tokens: an assignment in the standby region, and short leases that follow from it. Pure.

The assignment is one item in the standby region's ledger. It names the region that may issue tokens. Each region has a
lease: an item next to its key ring, with the time until which its functions may sign. A region renews its lease every
minute by the assignment. A region that cannot read the assignment cannot renew, so its lease ends by itself.

A failover first takes the assignment and waits until every lease of the other region has ended; only then the assignment is
active, and the new region gets a lease. Nothing in this needs the home region to be reachable. A home region that
returns in the middle finds its lease ended, reads the assignment, and gets no other.

1. A lease lasts `lease` from the moment at which the read of the assignment *began*.
2. The end of the wait counts from a moment *after* the assignment was written.
3. So a lease that was granted by the former assignment ends before the new assignment is active. `MARGIN` covers the clocks'
   difference and the longest request that checked the lease before it ended.

The assignment and the failovers' records are in one table. A writer changes the assignment on the condition that both it and the
record are as it read them, so a writer that is late, or of a failover that was cancelled meanwhile, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.domain.errors import Refused

MARGIN = timedelta(seconds=60)
"""More than twice the difference of two clocks, and the longest time-out of a function that signs (30 s).

A lease of the local cloud, which has one clock, may be shorter; the margin is then as long as the lease.
"""


@dataclass(frozen=True)
class IssuingAssignment:
    """The assignment: which region may issue tokens.

    Attributes:
        epoch: grows by one with each change of the region and never shrinks.
        region: the region that the assignment names.
        active: whether the region may get leases. Until then no region may.
        failover: id of the failover that took the assignment; empty for the first one.
    """

    epoch: int
    region: str
    active: bool
    failover: str = ""


@dataclass(frozen=True)
class IssuingLease:
    """A region's permission to sign tokens until a moment, which was granted by the assignment of an epoch."""

    epoch: int
    until: datetime

    def allows(self, now: datetime) -> bool:
        """Return whether tokens may be signed now."""
        return now < self.until


def refuse_without_lease(lease: IssuingLease | None, now: datetime) -> None:
    """Refuse a release whose functions sign only with a lease, in a region that has none: no client would get a token.

    Raises:
        Refused: the region has no lease, or it has ended.
    """
    if lease is None:
        remedy = "the release signs only with a lease: enable leases before with `orchestrator failover enable`"
        raise Refused("failover.lease", "the region never had one", remedy)
    if not lease.allows(now):
        remedy = "this region may not issue tokens now: docs/runbooks/alarms.md#issuing-lease"
        raise Refused("failover.lease", f"it ended at {lease.until:%Y-%m-%d %H:%M:%S} UTC", remedy)


def first_assignment(home: str) -> IssuingAssignment:
    """Return the assignment of an environment that never failed over."""
    return IssuingAssignment(epoch=1, region=home, active=True)


def has_true_records(assignment: IssuingAssignment | None, region: str) -> bool:
    """Return whether the records of managed clients in the ledger of a region are those in force.

    They are until the other region's takeover is active: a failover, or a way back, that has only taken the assignment
    still brings what is changed in the region that is left.

    Args:
        assignment: None if the environment has none.
        region: one of its two regions.
    """
    return assignment is None or assignment.active == (assignment.region == region)


def grant_lease(
    assignment: IssuingAssignment | None, region: str, read_began: datetime, lease: timedelta
) -> IssuingLease | None:
    """Return the lease that a region gets by the assignment; None if it gets none.

    Args:
        assignment: as it was read; None if it was not found or could not be read.
        region: the region that asks.
        read_began: when the read of the assignment began.
        lease: how long a lease lasts.
    """
    if assignment is None or assignment.region != region or not assignment.active:
        return None
    return IssuingLease(assignment.epoch, read_began + lease)


def take_assignment(assignment: IssuingAssignment, region: str, failover: str) -> IssuingAssignment:
    """Return the assignment with which a failover stops the other region from getting leases.

    A repetition by the same failover returns the assignment as it is.

    Raises:
        Refused: the region has the assignment already, or another failover took it and has not ended.
    """
    if assignment.failover == failover:
        if assignment.region == region:
            return assignment
        raise Refused(
            "assignment", f"returned to {assignment.region} by {failover}", "it was cancelled: start another failover"
        )
    if not assignment.active:
        remedy = f"wait until it has ended, or cancel it: `orchestrator failover cancel {assignment.failover}`"
        raise Refused("assignment", f"taken by failover {assignment.failover} for {assignment.region}", remedy)
    if assignment.region == region:
        raise Refused("assignment", f"{region} issues tokens already", "nothing is left to fail over")
    return IssuingAssignment(assignment.epoch + 1, region, active=False, failover=failover)


def activation_due(taken_at: datetime, lease: timedelta) -> datetime:
    """Return when no lease of the former assignment is left.

    Args:
        taken_at: a moment after the assignment was written.
        lease: how long a lease lasts.
    """
    return taken_at + lease + min(MARGIN, lease)


def activate_assignment(assignment: IssuingAssignment, region: str, failover: str) -> IssuingAssignment:
    """Return the assignment with which the failover's region gets leases; call it no earlier than `activation_due`.

    Raises:
        Refused: the assignment is not this failover's any more.
    """
    if (assignment.failover, assignment.region) != (failover, region):
        remedy = "this failover lost the assignment, and changes nothing more"
        raise Refused("assignment", f"taken by {assignment.failover or 'no failover'} for {assignment.region}", remedy)
    return replace(assignment, active=True)


def return_assignment(assignment: IssuingAssignment, former: str, failover: str) -> IssuingAssignment:
    """Return the assignment with which a cancelled failover lets the former region issue tokens again.

    The failover's region never had a lease, so the former one may have one immediately. A failover that has not taken
    the assignment leaves it as it is.

    Args:
        assignment: as it was read.
        former: the region that had it before.
        failover: id of the failover.

    Raises:
        Refused: the failover's region may already issue tokens.
    """
    if assignment.failover != failover or assignment.region == former:
        return assignment
    if assignment.active:
        remedy = f"{assignment.region} issues tokens since this failover: fail over to {former} instead"
        raise Refused("assignment", f"active in {assignment.region}", remedy)
    return IssuingAssignment(assignment.epoch + 1, former, active=True, failover=failover)
