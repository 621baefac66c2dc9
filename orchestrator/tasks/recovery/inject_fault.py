"""InjectFault: damage a restored table, if the request asks for it, to prove that the drill's checks detect it."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.aws.dynamodb.fault_injection import FaultInjector
from orchestrator.domain.recovery.record import Fault
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    open_recovery,
    recovery_task,
    save_and_continue,
)


def inject_fault(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Inject the requested fault.

    Raises:
        Refused: the restored table has nothing that this fault could damage.
        LockLost: another execution holds the lock.
    """
    recovery = open_recovery(task_input, cloud)
    injected = FaultInjector(cloud.clients("dynamodb")).inject(recovery, Fault(recovery.fault or ""))
    return save_and_continue(task_input, cloud, recovery, injected)


handler = recovery_task(inject_fault)
