"""The result of a rebuild: its phases with their times, and what still differs from the snapshot. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.configuration.snapshot import Difference
from orchestrator.domain.texts import shortened


@dataclass(frozen=True)
class Phase:
    """A phase of a rebuild.

    Attributes:
        name: keys, tables, the name of a stack, service or configuration.
        seconds: how long it took, of this run if the rebuild was continued.
        result: what was done, one sentence.
    """

    name: str
    seconds: float
    result: str


@dataclass(frozen=True)
class RebuildResult:
    """What a rebuild did.

    Attributes:
        id: of the rebuild.
        requested_by: who started it, or continued it last.
        started_at: when this run began.
        ended_at: when this run ended.
        phases: in their order.
        differences: from the configuration snapshot.
        healthy: whether the service's deep health check passed.
    """

    id: str
    requested_by: str
    started_at: datetime
    ended_at: datetime
    phases: tuple[Phase, ...]
    differences: tuple[Difference, ...]
    healthy: bool

    @property
    def complete(self) -> bool:
        """Whether the service works and its configuration is that of the snapshot."""
        return self.healthy and not self.differences

    @property
    def took(self) -> timedelta:
        """How long this run took."""
        return self.ended_at - self.started_at


def describe_differences(differences: tuple[Difference, ...]) -> str:
    """Return one sentence about what differs from the snapshot."""
    if not differences:
        return "no difference from the configuration snapshot"
    first = differences[0]
    what = f"{first.kind} {first.name}{f', {first.path}' if first.path else ''}"
    return f"{len(differences)} differences from the configuration snapshot, the first is of {shortened(what)}"
