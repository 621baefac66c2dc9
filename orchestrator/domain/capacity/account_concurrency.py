"""The concurrency quota of an account, and whether it covers what an environment reserves.

Concurrency that one function reserves is not available to others. Lambda keeps 100 for functions without a
reservation. A stack that reserves more fails during its deployment, so it is checked before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import Refused

MIN_UNRESERVED = 100
"""Concurrency that Lambda does not let functions reserve; an account with a small quota may have less."""


@dataclass(frozen=True)
class Concurrency:
    """An account's concurrency quota in a region.

    Attributes:
        limit: concurrent executions of all functions.
        unreserved: the part that no function has reserved.
    """

    limit: int
    unreserved: int

    @property
    def reserved(self) -> int:
        """The part that functions of the account have reserved, including this environment's."""
        return self.limit - self.unreserved


@dataclass(frozen=True)
class Reservation:
    """The reserved concurrency that an environment wants, and what it has.

    Attributes:
        wanted: by function, from the settings.
        current: by function, from Lambda.
    """

    wanted: Mapping[str, int]
    current: Mapping[str, int]

    @property
    def increase(self) -> int:
        """The additional reservation; negative if the environment gives some back."""
        return sum(self.wanted.values()) - sum(self.current.values())


def refuse_excess_reservation(quota: Concurrency, reservation: Reservation) -> int:
    """Return what would remain for functions without a reservation.

    Raises:
        Refused: the environment reserves more than before, and less than Lambda requires would remain. The error names all numbers and the remedy.
    """
    left = quota.unreserved - reservation.increase
    # A small account may have less, and keeps what it has: Lambda refuses only a further reservation.
    if reservation.increase > 0 and left < MIN_UNRESERVED:
        wanted, missing = sum(reservation.wanted.values()), MIN_UNRESERVED - left
        requested = ", ".join(f"{name} {count}" for name, count in sorted(reservation.wanted.items()))
        raise Refused(
            "reserved_concurrency",
            f"{wanted} ({requested})",
            f"of the account's {quota.limit}, {quota.reserved} are reserved already and {MIN_UNRESERVED} must stay "
            f"unreserved: this would leave {left}. Reserve at most {max(0, wanted - missing)}, or have the quota raised "
            f"by {missing}",
        )
    return left
