"""Whether something that was issued still counts: it has not ended, and no restore has happened since."""

from __future__ import annotations


def counts(*, ends_at: int, epoch: int, now: int, current_epoch: int) -> bool:
    """Whether it counts at `now`, both in epoch seconds, under the current revocation epoch.

    A restore brings back what was used or revoked after its restore point, and therefore raises the epoch: whatever was issued
    before it is dead, whatever the tables say about it.
    """
    return now < ends_at and epoch > current_epoch
