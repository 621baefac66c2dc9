"""CheckSeededGrants: check that grants issued before the recovery point are accepted or rejected as expected.

A new login is checked, too. Each check is a check result of its own. Standing grants of a drill of a chosen point are
looked up in the restored tables first: those that have expired since cannot be tried, and must be held all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.application import seeded_grants
from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.seeded_grants import GrantClient
from orchestrator.aws.lambda_.versions import LATEST
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.backups.kinds import BackupKind
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.recovery.request import target_name
from orchestrator.domain.recovery.seeded_grants import SeededGrants, older_than_grants
from orchestrator.domain.recovery.standing_grants.held import (
    HELD,
    expected_items,
    judge_held,
    may_be_deleted,
    not_tried,
)
from orchestrator.domain.verdict import Outcome
from orchestrator.probes.synthetic_client import SyntheticIdentity
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    recovery_policy,
    recovery_task,
    save_and_continue,
)


def check_seeded_grants(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Call the isolated service with the drill's seeded grants. A restore has none, and is not expected to.

    Raises:
        LockLost: another execution holds the lock.
    """
    policy = recovery_policy(cloud)
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    targets = {
        name: (target_name(recovery.kind, recovery.id, name, recovery.environment), LATEST)
        for name in recovery.service.functions
    }
    client = GrantClient(cloud.probe_clients.functions, targets)
    identity = SyntheticIdentity(cloud.probe_clients.macs, recovery.service.synthetic_key_id, recovery.environment)
    is_drill = recovery.kind is Kind.DRILL
    expected = is_drill and (recovery.backup_kind is BackupKind.PITR or recovery.standing_grants is not None)
    grants = cloud.seeded_grants.find_grants(recovery.id) if expected else None
    if grants is not None and not grants.precede(recovery.point):
        # Of a drill of an earlier point: a table without them rejects them all, which would prove nothing.
        grants = None
    untried: Mapping[str, str] = {}
    if grants is not None and recovery.standing_grants:
        recovery, untried = _check_held(task_input, cloud, recovery, grants)
    results = seeded_grants.check_grants(
        client, identity, grants, policy.rotated_tokens, expected=expected, not_tried=untried
    )
    if is_drill and not expected:
        results.append(older_than_grants(recovery.backup_kind))
    not_passed = [result.check for result in results if result.verdict.outcome is not Outcome.PASS]
    reason = f"{len(results)} checks with the restored tables; not passed: {', '.join(not_passed) or 'none'}"
    return save_and_continue(task_input, cloud, recovery.with_check_results(*results), reason)


def _check_held(
    task_input: RecoveryTaskInput, cloud: Cloud, recovery: Recovery, grants: SeededGrants
) -> tuple[Recovery, Mapping[str, str]]:
    """Judge whether the restored tables hold the grants; return the record with the result, and what cannot be tried.

    The result is saved before any grant is tried: a trial changes the items that a repeated attempt would judge.
    """
    expected, now = expected_items(grants), cloud.now()
    targets = {table.role: table.target for table in recovery.tables}
    found = for_each(expected, lambda one: cloud.grant_items.read_item(targets[one.role], one.key))
    items = {one.key: item for one, item in zip(expected, found, strict=True) if item is not None}
    if all(result.check != HELD for result in recovery.check_results):
        ready_at = min((table.ready_at for table in recovery.tables if table.ready_at), default=None)
        deletable = may_be_deleted(grants.written_at, ready_at, now)
        held = judge_held(expected, items, grants.written_at, deletable=deletable)
        recovery = task_input.ledger(cloud).save_record(recovery.with_check_results(held), task_input.fencing_token)
    return recovery, not_tried(expected, items, now)


handler = recovery_task(check_seeded_grants)
