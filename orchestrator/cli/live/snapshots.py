"""What a view shows: the records of the ledger at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.cli.context import Context
from orchestrator.domain.deployment.gates import Approval, GateKind
from orchestrator.domain.deployment.record import DecisionEntry, Deployment, DeploymentPhase, PauseToken
from orchestrator.domain.recovery.record import Recovery

EARLIER = 20
"""How many earlier rollbacks or recoveries the expected durations are taken from."""


@dataclass(frozen=True)
class DeploymentSnapshot:
    """A deployment at one moment.

    Attributes:
        decisions: all so far, oldest first.
        pause: the pause in which it waits; None if it does not.
        approvals: of the gate that it waits for.
        earlier: the newest deployments of the environment, once it is being rolled back.
    """

    deployment: Deployment
    decisions: tuple[DecisionEntry, ...]
    pause: PauseToken | None
    approvals: tuple[Approval, ...]
    earlier: Sequence[Deployment]
    now: datetime


@dataclass(frozen=True)
class RecoverySnapshot:
    """A drill, a restore or a failback at one moment. `earlier`: the newest recoveries of the environment."""

    recovery: Recovery
    earlier: Sequence[Recovery]
    now: datetime


def pause_of(context: Context, deployment: Deployment) -> PauseToken | None:
    """Return the pause in which a deployment waits for an operator; None if it does not wait."""
    return context.cloud.ledger.pause_token(deployment.id) if deployment.phase is DeploymentPhase.PAUSED else None


class DeploymentReader:
    """Reads a deployment again and again: of the decisions only the new ones, of earlier deployments once."""

    def __init__(self, context: Context, deployment_id: str) -> None:
        self._context, self._id = context, deployment_id
        self._decisions: tuple[DecisionEntry, ...] = ()
        self._earlier: Sequence[Deployment] | None = None

    def read_snapshot(self, deployment: Deployment) -> DeploymentSnapshot:
        """Return the snapshot of a record that has just been read."""
        ledger = self._context.cloud.ledger
        # Many decisions at first: one query. Then few or none: the next one by its key.
        known = self._decisions
        new = ledger.read_decisions_after(self._id, len(known)) if known else ledger.read_decisions(self._id)
        self._decisions = (*known, *new) if new else known
        return DeploymentSnapshot(
            deployment,
            self._decisions,
            pause_of(self._context, deployment),
            self._approvals(deployment),
            self._read_earlier(deployment),
            self._context.cloud.now(),
        )

    def _approvals(self, deployment: Deployment) -> tuple[Approval, ...]:
        waiting = deployment.waiting_gate
        if waiting is None or deployment.plan.gates[waiting.gate].kind is not GateKind.APPROVE:
            return ()
        return tuple(self._context.cloud.ledger.read_approvals(deployment.id, waiting.gate))

    def _read_earlier(self, deployment: Deployment) -> Sequence[Deployment]:
        if deployment.rollback is None:
            return ()
        if self._earlier is None:
            self._earlier = self._context.cloud.ledger.newest_records(EARLIER)
        return self._earlier


class RecoveryReader:
    """Makes snapshots of a recovery; the earlier ones are read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._earlier: Sequence[Recovery] | None = None

    def read_snapshot(self, recovery: Recovery) -> RecoverySnapshot:
        """Return the snapshot of a record that has just been read."""
        if self._earlier is None:
            self._earlier = self._context.cloud.drills.newest_records(EARLIER)
        return RecoverySnapshot(recovery, self._earlier, self._context.cloud.now())
