"""Whether the service could go back to the home region now, decided for each step from what is there. Pure.

A fact that could not be read makes its step not ready: missing evidence is never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.deployment.gates import Gate
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.home_releases import release_name
from orchestrator.domain.failover.issuing_region import IssuingAssignment, IssuingLease
from orchestrator.domain.failover.readiness import ENABLED, StepReadiness
from orchestrator.domain.failover.steps import STEPS_BACK, Step
from orchestrator.domain.recovery.record import Role

_OK = 200


@dataclass(frozen=True)
class BackFacts:
    """What is there for the way back. A fact that could not be read has its step in `unread`.

    Attributes:
        standby: the region that issues tokens since the failover.
        home: the region to go back to.
        gate: the approvals that it needs.
        assignment: the assignment in the standby region's ledger; None if there is none.
        in_progress: a failover that has not ended, other than this one, with its step; empty without one.
        lock: what holds the environment lock of a region, with the region; empty if both are free.
        tables: the tables that the standby region's live versions use.
        old_tables: the tables that the home region's live versions name.
        standby_release: code that the standby region's live aliases serve: short name of each function to its CodeSha256.
        home_release: code of the home region's `$LATEST`.
        without_alias: functions of the home region whose live alias does not exist.
        standby_lease: the standby region's lease; None if it has none.
        home_lease: the home region's lease; None if it has none.
        data_key: state of the home region's key that encrypts tables; empty if it is not there, None if the environment has
            no keys of its own.
        signing_key: state of the home region's signing key, such as ``Enabled``.
        health: HTTP status of the home region's live alias; 0 without an answer.
        domain: the API's domain; empty without one.
        domain_target: what the domain would point at in the home region; empty if it has no such target.
        operators: how many e-mail addresses and other destinations get the operators' notifications.
        unread: why a step's facts could not be read.
    """

    standby: str
    home: str
    gate: Gate
    assignment: IssuingAssignment | None
    in_progress: str
    lock: str
    tables: Mapping[Role, str]
    old_tables: Mapping[Role, str]
    standby_release: Mapping[str, str]
    home_release: Mapping[str, str]
    without_alias: tuple[str, ...]
    standby_lease: IssuingLease | None
    home_lease: IssuingLease | None
    data_key: str | None
    signing_key: str
    health: int
    domain: str
    domain_target: str
    operators: int
    unread: Mapping[Step, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Obstacle:
    """Why a step could not run: what is wrong, its value, and what to do."""

    step: Step
    field: str
    value: str
    remedy: str

    @property
    def reason(self) -> str:
        """As one line."""
        return f"{self.field}: {self.value}: {self.remedy}"


BEFORE_FENCE = frozenset(
    {Step.PREPARE, Step.COPY, Step.FENCE, Step.DEPLOY_RELEASE, Step.CHECK_KEYS, Step.VERIFY, Step.UPDATE_DNS}
)
"""What is checked again before the standby region's lease is given up."""


def obstacles(facts: BackFacts, now: datetime) -> tuple[Obstacle, ...]:
    """Return what is in the way, in the steps' order; empty if all steps could run now."""
    return tuple(found for step in STEPS_BACK if (found := _obstacle(step, facts, now)))


def evaluate_back(facts: BackFacts, now: datetime) -> tuple[StepReadiness, ...]:
    """Return for each step, in their order, whether it could run now."""
    found = {one.step: one for one in obstacles(facts, now)}
    return tuple(
        StepReadiness(
            step, ready=step not in found, reason=found[step].reason if step in found else _there(step, facts)
        )
        for step in STEPS_BACK
    )


def refuse_back(facts: BackFacts, now: datetime, steps: frozenset[Step] = frozenset(STEPS_BACK)) -> None:
    """Refuse to begin while something is in the way of some steps.

    Raises:
        Refused: the first obstacle.
    """
    for found in obstacles(facts, now):
        if found.step in steps:
            raise Refused(found.field, found.value, found.remedy)


def _obstacle(step: Step, facts: BackFacts, now: datetime) -> Obstacle | None:
    if step in facts.unread:
        remedy = "going back needs answers of both regions: repeat when they answer"
        return Obstacle(step, f"facts.{step}", facts.unread[step], remedy)
    check = _CHECKS.get(step)
    found = check(facts, now) if check else None
    return Obstacle(step, *found) if found else None


_Found = tuple[str, str, str] | None
"""Field, value and remedy of what is in the way."""


def _prepare(facts: BackFacts, _now: datetime) -> _Found:
    assignment = facts.assignment
    if assignment is None:
        return "assignment", f"none in {facts.standby}", "nothing failed over: `orchestrator failover status`"
    if assignment.region == facts.home and assignment.active:
        return "region", facts.home, "it issues the tokens already: nothing is left to go back from"
    if facts.in_progress:
        return "failover", facts.in_progress, "let it end, or cancel it: `orchestrator failover status`"
    if not (assignment.active and assignment.region == facts.standby):
        return "assignment", f"taken by {assignment.failover} for {assignment.region}", "wait until it is active"
    if facts.lock:
        return "lock", facts.lock, "wait until it has ended: `orchestrator status`"
    return None


def _copy(facts: BackFacts, _now: datetime) -> _Found:
    missing = ", ".join(sorted(set(Role) - facts.tables.keys()))
    if missing:
        return (
            "tables",
            f"the live versions in {facts.standby} name no table {missing}",
            "repair the live version first",
        )
    if facts.data_key not in {None, ENABLED}:
        state = facts.data_key or "not there"
        return "data_key", f"{state} in {facts.home}", "enable it or cancel its deletion, then repeat"
    return None


def _approve(facts: BackFacts, _now: datetime) -> _Found:
    gate = facts.gate
    # The requester may be one of the approvers, and does not count alone.
    needed = max(gate.quorum, 1 if gate.requester_alone else 2)
    if len(gate.approvers) < needed:
        remedy = f"{needed} may be needed: set them and deploy"
        return "failover.approvers", f"{len(gate.approvers)} are set", remedy
    return None


def _fence(facts: BackFacts, now: datetime) -> _Found:
    if facts.standby_lease is None or not facts.standby_lease.allows(now):
        return "lease", f"{facts.standby} has none", "it issues no tokens: docs/runbooks/alarms.md#issuing-lease"
    if facts.home_lease is not None and facts.home_lease.allows(now):
        until = f"{facts.home_lease.until:%Y-%m-%d %H:%M:%S} UTC"
        return "lease", f"{facts.home} has one until {until}", "repeat when it has ended"
    return None


def _deploy(facts: BackFacts, _now: datetime) -> _Found:
    if facts.without_alias:
        return "functions", f"no live alias in {facts.home}: {', '.join(facts.without_alias)}", "deploy its stacks"
    if not facts.standby_release or facts.standby_release != facts.home_release:
        found = f"{facts.home} has {release_name(facts.home_release)}"
        served = release_name(facts.standby_release)
        return "release", f"{found}, {facts.standby} serves {served}", f"deploy the stacks of {served} to {facts.home}"
    return None


def _keys(facts: BackFacts, _now: datetime) -> _Found:
    if facts.signing_key != ENABLED:
        return "keys", f"the signing key in {facts.home} is {facts.signing_key or 'not there'}", "enable it"
    return None


def _verify(facts: BackFacts, _now: datetime) -> _Found:
    if facts.health != _OK:
        remedy = "see the logs of its functions"
        return "health", f"the service in {facts.home} answers {facts.health or 'nothing'}", remedy
    return None


def _dns(facts: BackFacts, _now: datetime) -> _Found:
    if facts.domain and not facts.domain_target:
        return "api.domain", f"{facts.home} has no target for {facts.domain}", "deploy its stacks"
    return None


def _announce(facts: BackFacts, _now: datetime) -> _Found:
    if not facts.operators:
        return "contacts.operators", "none", "no operator would be notified: name some"
    return None


_CHECKS: Mapping[Step, Callable[[BackFacts, datetime], _Found]] = {
    Step.PREPARE: _prepare,
    Step.COPY: _copy,
    Step.APPROVE: _approve,
    Step.FENCE: _fence,
    Step.DEPLOY_RELEASE: _deploy,
    Step.CHECK_KEYS: _keys,
    Step.VERIFY: _verify,
    Step.UPDATE_DNS: _dns,
    Step.ANNOUNCE: _announce,
}


def _there(step: Step, facts: BackFacts) -> str:
    """Return what is there for a step that could run."""
    if step is Step.UPDATE_DNS and not facts.domain:
        return "the API has no domain of its own: clients use another URL"
    return {
        Step.PREPARE: f"{facts.standby} issues the tokens, and both regions answer",
        Step.COPY: f"{', '.join(facts.tables[role] for role in Role if role in facts.tables)} would be copied",
        Step.LIST_ROWS: _old_tables(facts),
        Step.APPROVE: facts.gate.description,
        Step.SYNC: "needs only the copied tables",
        Step.FENCE: f"{facts.standby} has the only lease",
        Step.CLOSE: "needs only the assignment",
        Step.DEPLOY_RELEASE: f"both regions have the release {release_name(facts.home_release)}",
        Step.CHECK_KEYS: "the signing key is enabled",
        Step.VERIFY: "the service answers",
        Step.TAKE_OVER: "needs only the assignment",
        Step.UPDATE_DNS: f"{facts.domain} would point at {facts.domain_target}",
        Step.ANNOUNCE: f"{facts.operators} destinations of the operators' notifications",
    }[step]


def _old_tables(facts: BackFacts) -> str:
    names = ", ".join(facts.old_tables[role] for role in Role if role in facts.old_tables)
    return f"{names} would be compared, and left as they are" if names else f"{facts.home} names no old tables"
