"""The freeze switch: no deployment starts in a frozen environment.

A rollback is never refused. A deployment in flight continues, because it would otherwise stay at its current weight;
the operator can abort it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import refuse_long_text
from orchestrator.domain.texts import MAX_REASON


@dataclass(frozen=True)
class Freeze:
    """A freeze, and its end.

    Attributes:
        unfrozen_at: when an operator ended it; None while it is active.
        announced: whether the ledger has its event, and the bus its announcement; of its end once it is ended.
    """

    by: str
    reason: str
    at: datetime
    unfrozen_by: str = ""
    unfreeze_reason: str = ""
    unfrozen_at: datetime | None = None
    announced: bool = True

    @property
    def is_active(self) -> bool:
        """Whether the environment is frozen."""
        return self.unfrozen_at is None

    @property
    def description(self) -> str:
        """The operator who froze the environment, since when, and why."""
        return f"frozen by {self.by} since {self.at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def refuse_frozen(freeze: Freeze | None, *, override: bool = False) -> None:
    """Refuse an action in a frozen environment.

    Args:
        freeze: the newest freeze of the environment; None if there was none.
        override: the operator overrides the freeze.

    Raises:
        Refused: the environment is frozen. The error names the operator, the time, the reason, and the remedy.
    """
    if freeze and freeze.is_active and not override:
        raise Refused("freeze", freeze.description, "wait for its end, or end it: `orchestrator unfreeze --reason …`")


def refuse_missing_reason(option: str, reason: str) -> None:
    """Refuse to freeze, unfreeze or roll back without a reason that the records can hold.

    Raises:
        Refused: the reason is blank, too long, or not encodable as UTF-8.
    """
    if not reason.strip():
        raise Refused(option, reason, "give a reason for other operators")
    refuse_long_text(option, reason, MAX_REASON)
