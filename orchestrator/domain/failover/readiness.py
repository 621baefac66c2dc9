"""Whether a failover could run now, decided for each step from what is really there. Pure.

A fact that could not be read makes its step not ready: missing evidence is never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.domain.deployment.gates import Gate
from orchestrator.domain.failover.copies import CopiedFiles, copies_problem
from orchestrator.domain.failover.home_releases import OUTDATED, PlannedRelease, release_name
from orchestrator.domain.failover.issuing_region import IssuingAssignment, IssuingLease
from orchestrator.domain.failover.managed_clients import ClientCopies, clients_problem
from orchestrator.domain.failover.manual_plan import CrossRegionBackup, competing_remedy, competing_tables
from orchestrator.domain.failover.steps import STEPS, Step
from orchestrator.domain.recovery.record import Role

ENABLED = "Enabled"
"""The state of a key that can be used, as KMS names it."""


@dataclass(frozen=True)
class StandbyFacts:
    """What is there for a failover. A fact that could not be read has its step in `unread`.

    Attributes:
        home: the region that issues tokens.
        region: the standby region.
        gate: the approvals that a failover needs.
        assignment: the assignment in the standby region's ledger; None if there is none.
        home_lease: the home region's lease; None if it has none.
        copies: backups of the tables in the standby region.
        oldest_copy: the greatest age of the newest copy of a table.
        home_release: code that the home region's live aliases serve: short name of each function to its CodeSha256.
        release: what a failover would publish in the standby region: `$LATEST`, and what its record says of it.
        without_alias: functions of the standby region whose live alias does not exist.
        signing_key: state of the standby region's signing key, such as ``Enabled``; empty if the ring names none.
        health: HTTP status of the standby region's live alias; 0 without an answer.
        domain: the API's domain; empty without one.
        domain_target: what the domain would point at in the standby region; empty if it has no such target.
        operators: how many e-mail addresses and other destinations get the operators' notifications.
        data_key: state of the standby region's key that encrypts the restored tables; empty if it is not there, None if the
            environment has no keys of its own.
        files: the home region's evidence and configuration snapshots, and their copies in the standby region.
        clients: the records of managed clients in the ledgers of both regions.
        unread: why a step's facts could not be read.
    """

    home: str
    region: str
    gate: Gate
    assignment: IssuingAssignment | None
    home_lease: IssuingLease | None
    copies: tuple[CrossRegionBackup, ...]
    oldest_copy: timedelta
    home_release: Mapping[str, str]
    release: PlannedRelease
    without_alias: tuple[str, ...]
    signing_key: str
    health: int
    domain: str
    domain_target: str
    operators: int
    data_key: str | None = None
    files: CopiedFiles = field(default_factory=CopiedFiles)
    clients: ClientCopies = field(default_factory=ClientCopies)
    unread: Mapping[Step, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StepReadiness:
    """Whether a step could run now; `reason` says what is there, or what is missing."""

    step: Step
    ready: bool
    reason: str


def evaluate_plan(facts: StandbyFacts, now: datetime) -> tuple[StepReadiness, ...]:
    """Return for each step, in their order, whether it could run now."""
    return tuple(_evaluate(step, facts, now) for step in STEPS)


def not_ready(evaluated: tuple[StepReadiness, ...]) -> str:
    """Return the steps that could not run now with their reasons, as one line; empty if all could."""
    return "; ".join(f"{one.step}: {one.reason}" for one in evaluated if not one.ready)


def _evaluate(step: Step, facts: StandbyFacts, now: datetime) -> StepReadiness:
    if step in facts.unread:
        recorded = (
            f"; a failover would publish {facts.release.described(facts.home)}" if step is Step.DEPLOY_RELEASE else ""
        )
        return StepReadiness(step, ready=False, reason=f"could not be checked: {facts.unread[step]}{recorded}")
    missing, there = _CHECKS[step](facts, now)
    return StepReadiness(step, ready=not missing, reason=missing or there)


_Found = tuple[str, str]
"""What is missing, empty if nothing is; and what is there."""


def _approve(facts: StandbyFacts, _now: datetime) -> _Found:
    gate = facts.gate
    # The requester may be one of the approvers, and does not count alone.
    needed = max(gate.quorum, 1 if gate.requester_alone else 2)
    if len(gate.approvers) < needed:
        return f"{len(gate.approvers)} approvers are set, and {needed} may be needed: failover.approvers", ""
    return "", gate.description


def _fence(facts: StandbyFacts, now: datetime) -> _Found:
    assignment, lease = facts.assignment, facts.home_lease
    if assignment is None:
        return f"there is no assignment in {facts.region}: run `orchestrator failover enable`", ""
    if not (assignment.active and assignment.region == facts.home):
        return f"the assignment is of {assignment.failover or 'no failover'} for {assignment.region}", ""
    if lease is None or not lease.allows(now):
        ended = f" since {lease.until:%Y-%m-%d %H:%M:%S} UTC" if lease else ""
        return f"{facts.home} has no lease{ended}, so it issues no tokens: see the function renew_lease there", ""
    return "", f"the assignment names {facts.home}; its lease lasts until {lease.until:%H:%M:%S} UTC"


def _restore(facts: StandbyFacts, now: datetime) -> _Found:
    newest = {
        role: max((copy.as_of for copy in facts.copies if copy.role is role and copy.as_of <= now), default=None)
        for role in Role
    }
    problems = [_copy_problem(role, as_of, facts, now) for role, as_of in newest.items()]
    problems += [_competing_problem(role, facts, now) for role in Role]
    if facts.data_key not in {None, ENABLED}:
        problems.append(f"the key of the tables in {facts.region} is {facts.data_key or 'not there'}")
    problems.append(copies_problem(facts.files, now))
    oldest = min((as_of for as_of in newest.values() if as_of), default=now)
    there = f"the oldest copy has an age of {_hours(now - oldest)}; {facts.files.snapshots} configuration snapshots"
    return "; ".join(problem for problem in problems if problem), there


def _copy_problem(role: Role, as_of: datetime | None, facts: StandbyFacts, now: datetime) -> str:
    if as_of is None:
        return f"no copy of the table {role} in {facts.region}"
    if now - as_of > facts.oldest_copy:
        return f"the newest copy of the table {role} has an age of {_hours(now - as_of)} of {_hours(facts.oldest_copy)}"
    return ""


def _competing_problem(role: Role, facts: StandbyFacts, now: datetime) -> str:
    tables = competing_tables(role, facts.copies, now, facts.oldest_copy)
    if not tables:
        return ""
    return f"copies of {' and of '.join(tables)}: {competing_remedy(role, facts.region)}"


def _sanitize(_facts: StandbyFacts, _now: datetime) -> _Found:
    return "", "needs only the restored tables"


def _deploy(facts: StandbyFacts, now: datetime) -> _Found:
    if facts.without_alias:
        return f"no live alias in {facts.region}: {', '.join(facts.without_alias)}", ""
    release, served = facts.release, release_name(facts.home_release)
    if not release.code or release.code != facts.home_release:
        remedy = f"deploy that release's stacks to {facts.region}"
        return f"$LATEST in {facts.region} is {release.name}, {facts.home} serves {served}: {remedy}", ""
    if release.seen_at is None or now - release.seen_at > OUTDATED:
        last = f"last recorded at {release.seen_at:%Y-%m-%d %H:%M:%S} UTC" if release.seen_at else "never recorded"
        return f"what {facts.home} serves was {last}: see the function record_home_release", ""
    return "", f"both regions have the release {served}"


def _keys(facts: StandbyFacts, _now: datetime) -> _Found:
    if facts.signing_key != ENABLED:
        return f"the signing key in {facts.region} is {facts.signing_key or 'not there'}", ""
    return "", "the signing key is enabled"


def _verify(facts: StandbyFacts, _now: datetime) -> _Found:
    if facts.health != _OK:
        return f"the service in {facts.region} answers {facts.health or 'nothing'}", ""
    return "", "the service answers"


def _take_over(facts: StandbyFacts, _now: datetime) -> _Found:
    if facts.assignment and facts.assignment.region != facts.home:
        # After a failover the records of the standby region are the truth.
        return "", "needs only the assignment"
    there = f"{len(facts.clients.at_home)} managed clients are recorded here as in {facts.home}"
    return clients_problem(facts.clients, facts.home, facts.region), there


def _dns(facts: StandbyFacts, _now: datetime) -> _Found:
    if not facts.domain:
        return "the API has no domain of its own, so every client would need another issuer: api.domain", ""
    if not facts.domain_target:
        return f"{facts.region} has no target for {facts.domain}: deploy its stacks", ""
    return "", f"{facts.domain} would point at {facts.domain_target}"


def _announce(facts: StandbyFacts, _now: datetime) -> _Found:
    if not facts.operators:
        return "no operator would be notified: contacts.operators", ""
    return "", f"{facts.operators} destinations of the operators' notifications"


def _hours(age: timedelta) -> str:
    return f"{age / timedelta(hours=1):.1f} h"


_OK = 200

_CHECKS: Mapping[Step, Callable[[StandbyFacts, datetime], _Found]] = {
    Step.APPROVE: _approve,
    Step.FENCE: _fence,
    Step.RESTORE: _restore,
    Step.SANITIZE_TOKENS: _sanitize,
    Step.DEPLOY_RELEASE: _deploy,
    Step.CHECK_KEYS: _keys,
    Step.VERIFY: _verify,
    Step.TAKE_OVER: _take_over,
    Step.UPDATE_DNS: _dns,
    Step.ANNOUNCE: _announce,
}
