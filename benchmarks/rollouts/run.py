"""What every judge of a rollout reports, and the interface by which it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.rollouts.labelled import Rollout
from benchmarks.rollouts.world import PERIOD_SECONDS, PERIODS_A_MINUTE, World
from orchestrator.domain.deployment.strategy import FULL_PERCENT


class End(StrEnum):
    """How a deployment ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    PAUSED = "paused"  # a person decides


@dataclass(frozen=True)
class RunResult:
    """One judge's run of one rollout.

    Attributes:
        seconds: from the first shift to the end of the canary's traffic; 0 if it had none.
        harmed: requests of clients that the release served badly until then, or until the rollback window ended.
        reason: why it was stopped; empty if it was not.
    """

    end: End
    seconds: float
    harmed: int
    reason: str = ""

    @property
    def stopped(self) -> bool:
        """Whether the release was not promoted, or was rolled back afterwards."""
        return self.end is not End.PROMOTED


Judge = Callable[[Rollout], RunResult]


def result(world: World, end: End, reason: str = "") -> RunResult:
    """Return a run's result at the world's time."""
    return RunResult(end, world.period * PERIOD_SECONDS, world.harmed, reason)


def serve_rollback_window(world: World, seconds: float) -> None:
    """Let the promoted release serve clients until its rollback window ends, while no judge looks."""
    world.advance(FULL_PERCENT, int(seconds / PERIOD_SECONDS))


def minutes_of(steps: Sequence[tuple[int, int]]) -> list[int]:
    """Return the weight of every minute of (weight, minutes) steps."""
    return [weight for weight, minutes in steps for _ in range(minutes)]


PERIODS = PERIODS_A_MINUTE
