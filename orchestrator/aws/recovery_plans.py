"""A recovery's plan, made of what the tables say: by the task that begins one, and by the command line that only shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from orchestrator.aws.backups import Backups
from orchestrator.aws.cloud import for_each
from orchestrator.aws.restoring import Restoring
from orchestrator.domain.prices import Prices
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Role
from orchestrator.domain.recovery_plan import RecoveryPlan, RecoveryRequest, Source, draw_up, refuse_unlike_a_drill
from orchestrator.domain.recovery_policy import RecoveryPolicy


def plan_of(
    restoring: Restoring,
    backups: Backups,
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

    def source(role: Role, table: str) -> Source:
        if request.backup:
            return replace(backups.named(role, table, request.backup), gone=not restoring.there(table))
        if kind is Kind.RESTORE and not restoring.there(table):
            return backups.left_by(role, table)
        return restoring.source(role, table)

    if kind is Kind.DRILL:
        refuse_unlike_a_drill(request)
    sources = for_each(tables.items(), lambda table: source(*table))
    return draw_up(kind, recovery, sources, request, policy, environment=environment, prices=prices, now=now)
