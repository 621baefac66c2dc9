"""The environment lock: only one execution at a time may change an environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.errors import Refused


class Kind(StrEnum):
    """What the execution that holds the lock does to the environment."""

    DEPLOYMENT = "deployment"
    ROLLBACK = "rollback"
    DRILL = "drill"
    RESTORE = "restore"


@dataclass(frozen=True)
class EnvironmentLock:
    """The lock of an environment, as the ledger has it.

    Attributes:
        fencing_token: grows with every acquisition and never shrinks. A writer with an older token is fenced off.
        execution: the execution that holds the lock; empty while the lock is free.
        deployment: the id of the deployment or recovery for which the lock is held.
        taken_at: when the lock was acquired; None while it is free.
    """

    fencing_token: int
    execution: str = ""
    deployment: str = ""
    kind: Kind = Kind.DEPLOYMENT
    taken_at: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether the lock names a holder. The holder may have died since."""
        return bool(self.execution)


def refuse_held(lock: EnvironmentLock, requested_by: str, environment: str) -> None:
    """Refuse what needs the lock while another execution that runs holds it.

    Args:
        lock: the lock.
        requested_by: who requested its deployment or recovery; empty if its record does not say.
        environment: the environment's name, for the remedy.

    Raises:
        Refused: always. The error names the holder, who requested it, since when, and what to do.
    """
    wait = "explain" if lock.kind in {Kind.DRILL, Kind.RESTORE} else "watch"
    remedy = f"wait until it has ended: `orchestrator {wait} {lock.deployment} --env {environment}`"
    if lock.kind is Kind.DEPLOYMENT:
        remedy += f"; `orchestrator abort {lock.deployment} --env {environment}` would roll it back"
    raise Refused("lock", f"held by {_holder(lock, requested_by)}", remedy)


def refuse_unfinished(lock: EnvironmentLock, environment: str) -> None:
    """Refuse what needs the lock while its holder, whose execution has ended, is not rolled back.

    Raises:
        Refused: always.
    """
    remedy = (
        "its execution ended without completing it, and its rollback starts within a minute: try again after it "
        f"(`orchestrator watch {lock.deployment} --env {environment}`)"
    )
    raise Refused("lock", f"held by {_holder(lock, '')}", remedy)


def _holder(lock: EnvironmentLock, requested_by: str) -> str:
    by = f", requested by {requested_by}" if requested_by else ""
    since = f", since {lock.taken_at:%Y-%m-%d %H:%M:%S} UTC" if lock.taken_at else ""
    return f"{lock.kind.value} {lock.deployment}{by}{since}"
