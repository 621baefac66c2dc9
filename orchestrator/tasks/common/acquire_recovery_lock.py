"""AcquireLock of drills and restores: the handler of `orchestrator.tasks.common.acquire_lock.acquire_recovery_lock`.

It is a Lambda function of its own because its rights differ (infrastructure/orchestrator/functions.py).
"""

from __future__ import annotations

from orchestrator.tasks.common.acquire_lock import acquire_recovery_lock
from orchestrator.tasks.runtime import recovery_task

handler = recovery_task(acquire_recovery_lock)
