"""What a drill leaves behind unless it is removed. Names follow from the drill's id, so they are known whatever became of it."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Recovery, Sabotage
from orchestrator.domain.restored import Removal


def remove(cloud: Cloud, recovery: Recovery, *, saboteur: bool = True) -> Mapping[str, Removal]:
    """Remove what a drill made; what is gone already is passed over, so it can be repeated.

    Args:
        cloud: the environment.
        recovery: whose things. Of a restore nothing is removed here: its tables are what it is for.
        saboteur: whether one who blocks the removal is let.

    Returns:
        Name of each thing that a drill makes to how far its removal has come.
    """
    if recovery.kind is not Kind.DRILL:
        return {}
    blocked = saboteur and recovery.sabotage is Sabotage.CLEANUP_BLOCKED
    names = [table.target for table in recovery.tables]
    if blocked:
        for name in names:
            cloud.restoring.protect(name, on=True)
    removals = for_each(names, lambda name: cloud.restoring.remove(name, lift_protection=not blocked))
    return dict(zip(names, removals, strict=True))
