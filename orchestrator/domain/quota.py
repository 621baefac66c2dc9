"""How many functions may run at once in an account, and whether what an environment reserves fits into that.

What is reserved for one function is nobody else's, and AWS keeps the last hundred for functions that reserve nothing: a stack that asks for more
fails half-way. So it is counted before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import Refused

KEPT_UNRESERVED = 100
"""Lambda refuses to reserve these; an account with a small quota of its own may have fewer to keep."""


@dataclass(frozen=True)
class Concurrency:
    """An account's quota in a region.

    Attributes:
        limit: executions at once, of all functions.
        unreserved: what no function has reserved so far.
    """

    limit: int
    unreserved: int

    @property
    def reserved(self) -> int:
        """What functions of the account have reserved so far, this environment's among them."""
        return self.limit - self.unreserved


@dataclass(frozen=True)
class Reservation:
    """What an environment wants beside what it has.

    Attributes:
        wanted: by function, as the settings say.
        have: by function, as Lambda says.
    """

    wanted: Mapping[str, int]
    have: Mapping[str, int]

    @property
    def more(self) -> int:
        """What it would take beyond what it has already; below 0 where it gives some back."""
        return sum(self.wanted.values()) - sum(self.have.values())


def refuse_too_much(quota: Concurrency, reservation: Reservation) -> int:
    """Return what would be left for functions that reserve nothing.

    Raises:
        Refused: less than Lambda keeps for them; says all numbers and what would be right.
    """
    left = quota.unreserved - reservation.more
    if left < KEPT_UNRESERVED:
        asked = ", ".join(f"{name} {count}" for name, count in sorted(reservation.wanted.items()))
        raise Refused(
            "reserved_concurrency",
            f"{sum(reservation.wanted.values())} ({asked})",
            f"of the account's {quota.limit}, {quota.reserved} are reserved already and {KEPT_UNRESERVED} stay for the others: this would "
            f"leave {left}. Reserve at most {max(0, sum(reservation.wanted.values()) - (KEPT_UNRESERVED - left))}, or have the quota raised "
            f"by {KEPT_UNRESERVED - left}",
        )
    return left
