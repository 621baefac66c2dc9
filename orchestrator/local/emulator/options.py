"""Options with which a local cloud is started, as its patches read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Profile = Literal["instant", "aws-timing"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
ExecutedVersions = Literal["weighted", "all"]
EXECUTED_VERSIONS: tuple[ExecutedVersions, ...] = get_args(ExecutedVersions)


@dataclass(frozen=True)
class Options:
    """Options of the patches.

    Attributes:
        profile: `instant`, or `aws-timing` to reproduce AWS's delays, duplicates and reordering.
        seed: makes the patches' random draws repeatable; None draws from the system.
        workers_per_function: maximum number of Lambda workers of one version of a function. An invocation above the
            limit waits for a worker instead of starting one.
        restore_seconds: duration of a table restore, independent of the table's size. A backup takes a tenth of it.
            AWS takes 20 minutes or more.
        recovery_lag_seconds: age of the latest restorable time. 5 minutes on AWS.
        stream_shard_records: records after which a shard of a DynamoDB stream is closed; 0 for one shard without an
            end. AWS closes shards by time and by load.
        policy_hosts: number of DynamoDB's hosts, each of which applies a changed resource policy at a time of its own.
        policy_seconds: the longest time until a host does; None for 0.3 s, or 6 s in `aws-timing`. AWS publishes none.
        executed_versions: for which aliases Lambda emits metrics by executed version: `weighted` ones, as AWS documents,
            or `all`, as an account may do.
        journal_writes: maximum number of writes of a table that point-in-time recovery covers. AWS has no such limit.
        calls: file to which calls are recorded while policies are enforced; None for no record.
    """

    profile: Profile = "instant"
    seed: int | None = None
    workers_per_function: int = 4
    restore_seconds: float = 0.5
    recovery_lag_seconds: float = 1.0
    journal_writes: int = 1_000_000
    executed_versions: ExecutedVersions = "weighted"
    stream_shard_records: int = 5000
    policy_hosts: int = 8
    policy_seconds: float | None = None
    calls: Path | None = None
