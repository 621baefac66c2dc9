"""What a local cloud is started with, as the mends see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Profile = Literal["instant", "aws-timing"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


@dataclass(frozen=True)
class Options:
    """Settings of the mends.

    Attributes:
        profile: `instant`, or `aws-timing`: what AWS does late, twice and out of order happens so here too.
        seed: makes what the mends draw at random repeatable; None draws from the system.
        workers_per_function: ceiling of Lambda workers that one version of a function may have at once. An
            invocation above it waits for a worker instead of starting one.
        restore_seconds: how long the restore of a table takes, whatever its size; a backup takes a tenth of it. AWS takes
            20 minutes or more.
        recovery_lag_seconds: how long ago the latest moment is that a table can be restored to. 5 minutes on AWS.
        journal_writes: how many writes of a table its point-in-time recovery reaches back at most. No such limit on AWS.
    """

    profile: Profile = "instant"
    seed: int | None = None
    workers_per_function: int = 4
    restore_seconds: float = 0.5
    recovery_lag_seconds: float = 1.0
    journal_writes: int = 1_000_000
