"""RevokeSeededGrants: change seeded grants after the recovery point.

One refresh token family is revoked, and the token of another is rotated. A drill of a chosen point takes its standing
grants here, which the schedule has changed in most cases.
"""

from __future__ import annotations

from orchestrator.application import seeded_grants
from orchestrator.application.cloud import Cloud
from orchestrator.application.seeded_grants import live_client, withdraw_spoiled
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.recovery.seeded_grants import SeededGrants
from orchestrator.probes.synthetic_client import FlowFailed
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task, save_and_continue


def revoke_seeded_grants(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Change the seeded grants once. If that fails, the later checks report that they could not be made.

    Raises:
        LockLost: another execution holds the lock.
    """
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    grants = _grants_of(recovery, cloud)
    if grants is None or grants.changed:
        reason = "no seeded grants" if grants is None else "changed before: by the schedule or an earlier attempt"
        return save_and_continue(task_input, cloud, recovery, reason)
    client, _ = live_client(cloud, recovery.service)
    changed_at = cloud.now()
    try:
        changed = seeded_grants.revoke_and_rotate(client, grants)
    except FlowFailed as error:
        if recovery.standing_grants:
            withdraw_spoiled(cloud, grants, error)
        return save_and_continue(task_input, cloud, recovery, f"not changed: the service {error}")
    cloud.seeded_grants.save_grants(recovery.id, changed, cloud.now())
    if recovery.standing_grants:
        # The schedule would rotate a token that is no longer the current one.
        cloud.seeded_grants.save_standing(changed, changed_at)
    reason = "one refresh token family was revoked and one token was rotated after the recovery point"
    return save_and_continue(task_input, cloud, recovery, reason)


def _grants_of(recovery: Recovery, cloud: Cloud) -> SeededGrants | None:
    """Return the drill's grants. Standing ones are copied: the drill then has them whatever happens to the original."""
    grants = cloud.seeded_grants.find_grants(recovery.id)
    if grants is None and recovery.standing_grants:
        grants = cloud.seeded_grants.find_standing(recovery.standing_grants)
        if grants is not None:
            cloud.seeded_grants.save_grants(recovery.id, grants, cloud.now())
    return grants


handler = recovery_task(revoke_seeded_grants)
