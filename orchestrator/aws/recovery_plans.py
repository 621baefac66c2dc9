"""A recovery's plan, made of what the tables say: by the task that begins one, and by the command line that only shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.aws.cloud import for_each
from orchestrator.aws.restoring import Restoring
from orchestrator.domain.prices import Prices
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Role
from orchestrator.domain.recovery_plan import RecoveryPlan, RecoveryRequest, draw_up
from orchestrator.domain.recovery_policy import RecoveryPolicy


def plan_of(
    restoring: Restoring,
    kind: Kind,
    recovery: str,
    tables: Mapping[Role, str],
    request: RecoveryRequest,
    policy: RecoveryPolicy,
    *,
    environment: str,
    prices: Prices,
    now: datetime,
) -> RecoveryPlan:
    """Look at the tables and plan a recovery of them. Changes nothing.

    Raises:
        Refused: a table is not there or cannot be restored, the time is outside the window, or it costs too much.
    """
    sources = for_each(tables.items(), lambda table: restoring.source(*table))
    return draw_up(kind, recovery, sources, request, policy, environment=environment, prices=prices, now=now)
