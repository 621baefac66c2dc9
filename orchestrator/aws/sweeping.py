"""The sweeper: what drills left behind whose executions are dead, and what carries a lease that has passed.

It removes what the ledger names, by the names that follow from a drill's id, and what is tagged as a drill's of this environment when
its lease is over and no ledger record knows it. A table that is neither named nor tagged is never touched, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.aws.clients import narrowed
from orchestrator.aws.cloud import Cloud
from orchestrator.aws.recorded import announce_end, record
from orchestrator.aws.remains import remove, remove_function, remove_table
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Recovery, RecoveryAction, RecoveryDecision
from orchestrator.domain.recovery_ending import message_of
from orchestrator.domain.recovery_plan import DRILL_PREFIX
from orchestrator.domain.restored import DRILL_TAG, Removal, judge_removal
from orchestrator.domain.sweeping import abandoned, cleaned, died, why_swept

RECENT = 50
"""How many recoveries are looked through: a month of daily drills, and some that people asked for."""

SWEEPER = "#swept"
"""Behind a dead execution's ARN it is who holds the claim meanwhile. No execution has such an ARN, so anybody may take it over."""


def sweep_all(cloud: Cloud) -> str:
    """Sweep after every drill that needs it, and what is tagged and abandoned; says what was done."""
    told = [sweep(cloud, recovery) for recovery in cloud.drills.newest(RECENT)]
    told += sweep_abandoned(cloud)
    return "; ".join(one for one in told if one) or "nothing is left behind"


def sweep(cloud: Cloud, recovery: Recovery) -> str:
    """Remove what a drill left, and complete its record if it has none; empty where there is nothing to sweep."""
    if recovery.kind is Kind.RESTORE:
        return _tell_dead_restore(cloud, recovery)
    alive = not (recovery.ended_at and recovery.cleaned_at) and cloud.executions.describe(recovery.execution).alive
    why = why_swept(recovery, alive=alive, now=cloud.now())
    if not why:
        return ""
    epoch = _fence(cloud, recovery)
    removals = remove(cloud, recovery, saboteur=False)
    judged, wait = judge_removal(recovery, removals, cloud.now())
    left = [name for name, removal in removals.items() if removal is not Removal.GONE]
    completed = recovery.ended_at is None and not wait
    if completed:
        _complete(cloud, died(judged, cloud.now()), epoch)
    elif not left and recovery.cleaned_at is None:
        cloud.drills.keep_unclaimed(cleaned(recovery, cloud.now()))
    if epoch:
        cloud.drills.release_claim(epoch)
    _record_once(cloud, recovery.id)
    if completed:
        ended = cloud.drills.read(recovery.id)
        red = RecoveryDecision(RecoveryAction.RED, ended.reason)
        announce_end(cloud, ended.kind, ended.id, ended, red)
    told = f"left: {', '.join(left)}" if left else "nothing is left of it"
    return f"{recovery.id}: {why}; {told}"


def sweep_abandoned(cloud: Cloud) -> list[str]:
    """Remove what is tagged as a drill's, with a lease that is over, and that no ledger record names; says what."""
    told = []
    for arn, tags in _tagged(cloud):
        name = arn.rpartition("/")[2].rpartition(":")[2]
        remover = _REMOVERS.get(arn.split(":")[2])
        if remover is None or not name.startswith(DRILL_PREFIX) or not abandoned(tags, cloud.environment, cloud.now()):
            continue
        if cloud.drills.find(tags[DRILL_TAG]) is None:
            told.append(f"{name}: abandoned, {remover(cloud, name).lower()}")
    return told


_REMOVERS: Mapping[str, Callable[[Cloud, str], Removal]] = {"dynamodb": remove_table, "lambda": remove_function}


def _fence(cloud: Cloud, recovery: Recovery) -> int:
    """Take the claim from the dead, so that nothing of theirs writes any more; 0 where they do not hold it."""
    seen = cloud.drills.claim()
    holder = f"{recovery.execution}{SWEEPER}"
    if seen.execution not in {recovery.execution, holder}:
        return 0
    return cloud.drills.take_claim(seen, holder, recovery.id, Kind.DRILL, cloud.now()).epoch


def _complete(cloud: Cloud, recovery: Recovery, epoch: int) -> None:
    if epoch:
        cloud.drills.keep(recovery, epoch)
    else:
        cloud.drills.keep_unclaimed(recovery)
    _tell(cloud, recovery, RecoveryDecision(RecoveryAction.RED, recovery.reason))


def _tell_dead_restore(cloud: Cloud, recovery: Recovery) -> str:
    """Write the evidence of a restore whose execution died, once its record is complete (orphans.py), and tell of it. Nothing is removed."""
    if recovery.ended_at is None or cloud.evidence.of(recovery.id) is not None:
        return ""
    if cloud.executions.describe(recovery.execution).alive:
        return ""
    record(cloud, recovery)
    action = RecoveryAction(recovery.ending or RecoveryAction.RED)
    decision = RecoveryDecision(action, recovery.reason)
    _tell(cloud, recovery, decision)
    announce_end(cloud, recovery.kind, recovery.id, recovery, decision)
    return f"{recovery.id}: its execution is dead; its evidence is written"


def _tell(cloud: Cloud, recovery: Recovery, decision: RecoveryDecision) -> None:
    subject, text = message_of(recovery.id, recovery.kind, cloud.environment, recovery, decision, {})
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)


def _record_once(cloud: Cloud, recovery_id: str) -> None:
    """Write the evidence of a drill whose execution died before it could."""
    recovery = cloud.drills.read(recovery_id)
    if recovery.ended_at and cloud.evidence.of(recovery_id) is None:
        record(cloud, recovery)


def _tagged(cloud: Cloud) -> list[tuple[str, Mapping[str, str]]]:
    pages = (
        cloud.clients("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(TagFilters=[{"Key": DRILL_TAG}], ResourceTypeFilters=["dynamodb:table", "lambda:function"])
    )
    with narrowed():
        return [
            (found["ResourceARN"], {tag["Key"]: tag["Value"] for tag in found["Tags"]})
            for page in pages
            for found in page["ResourceTagMappingList"]
        ]
