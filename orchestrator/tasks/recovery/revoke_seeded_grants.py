"""RevokeSeededGrants: change seeded grants after the recovery point.

One refresh token family is revoked, and the token of another is rotated.
"""

from __future__ import annotations

from orchestrator.application import seeded_grants
from orchestrator.application.cloud import Cloud
from orchestrator.application.seeded_grants import GrantClient
from orchestrator.probes.synthetic_client import FlowFailed
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task, save_and_continue


def revoke_seeded_grants(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Change the seeded grants once. If that fails, the later checks report that they could not be made.

    Raises:
        LockLost: another execution holds the lock.
    """
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    grants = cloud.seeded_grants.find_grants(recovery.id)
    if grants is None or grants.changed:
        reason = "no seeded grants" if grants is None else "changed by an earlier attempt"
        return save_and_continue(task_input, cloud, recovery, reason)
    service = recovery.service
    targets = {name: (function_name, service.alias) for name, function_name in service.functions.items()}
    client = GrantClient(cloud.probe_clients.functions, targets)
    try:
        cloud.seeded_grants.save_grants(recovery.id, seeded_grants.revoke_and_rotate(client, grants), cloud.now())
    except FlowFailed as error:
        return save_and_continue(task_input, cloud, recovery, f"not changed: the service {error}")
    reason = "one refresh token family was revoked and one token was rotated after the recovery point"
    return save_and_continue(task_input, cloud, recovery, reason)


handler = recovery_task(revoke_seeded_grants)
