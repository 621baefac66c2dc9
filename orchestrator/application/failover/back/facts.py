"""What is there for the way back, in both regions."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.back.regions import BothRegions
from orchestrator.application.failover.data_key import key_state
from orchestrator.application.failover.evaluation import (
    Reading,
    domain_target,
    health_of,
    signing_key_state,
    without_alias,
)
from orchestrator.application.failover.planning import failover_policy
from orchestrator.application.failover.releases import code_served
from orchestrator.application.failover.switching import service_of
from orchestrator.application.recovery_planning import tables_in_use
from orchestrator.aws.lambda_.versions import LATEST
from orchestrator.domain.errors import AliasConflict, Refused
from orchestrator.domain.failover.back.readiness import BackFacts, refuse_back
from orchestrator.domain.failover.steps import STEPS_BACK, Step
from orchestrator.domain.recovery.record import Role


def gather_back(regions: BothRegions, own: str = "") -> BackFacts:
    """Read what is there. What cannot be read makes its step not ready.

    Args:
        regions: both.
        own: id of the failover that goes back; empty before it began.
    """
    standby, home, reading = regions.standby, regions.home, Reading()
    service, domain = service_of(home), home.settings["API_DOMAIN"]
    none: Mapping[Role, str] = {}
    no_code: Mapping[str, str] = {}
    no_names: tuple[str, ...] = ()
    return BackFacts(
        standby=regions.standby_region,
        home=regions.home_region,
        gate=failover_policy(standby).gate,
        assignment=reading.read_fact(Step.PREPARE, lambda: regions.store.read_assignment().assignment, None),
        in_progress=reading.read_fact(Step.PREPARE, lambda: _in_progress(regions, own), ""),
        lock=reading.read_fact(Step.PREPARE, lambda: held_lock(standby) or held_lock(home), ""),
        tables=reading.read_fact(Step.COPY, lambda: live_tables(standby), none),
        old_tables=reading.read_fact(Step.LIST_ROWS, lambda: live_tables(home), none),
        standby_release=reading.read_fact(
            Step.DEPLOY_RELEASE, lambda: code_served(standby.clients("lambda"), service, service.alias), no_code
        ),
        home_release=reading.read_fact(
            Step.DEPLOY_RELEASE, lambda: code_served(home.clients("lambda"), service, LATEST), no_code
        ),
        without_alias=reading.read_fact(
            Step.DEPLOY_RELEASE, lambda: without_alias(home.clients("lambda"), service), no_names
        ),
        standby_lease=reading.read_fact(Step.FENCE, standby.issuing_lease.read_lease, None),
        home_lease=reading.read_fact(Step.FENCE, home.issuing_lease.read_lease, None),
        data_key=reading.read_fact(Step.COPY, lambda: key_state(home), None),
        signing_key=reading.read_fact(Step.CHECK_KEYS, lambda: signing_key_state(home), ""),
        health=reading.read_fact(Step.VERIFY, lambda: health_of(home, service), 0),
        domain=domain,
        domain_target=reading.read_fact(Step.UPDATE_DNS, lambda: domain_target(home, domain), ""),
        operators=int(home.settings["OPERATORS"]),
        unread=reading.unread,
    )


def refuse_obstacles(regions: BothRegions, own: str = "", steps: frozenset[Step] = frozenset(STEPS_BACK)) -> BackFacts:
    """Return what is there.

    Raises:
        Refused: something is in the way of some of the steps.
    """
    facts = gather_back(regions, own)
    refuse_back(facts, regions.standby.now(), steps)
    return facts


def live_tables(cloud: Cloud) -> Mapping[Role, str]:
    """Return the tables that a region's live versions use; none if a function has no live version."""
    try:
        return tables_in_use(cloud, service_of(cloud).functions)
    except (AliasConflict, Refused):
        return {}


def held_lock(cloud: Cloud) -> str:
    """Return what holds the environment lock of a region; empty if it is free."""
    lock = cloud.ledger.read_lock()
    return f"{lock.kind} {lock.deployment} holds that of {cloud.settings['AWS_REGION']}" if lock.held else ""


def _in_progress(regions: BothRegions, own: str) -> str:
    for failover in regions.store.newest(1):
        if not failover.outcome and failover.id != own:
            return f"{failover.id} is at {failover.next_step}"
    return ""
