"""Once a minute: does anybody tend the claim? The event that an execution ended may be lost; this looks. And what serves is kept warm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.orphans import close_dead_plans, roll_back_orphan
from orchestrator.aws.recorded import tell_age_of_proof
from orchestrator.aws.warming import keep_warm
from orchestrator.intake import intake


def reconcile(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Roll back where the claim's execution is dead, and close what died before it had the claim; then see to what is warm."""
    # First what clients wait for: nothing that only tells something may keep it from being done.
    why = roll_back_orphan(cloud)
    close_dead_plans(cloud)
    cold = keep_warm(cloud)
    tell_age_of_proof(cloud)
    return "; ".join(filter(None, (why, cold)))


handler = intake(reconcile)
