"""Whether an issued code or token is still valid: it has not expired, and no restore has happened since."""

from __future__ import annotations

from typing import Final

RETRY_SECONDS: Final = 60
"""For how long a token request whose response was lost may be sent again."""


def counts(*, ends_at: int, epoch: int, now: int, current_epoch: int) -> bool:
    """Return whether it is valid at `now`, both in epoch seconds, under the current revocation epoch.

    A restore brings back what was used or revoked after its recovery point, and therefore raises the epoch:
    everything issued in a lower one is invalid, whatever the tables contain.
    """
    return now < ends_at and epoch >= current_epoch
