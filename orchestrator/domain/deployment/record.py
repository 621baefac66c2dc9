"""Records of a deployment in the ledger: the deployment, its decisions, events and operator commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.deployment.cutover import Cutover
from orchestrator.domain.deployment.decision import Decision
from orchestrator.domain.deployment.gates import GateRecord
from orchestrator.domain.deployment.plan import Function, Plan, Service
from orchestrator.domain.errors import AliasConflict
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict


class DeploymentPhase(StrEnum):
    """The progress of a deployment, in the order of the state machine."""

    PLANNED = "PLANNED"
    LOCKED = "LOCKED"
    READY = "READY"
    PUBLISHED = "PUBLISHED"
    SHIFTING = "SHIFTING"
    PAUSED = "PAUSED"
    PROMOTED = "PROMOTED"
    VERIFIED = "VERIFIED"  # verified after promotion: only its record and the lock are left to complete
    ROLLING_BACK = "ROLLING_BACK"
    ENDED = "ENDED"


UNCHECKED_PHASES = frozenset({DeploymentPhase.PLANNED, DeploymentPhase.LOCKED})
"""Phases in which the lock and the readiness of the environment may still refuse a deployment."""


class DeploymentOutcome(StrEnum):
    """The outcome of a deployment."""

    SUCCEEDED = "SUCCEEDED"
    NOTHING_TO_SHIP = "NOTHING_TO_SHIP"
    REFUSED = "REFUSED"
    ROLLED_BACK = "ROLLED_BACK"
    NOT_ROLLED_BACK = "NOT_ROLLED_BACK"  # a version to revert to no longer exists: no alias was written


@dataclass(frozen=True)
class Release:
    """The content of `$LATEST` when the deployment was planned.

    Attributes:
        digest: digest of code and configuration of all functions.
        revisions: function to the RevisionId of its `$LATEST`; publishing requires this revision.
        code: function to the CodeSha256 of its `$LATEST`.
        commit: that the service was built from; empty if it was not built from one commit.
    """

    digest: str
    revisions: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""


@dataclass(frozen=True)
class KnownGood:
    """Published versions that are the release already, and the deployment that made them live.

    Attributes:
        versions: short name of each function to its version.
    """

    deployment: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Shift:
    """A weight that was set on all functions and confirmed."""

    step: int
    weight_percent: int
    at: datetime


@dataclass(frozen=True)
class BackupPoint:
    """The pre-deployment backup point: the time before canary's first write, and backups by table."""

    at: datetime
    backups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RollbackTrigger:
    """What started a rollback: an alarm, an operator, a verdict or a dead execution."""

    source: str
    reason: str
    at: datetime
    event: str = ""


class Side(StrEnum):
    """One of the two versions that a deployment shifts traffic between."""

    STABLE = "STABLE"
    CANARY = "CANARY"


@dataclass(frozen=True)
class Rollback:
    """The progress of a rollback.

    Attributes:
        traffic_to: the version that gets the traffic: the canary if stable was proved to be the broken one.
        why_there: the comparison of the versions that decided it; empty if none was needed.
        neither_healthy: the comparison found both versions broken.
        verification: the result of probing the versions that got the traffic; None if they were not probed.
        locked_at: when it took over the environment lock.
        reverted_at: when every alias read back on the version that gets the traffic.
        verified_at: when these versions passed their checks; None if they did not.
        calls: number of control-plane calls to revert the aliases.
        ended: ids of the deployments that it ended, because they waited under the environment lock.
    """

    trigger: RollbackTrigger
    execution: str = ""
    locked_at: datetime | None = None
    reverted_at: datetime | None = None
    verified_at: datetime | None = None
    calls: int = 0
    traffic_to: Side = Side.STABLE
    why_there: str = ""
    neither_healthy: bool = False
    verification: Verdict | None = None
    ended: tuple[str, ...] = ()

    @property
    def unhealthy(self) -> str:
        """Why the version that got the traffic is not healthy, so that an operator must look; empty if it may be."""
        if self.verification is not None and self.verification.outcome is not Outcome.PASS:
            return f"{self.traffic_to.lower()} is not healthy after the rollback: {self.verification.reason}"
        return self.why_there if self.neither_healthy else ""

    @property
    def reason(self) -> str:
        """The trigger's reason, and what else a reader must know: the comparison, and a version that is not healthy."""
        parts = dict.fromkeys((self.trigger.reason, self.why_there, self.unhealthy))
        return "; ".join(filter(None, parts))


@dataclass(frozen=True)
class Deployment:
    """One attempt to make a release stable, from its plan to its outcome.

    Attributes:
        requested_by: the requester's name, which the requester chooses.
        requested_as: the ARN by STS of the requester's credentials; empty if it is not known, and in older records.
        preexisting_alarms: ARNs in ALARM before the first shift that have not been OK since.
        revisions: function to the last known revision of its alias; another revision is a change from outside.
        shifts: every weight that was set, in order.
        running: state of the sequential tests, carried from evaluation to evaluation.
        cutover: the change of tables; None for a release, which keeps the tables.
        known_good: versions that are the release already, so that none is published; None for a new release.
        promoted_by: the operator whose command promoted it; empty if its evidence did.
        gates: the gates of its plan that it has reached, in this order.
        changelog: what changes for clients, sent to them if it succeeds; empty for the general text.
        outside_calendar: the operator's reason to deploy while the calendar was closed; empty if it was open.
        repair: it ships no release. An operator chose the versions that its rollback reverts the aliases to.
    """

    id: str
    environment: str
    requested_by: str
    requested_at: datetime
    release: Release
    plan: Plan
    service: Service
    functions: tuple[Function, ...]
    phase: DeploymentPhase
    execution: str
    checklist: Mapping[str, str] = field(default_factory=dict)
    schema_change: bool = False
    fencing_token: int = 0
    preexisting_alarms: tuple[str, ...] = ()
    backup_point: BackupPoint | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    shifts: tuple[Shift, ...] = ()
    running: Mapping[str, Json] = field(default_factory=dict)
    rollback: Rollback | None = None
    cutover: Cutover | None = None
    known_good: KnownGood | None = None
    promoted_by: str = ""
    gates: tuple[GateRecord, ...] = ()
    outside_calendar: str = ""
    changelog: str = ""
    repair: bool = False
    requested_as: str = ""
    outcome: DeploymentOutcome | None = None
    reason: str = ""
    ended_at: datetime | None = None

    @property
    def under_way(self) -> bool:
        """Whether an execution works on it: it has not ended, or it is being rolled back after its end."""
        return self.ended_at is None or self.phase is DeploymentPhase.ROLLING_BACK

    @property
    def accepted(self) -> bool:
        """Whether it was let through the checks that may refuse it before it changes anything."""
        return self.phase not in UNCHECKED_PHASES and self.outcome is not DeploymentOutcome.REFUSED

    @property
    def waiting_gate(self) -> GateRecord | None:
        """The gate that it has reached and not passed; None if it waits for none."""
        return self.gates[-1] if self.gates and self.gates[-1].passed_at is None else None

    @property
    def keeps_canary(self) -> bool:
        """Whether its rollback sent the traffic to the canary, because stable was the broken version."""
        return self.rollback is not None and self.rollback.traffic_to is Side.CANARY

    @property
    def first_shift_at(self) -> datetime | None:
        """When canary got its first traffic; None before that."""
        return self.shifts[0].at if self.shifts else None

    @property
    def moved_traffic(self) -> bool:
        """Whether it moved the traffic of clients: by a shift, or as a repair. A refused one has left no alias moved."""
        return self.repair or (bool(self.shifts) and self.outcome is not DeploymentOutcome.REFUSED)

    @property
    def exposure(self) -> str:
        """The newest weight of the canary and its versions, such as ``10 % on token:5``."""
        weight = self.shifts[-1].weight_percent if self.shifts else 0
        versions = [f"{function.name}:{function.canary_version}" for function in self.functions if function.changed]
        return f"{weight} % on {', '.join(versions) or 'no changed function'}"

    def shifted_at(self, step: int) -> datetime | None:
        """Return when a step's weight was first set; None before that."""
        return next((shift.at for shift in self.shifts if shift.step == step), None)


def refuse_outdated_step(deployment: Deployment, step: int) -> None:
    """Refuse to shift to a step that the deployment has already passed: the task started earlier and arrives late.

    Raises:
        AliasConflict: the weight of a later step is already set.
    """
    last = deployment.shifts[-1].step if deployment.shifts else step
    if last > step:
        raise AliasConflict(f"{deployment.id} is already at step {last}: step {step} is not set again")


@dataclass(frozen=True)
class DecisionBasis:
    """What a decision on an evaluation was made from, in addition to its evidence and the plan.

    Attributes:
        now: the time of the evaluation.
        request: the operator's command that it took up; empty if there was none.
        by: the operator.
    """

    now: datetime
    request: str = ""
    by: str = ""


@dataclass(frozen=True)
class DecisionEntry:
    """One record in the hash chain of a deployment's decisions, with its evidence.

    Attributes:
        state: the state of the state machine that decided.
        entered: when that state was entered; a retry of the same entry is the same decision.
        basis: of a decision on an evaluation of the canary; None for any other, and in older records.
    """

    deployment: str
    number: int
    at: datetime
    state: str
    entered: str
    decision: Decision
    verdict: Verdict | None = None
    evidence: tuple[Evidence, ...] = ()
    basis: DecisionBasis | None = None
    previous_hash: str = ""
    hash: str = ""


@dataclass(frozen=True)
class EventRecord:
    """An event and the decision about it. It also answers why an event had no effect.

    Attributes:
        false_alarm: what the evaluation of an alarm spent, as `Evidence.figures` has it; empty if it was not evaluated.
    """

    id: str
    at: datetime
    source: str
    name: str
    acted: bool
    why: str
    deployment: str = ""
    false_alarm: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class OperatorCommand:
    """An operator's command to a deployment in flight."""

    request: str
    by: str
    at: datetime


@dataclass(frozen=True)
class PauseToken:
    """A paused deployment, with the task token that resumes its execution."""

    token: str
    since: datetime
    deadline: datetime
    step: int
    evaluation: int
    reason: str
