"""Point the domain at this region's API, and notify operators and clients."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.incident import report_region_replaced
from orchestrator.application.failover.progress import StepDone, StepWaits
from orchestrator.aws.failover.domain_record import DomainRecord
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.decisions import approvals_due
from orchestrator.domain.failover.record import Failover, FailoverOutcome
from orchestrator.domain.failover.steps import Direction, Step

_DNS_SECONDS = 5


def update_dns(read: ReadFailover, cloud: Cloud) -> StepDone | StepWaits:
    """Point the API's domain at this region, and wait for that one change: each request makes another one, first PENDING.

    A task may die between the request and its record: then the request is repeated, and changes nothing.

    Raises:
        LockLost: another writer changed the failover.
        Refused: API Gateway does not serve the domain in this region.
    """
    domain, zone = cloud.settings["API_DOMAIN"], cloud.settings["HOSTED_ZONE_ID"]
    if not domain:
        return StepDone(read, f"clients use {_api_url(cloud) or 'its own address'}: the API has no domain of its own")
    record = DomainRecord(cloud.clients, domain, zone)
    target = record.target()
    if target is None:
        raise Refused("api.domain", domain, f"API Gateway does not serve it in {read.failover.region}")
    if not zone:
        return StepDone(read, f"a person points {domain} at {target.name}: it has no hosted zone here")
    if not read.failover.dns_change:
        read = cloud.failovers.commit(read, replace(read.failover, dns_change=record.point_at(target)))
    if not record.in_sync(read.failover.dns_change):
        return StepWaits(read, f"Route 53 applies the record of {domain}", _DNS_SECONDS)
    return StepDone(read, f"{domain} points at {target.name}")


def announce_failover(read: ReadFailover, cloud: Cloud) -> StepDone:
    """End the incident, and notify operators and clients that the service runs in this region.

    A repetition notifies once more.
    """
    failover = read.failover
    subject = f"{failover.environment}: the service runs in {failover.region}"
    text = (
        f"{failover.environment} failed over from {failover.home} to {failover.region}.\n"
        f"Lost are all writes to {failover.home} since {failover.copied_at.isoformat()}: at most those of "
        f"{failover.data_loss.total_seconds():.0f} s, because its last lease ended at "
        f"{failover.issued_until.isoformat()}. All users log in again.\n"
    )
    commands = (
        f"orchestrator failover status {failover.id} --env {failover.environment}\n"
        f"The manual steps that are left: docs/runbooks/region-failover.md\n"
    )
    cloud.topics.publish(cloud.settings["CLIENTS_TOPIC"], subject, text)
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, f"{text}\n{commands}")
    report_region_replaced(failover, cloud)
    return StepDone(read, "operators and clients were notified")


def announce_back(read: ReadFailover, cloud: Cloud) -> StepDone:
    """Notify operators and clients that the service runs in the home region again. A repetition notifies once more."""
    failover = read.failover
    subject = f"{failover.environment}: the service runs in {failover.region} again"
    text = (
        f"{failover.environment} went back from {failover.home} to {failover.region} with all that was written there.\n"
        "Logins stay valid. Access tokens that were issued before need a refresh.\n"
    )
    commands = (
        f"orchestrator failover status {failover.id} --env {failover.environment}\n"
        f"orchestrator failover back rows {failover.id} --env {failover.environment}\n"
        "The manual steps that are left: docs/runbooks/region-failover.md\n"
    )
    cloud.topics.publish(cloud.settings["CLIENTS_TOPIC"], subject, text)
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, f"{text}\n{commands}")
    return StepDone(read, "operators and clients were notified")


def ask_for_approval(failover: Failover, cloud: Cloud) -> None:
    """Notify the operators that a failover waits for approvals."""
    deadline = approvals_due(failover)
    if failover.direction is Direction.BACK:
        what = (
            "It keeps what was written since the failover, and all logins. Clients get no tokens for some minutes.\n"
            f"{failover.results_by_step[Step.LIST_ROWS].result}; they are not copied.\n"
        )
    else:
        what = (
            f"It loses the last {failover.data_loss.total_seconds():.0f} s of writes, "
            f"those of up to {failover.lease.total_seconds():.0f} s until the lease of {failover.home} ends, and all "
            f"logins. If newer copies are there when the restore begins, it takes those.\n"
        )
    text = (
        f"Failover {failover.id} of {failover.environment} from {failover.home} to {failover.region} waits until "
        f"{deadline.isoformat()} for {failover.gate.description}.\n{failover.reason}\n"
        f"Requested by {failover.requested_by}. {what}{_release_line(failover)}\n"
        f"orchestrator failover approve {failover.id} --env {failover.environment}\n"
        f"orchestrator failover reject {failover.id} --env {failover.environment}\n"
    )
    subject = f"{failover.environment}: a failover waits for approval"
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)


def _release_line(failover: Failover) -> str:
    """Return the release that it would publish, as a line; nothing for a record of an earlier version."""
    return f"It publishes the release {failover.release.described(failover.home)}.\n" if failover.release else ""


def report_end(failover: Failover, problem: str, cloud: Cloud) -> None:
    """Notify the operators of a failover that did not succeed. One that did was announced."""
    if failover.outcome is FailoverOutcome.SUCCEEDED:
        return
    what = "was cancelled" if failover.outcome is FailoverOutcome.CANCELLED else f"stopped: {problem}"
    text = (
        f"Failover {failover.id} of {failover.environment} {what}\n\n"
        f"orchestrator failover status {failover.id} --env {failover.environment}\n"
        f"orchestrator failover resume {failover.id} --env {failover.environment}\n"
    )
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], f"{failover.environment}: failover {what[:40]}", text)


def _api_url(cloud: Cloud) -> str:
    return msgspec.json.decode(cloud.settings["SERVICE"], type=Service).api_url
