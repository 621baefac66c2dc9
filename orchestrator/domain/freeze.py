"""The freeze switch: while an environment is frozen no deployment begins in it.

What takes an environment back is never refused: a rollback asks nobody. A deployment that is under way goes on, because it would
otherwise stand at a weight; whoever wants it gone aborts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.errors import Refused


@dataclass(frozen=True)
class Freeze:
    """A freeze, and its end.

    Attributes:
        thawed_at: when somebody lifted it; None while it holds.
    """

    by: str
    reason: str
    at: datetime
    thawed_by: str = ""
    thaw_reason: str = ""
    thawed_at: datetime | None = None

    @property
    def holds(self) -> bool:
        """Whether the environment is frozen."""
        return self.thawed_at is None

    @property
    def told(self) -> str:
        """Who froze it, since when and why."""
        return f"frozen by {self.by} since {self.at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def refuse_frozen(freeze: Freeze | None, *, override: bool = False) -> None:
    """Refuse to begin something in a frozen environment.

    Args:
        freeze: the environment's newest; None where there never was one.
        override: somebody said that this must happen all the same.

    Raises:
        Refused: it is frozen; says by whom, since when, why, and what would end it.
    """
    if freeze and freeze.holds and not override:
        raise Refused("freeze", freeze.told, "wait for it, or lift it: `orchestrator thaw --reason …`")


def refuse_no_reason(option: str, reason: str) -> None:
    """Refuse to freeze or thaw without saying why.

    Raises:
        Refused: there is no reason.
    """
    if not reason.strip():
        raise Refused(option, reason, "say why, for whoever meets it")
