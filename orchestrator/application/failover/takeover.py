"""The assignment and the leases: fence the home region, let this region issue tokens, renew a lease, and cancel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.managed_clients import apply_clients
from orchestrator.application.failover.planning import failover_policy
from orchestrator.application.failover.progress import StepDone
from orchestrator.aws.clients import client_in
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.aws.ledger.failovers import FailoverStore, ReadAssignment, ReadFailover
from orchestrator.domain.errors import OrchestratorError, Refused, Unreachable
from orchestrator.domain.failover import decisions
from orchestrator.domain.failover.issuing_region import (
    IssuingAssignment,
    activate_assignment,
    activation_due,
    grant_lease,
    return_assignment,
    take_assignment,
)


def fence_home(read: ReadFailover, cloud: Cloud) -> StepDone:
    """Take the assignment, so that the home region gets no further lease. The wait counts from after the write.

    Raises:
        Refused: another failover took the assignment.
        LockLost: another writer changed the assignment or the failover.
    """
    failover, seen = read.failover, cloud.failovers.read_assignment()
    assignment = take_assignment(_existing(seen), failover.region, failover.id)
    if assignment != seen.assignment:
        read = cloud.failovers.commit(read, failover, (seen, assignment))
    taken_at = read.failover.assignment_taken_at
    if taken_at is None:
        taken_at = cloud.now()
        read = cloud.failovers.commit(read, replace(read.failover, assignment_taken_at=taken_at))
    ends = activation_due(taken_at, failover.lease)
    return StepDone(read, f"{failover.home} gets no lease; the last one ends by {ends:%H:%M:%S} UTC")


def take_over(read: ReadFailover, cloud: Cloud, clients: ClientRecords | None = None) -> StepDone:
    """Bring the managed clients into their recorded state, activate the assignment, and give this region its first lease.

    The caller has waited until no other lease is left: no token is issued before the clients have that state.

    Args:
        read: the failover.
        cloud: of the region that takes over.
        clients: on the way back, the records of managed clients of the region that is left.

    Raises:
        Refused: the assignment is not this failover's any more.
        LockLost: another writer changed the assignment or the failover.
        Unreachable: the lease could not be written.
    """
    seen = cloud.failovers.read_assignment()
    assignment = activate_assignment(_existing(seen), read.failover.region, read.failover.id)
    read = apply_clients(read, cloud, clients)
    failover = read.failover
    assert failover.clients is not None, "they were recorded"
    if assignment != seen.assignment:
        read = cloud.failovers.commit(read, failover, (seen, assignment))
    answer = renew_lease(cloud, cloud.failovers, failover.region)
    lease = cloud.issuing_lease.read_lease()
    if lease is None or not lease.allows(cloud.now()):
        raise Unreachable(f"the lease of {failover.region} does not read back: {answer}")
    issues = f"{failover.region} issues tokens since {cloud.now():%H:%M:%S} UTC, epoch {assignment.epoch}"
    return StepDone(read, f"{issues}; {failover.clients.description}")


def cancel_failover(cloud: Cloud, failover_id: str, by: str) -> ReadFailover:
    """Cancel a failover and return the assignment to the home region, in one transaction.

    Raises:
        Refused: it has ended, or its region may issue tokens.
        LockLost: another writer changed the assignment or the failover meanwhile; try again.
    """
    read, seen = cloud.failovers.read_failover(failover_id), cloud.failovers.read_assignment()
    cancelled = decisions.cancel(read.failover, by, cloud.now())
    assignment = return_assignment(_existing(seen), cancelled.home, failover_id)
    return cloud.failovers.commit(read, cancelled, None if assignment == seen.assignment else (seen, assignment))


def renew_lease(cloud: Cloud, assignments: FailoverStore, region: str) -> str:
    """Renew the lease of a region by the assignment; return what was done, as one sentence.

    Args:
        cloud: the region's own.
        assignments: the store of the standby region's ledger.
        region: the region's name.
    """
    began = cloud.now()
    try:
        assignment = assignments.read_assignment().assignment
    except OrchestratorError as error:
        return f"not renewed: the assignment could not be read ({type(error).__name__}: {error})"
    lease = grant_lease(assignment, region, began, failover_policy(cloud).lease)
    if lease is None:
        holder = "there is no assignment" if assignment is None else f"the assignment names {assignment.region}"
        return f"not renewed: {holder}"
    cloud.issuing_lease.write_lease(lease)
    return f"{region} may issue tokens until {lease.until:%Y-%m-%d %H:%M:%S} UTC"


def assignments_of(cloud: Cloud, *, clients: Any = None) -> FailoverStore:
    """Return the store of the assignment, which is in the standby region's ledger."""
    region = failover_policy(cloud).region
    if region == cloud.settings["AWS_REGION"]:
        return cloud.failovers
    return FailoverStore(clients or client_in("dynamodb", region), cloud.settings["LEDGER_TABLE"])


def _existing(seen: ReadAssignment) -> IssuingAssignment:
    if seen.assignment is None:
        raise Refused("assignment", "none", "run `orchestrator failover enable` while both regions are healthy")
    return seen.assignment
