"""Evaluate the failover's plan against what is really there, in the standby region and in the home region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.data_key import key_state
from orchestrator.application.failover.managed_clients import client_copies
from orchestrator.application.failover.planning import copies_of_home, failover_policy
from orchestrator.application.failover.releases import HomeClients, code_served, planned_release
from orchestrator.aws.clients import brief_client_in, translate_errors
from orchestrator.aws.failover.copied_files import list_files
from orchestrator.aws.failover.domain_record import DomainRecord
from orchestrator.aws.oauth_tables.issuing_lease import IssuingLeaseStore
from orchestrator.domain.analysis.observations import HttpRequest
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.failover.copies import CopiedFiles, StoredFile
from orchestrator.domain.failover.home_releases import PlannedRelease
from orchestrator.domain.failover.readiness import ENABLED, StandbyFacts, StepReadiness, evaluate_plan
from orchestrator.domain.failover.steps import Step
from orchestrator.domain.signing_keys import KmsKey

T = TypeVar("T")


@dataclass
class Reading:
    """Reads facts one by one; what cannot be read is noted with the step that needs it."""

    unread: dict[Step, str] = field(default_factory=dict)

    def read_fact(self, step: Step, read: Callable[[], T], otherwise: T) -> T:
        """Return what `read` returns; if it fails, note why, and return `otherwise`."""
        try:
            with translate_errors():
                return read()
        except (OrchestratorError, ClientError) as error:
            self.unread[step] = f"{type(error).__name__}: {error}"
            return otherwise


def gather_facts(cloud: Cloud, home_clients: HomeClients | None = None) -> StandbyFacts:
    """Read what is there. What cannot be read makes its step not ready.

    Args:
        cloud: of the standby region.
        home_clients: botocore client by service, of the home region; by default with the function's credentials.
    """
    policy, home = failover_policy(cloud), cloud.settings["HOME_REGION"]
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    at_home = home_clients or (lambda name: brief_client_in(name, home))
    reading, domain = Reading(), cloud.settings["API_DOMAIN"]
    lease = IssuingLeaseStore(at_home("dynamodb"), cloud.settings["KEYS_TABLE"])
    without: tuple[str, ...] = ()
    without = reading.read_fact(
        Step.DEPLOY_RELEASE, lambda: without_alias(cloud.clients("lambda"), service), otherwise=without
    )
    # A failover publishes `$LATEST`. The alias here stays at the first version until then: without a lease the orchestrator
    # deploys nothing, and each release changes only `$LATEST`. So a release that home rolled back is found here.
    release = reading.read_fact(Step.DEPLOY_RELEASE, lambda: planned_release(cloud), PlannedRelease())
    served: Mapping[str, str] = {}
    return StandbyFacts(
        home=home,
        region=cloud.settings["AWS_REGION"],
        gate=policy.gate,
        assignment=reading.read_fact(Step.FENCE, lambda: cloud.failovers.read_assignment().assignment, None),
        home_lease=reading.read_fact(Step.FENCE, lease.read_lease, None),
        copies=reading.read_fact(
            Step.RESTORE,
            copies_of_home(cloud, cloud.settings["AWS_REGION"]).list_backups,
            (),
        ),
        oldest_copy=policy.oldest_copy,
        data_key=reading.read_fact(Step.RESTORE, lambda: key_state(cloud), None),
        home_release=reading.read_fact(
            Step.DEPLOY_RELEASE, lambda: code_served(at_home("lambda"), service, service.alias), served
        ),
        release=release,
        without_alias=without,
        signing_key=reading.read_fact(Step.CHECK_KEYS, lambda: signing_key_state(cloud), ""),
        health=reading.read_fact(Step.VERIFY, lambda: health_of(cloud, service), 0),
        domain=domain,
        domain_target=reading.read_fact(Step.UPDATE_DNS, lambda: domain_target(cloud, domain), ""),
        operators=int(cloud.settings["OPERATORS"]),
        files=copied_files(cloud, at_home),
        clients=client_copies(cloud, at_home),
        unread=reading.unread,
    )


def copied_files(cloud: Cloud, home_clients: HomeClients) -> CopiedFiles:
    """Return the home region's evidence and configuration snapshots, and their copies in this region."""
    reading, none = Reading(), ()
    copies: tuple[StoredFile, ...] = reading.read_fact(
        Step.RESTORE, lambda: list_files(cloud.clients("s3"), cloud.settings["EVIDENCE_COPIES_BUCKET"]), none
    )
    at_home: tuple[StoredFile, ...] = reading.read_fact(
        Step.RESTORE, lambda: list_files(home_clients("s3"), cloud.settings["HOME_EVIDENCE_BUCKET"]), none
    )
    return CopiedFiles(at_home, copies, reading.unread.get(Step.RESTORE, ""))


def evaluate_failover(cloud: Cloud, home_clients: HomeClients | None = None) -> tuple[StepReadiness, ...]:
    """Return for each step whether it could run now."""
    return evaluate_plan(gather_facts(cloud, home_clients), cloud.now())


def without_alias(client: Any, service: Service) -> tuple[str, ...]:
    """Return the functions whose live alias does not exist."""
    there = code_served(client, service, service.alias)
    return tuple(name for name in service.functions if name not in there)


def signing_key_state(cloud: Cloud) -> str:
    """Return the state of the key that signs by the ring."""
    signing = cloud.key_ring.read_ring().signing
    kid = cloud.key_ring.read_kid(KmsKey(signing.key_id, signing.since, usable=True))
    return ENABLED if kid == signing.kid else "another one than the ring names"


def health_of(cloud: Cloud, service: Service) -> int:
    """Return the HTTP status of the live alias's deep health check."""
    request = HttpRequest("GET", "/health/deep")
    return cloud.probe_clients.functions.invoke(service.functions["public"], service.alias, request).status


def domain_target(cloud: Cloud, domain: str) -> str:
    """Return what the domain would point at in this region; empty without a domain or a target."""
    if not domain:
        return ""
    target = DomainRecord(cloud.clients, domain, cloud.settings["HOSTED_ZONE_ID"]).target()
    return target.name if target else ""
