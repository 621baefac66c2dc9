"""What the ledger keeps: claims, deployments, decisions, signals and incidents, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.cut_over import CutOver
from orchestrator.domain.decision import Decision
from orchestrator.domain.errors import AliasConflict
from orchestrator.domain.plan import Function, Plan, Service
from orchestrator.domain.verdict import Evidence, Json, Verdict


class Kind(StrEnum):
    """What an execution that holds the claim does to the environment."""

    DEPLOYMENT = "deployment"
    ROLLBACK = "rollback"
    DRILL = "drill"
    RESTORE = "restore"


@dataclass(frozen=True)
class Claim:
    """Who may change the environment. `epoch` only grows; `execution` is empty while nobody holds it.

    Attributes:
        deployment: what it is held for: a deployment's id, or a recovery's.
    """

    epoch: int
    execution: str = ""
    deployment: str = ""
    kind: Kind = Kind.DEPLOYMENT
    taken_at: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether an execution is named as its holder; that one may have died since."""
        return bool(self.execution)


class Phase(StrEnum):
    """How far a deployment has come. The order is the order of the state machine."""

    PLANNED = "PLANNED"
    CLAIMED = "CLAIMED"
    READY = "READY"
    PUBLISHED = "PUBLISHED"
    SHIFTING = "SHIFTING"
    HELD = "HELD"
    PROMOTED = "PROMOTED"
    ROLLING_BACK = "ROLLING_BACK"
    ENDED = "ENDED"


class Ending(StrEnum):
    """How a deployment came out."""

    SUCCEEDED = "SUCCEEDED"
    NOTHING_TO_SHIP = "NOTHING_TO_SHIP"
    REFUSED = "REFUSED"
    ROLLED_BACK = "ROLLED_BACK"


@dataclass(frozen=True)
class Release:
    """What `$LATEST` held when the deployment was planned.

    Attributes:
        digest: names code and configuration of all functions.
        revisions: function to the RevisionId of its `$LATEST`, which publishing is guarded by.
        code: function to the CodeSha256 of its `$LATEST`.
    """

    digest: str
    revisions: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shift:
    """A weight that was set on all functions and read back."""

    step: int
    weight_percent: int
    at: datetime


@dataclass(frozen=True)
class RestorePoint:
    """Where the data can be restored to: the instant before canary's first write, and backups by table."""

    at: datetime
    backups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trigger:
    """What started a rollback: an alarm, a person, a verdict or a dead execution."""

    source: str
    reason: str
    at: datetime
    event: str = ""


@dataclass(frozen=True)
class Rollback:
    """A rollback's course, completed as it goes.

    Attributes:
        restored_at: when every alias was read back on stable.
        calls: control-plane calls that took.
    """

    trigger: Trigger
    execution: str = ""
    fenced_at: datetime | None = None
    restored_at: datetime | None = None
    verified_at: datetime | None = None
    calls: int = 0


@dataclass(frozen=True)
class Deployment:
    """One attempt to make a release stable, from its plan to its ending.

    Attributes:
        excused_alarms: ARNs that rang before the first shift and have not been seen OK since.
        revisions: function to the revision of its alias as we last read it; whoever changed it since was not us.
        shifts: every weight that was set, in order.
        running: sums of the sequential tests, carried from look to look.
        cut_over: which tables it leaves for which; None for a release, which leaves the tables as they are.
    """

    id: str
    environment: str
    requested_by: str
    requested_at: datetime
    release: Release
    plan: Plan
    service: Service
    functions: tuple[Function, ...]
    phase: Phase
    execution: str
    checklist: Mapping[str, str] = field(default_factory=dict)
    changes_items: bool = False
    epoch: int = 0
    alarms_at_start: tuple[str, ...] = ()
    excused_alarms: tuple[str, ...] = ()
    restore_point: RestorePoint | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    shifts: tuple[Shift, ...] = ()
    running: Mapping[str, Json] = field(default_factory=dict)
    rollback: Rollback | None = None
    cut_over: CutOver | None = None
    ending: Ending | None = None
    reason: str = ""
    ended_at: datetime | None = None

    @property
    def first_shift_at(self) -> datetime | None:
        """When canary got its first traffic; None while it has had none."""
        return self.shifts[0].at if self.shifts else None

    def shifted_at(self, step: int) -> datetime | None:
        """When a step's weight was first set; None while it was not."""
        return next((shift.at for shift in self.shifts if shift.step == step), None)


def refuse_late(deployment: Deployment, step: int) -> None:
    """Refuse to shift to a step that the deployment has left behind: such a task was started before and comes late.

    Raises:
        AliasConflict: a later step's weight was set already.
    """
    last = deployment.shifts[-1].step if deployment.shifts else step
    if last > step:
        raise AliasConflict(f"{deployment.id} has gone on to step {last}: step {step} is not set again")


@dataclass(frozen=True)
class DecisionEntry:
    """One link of a deployment's chain of decisions: what was decided, and on which evidence.

    Attributes:
        state: the state of the machine that decided.
        entered: when that state was entered, as the machine says; a retry of the same entry is the same decision.
    """

    deployment: str
    number: int
    at: datetime
    state: str
    entered: str
    decision: Decision
    verdict: Verdict | None = None
    evidence: tuple[Evidence, ...] = ()
    previous_hash: str = ""
    hash: str = ""


@dataclass(frozen=True)
class Signal:
    """An event that reached an intake, and what was made of it: the answer to why nothing happened."""

    id: str
    at: datetime
    source: str
    name: str
    acted: bool
    why: str
    deployment: str = ""


@dataclass(frozen=True)
class Ask:
    """What a person asked of a deployment in flight."""

    request: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Held:
    """A deployment that waits for a person: the task token answers it."""

    token: str
    since: datetime
    deadline: datetime
    step: int
    look: int
    reason: str


@dataclass(frozen=True)
class Incident:
    """A rollback as an after-action report begins: what happened when, and what it took."""

    id: str
    deployment: str
    opened_at: datetime
    closed_at: datetime
    cause: str
    timeline: tuple[tuple[str, datetime], ...]
    figures: Mapping[str, Json] = field(default_factory=dict)
