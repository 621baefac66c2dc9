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
    """

    profile: Profile = "instant"
    seed: int | None = None
    workers_per_function: int = 4
