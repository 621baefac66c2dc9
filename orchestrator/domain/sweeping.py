"""Which drills' things may be removed by somebody who was not there when they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, Recovery, concluded
from orchestrator.domain.restored import DRILL_TAG, ENVIRONMENT_TAG, LEASE_TAG
from orchestrator.domain.verdict import Verdict

LOOKED_AT_AGAIN = timedelta(hours=1)
"""How long after its end a drill is looked at again: a task that outlived its execution may have asked for one more copy."""


def why_swept(recovery: Recovery, *, alive: bool, now: datetime) -> str:
    """Why a recovery's things are to be removed; empty where they are not: it is no drill, it lives, or nothing can be left."""
    if recovery.kind is not Kind.DRILL or alive:
        return ""
    if recovery.ended_at is None:
        return "its execution is dead"
    if recovery.cleaned_at is None:
        return "it ended without being cleaned up"
    return "it ended just now" if now < recovery.ended_at + LOOKED_AT_AGAIN else ""


def died(recovery: Recovery, now: datetime) -> Recovery:
    """A drill whose execution is dead, completed by somebody else: red, with the sweep as its last phase."""
    finding = Finding("machine.dead", Verdict.error("its execution ended before the drill did; it was swept"))
    return concluded(recovery.found(finding).reached("Swept", now), now)


def cleaned(recovery: Recovery, now: datetime) -> Recovery:
    """A drill that ended before its things were removed, once they are: its verdict stands, and so does why."""
    return replace(recovery, cleaned_at=recovery.cleaned_at or now)


def abandoned(tags: Mapping[str, str], environment: str, now: datetime) -> bool:
    """Whether tags say that a thing is a drill's of this environment whose lease is over. A lease that cannot be read is not."""
    if not tags.get(DRILL_TAG) or tags.get(ENVIRONMENT_TAG) != environment:
        return False
    try:
        lease = datetime.fromisoformat(tags.get(LEASE_TAG, ""))
    except ValueError:
        return False
    return lease.tzinfo is not None and lease < now
