"""Every day, in the standby region: evaluate whether a failover could run now, and report each step that could not.

Before, the records of managed clients that a command could not copy here are copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.evaluation import evaluate_failover
from orchestrator.application.failover.managed_clients import copy_missing_clients
from orchestrator.application.failover.metrics import STEPS_NOT_READY
from orchestrator.domain.failover.readiness import not_ready
from orchestrator.event_handlers.runtime import event_handler


def evaluate(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Evaluate the plan, emit how many steps are not ready, and notify the operators of them."""
    copied = copy_missing_clients(cloud)
    evaluated = evaluate_failover(cloud)
    problems = not_ready(evaluated)
    missing = [one for one in evaluated if not one.ready]
    cloud.embedded_metrics.put_count(STEPS_NOT_READY, {}, "", len(missing))
    if not problems:
        return f"a failover could run now{copied}"
    lines = [f"{one.step}: {one.reason}" for one in missing]
    text = (
        f"A failover of {cloud.environment} to {cloud.settings['AWS_REGION']} could not run now:\n\n"
        + "\n".join(lines)
        + f"\n\norchestrator failover plan --env {cloud.environment}\nRunbook: docs/runbooks/alarms.md#failover-plan\n"
    )
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], f"{cloud.environment}: a failover could not run now", text)
    return f"{problems}{copied}"


handler = event_handler(evaluate)
