"""What the ledger and CloudWatch recorded in the hours of an incident."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.aws.cloudwatch.metrics import Metrics
from orchestrator.domain.analysis.observations import MetricQuery
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.incidents.postmortem import TrafficCounts
from orchestrator.domain.incidents.timeline import LedgerFacts, Span
from orchestrator.domain.names import resource_name
from orchestrator.domain.verdict import Window

LONGEST = timedelta(days=1)
"""Longer than a deployment or a recovery takes: one that was requested earlier has ended."""

_API, _PERIOD = "AWS/ApiGateway", 60
_MOST = timedelta(days=15)
"""CloudWatch keeps periods of a minute for 15 days."""


def read_facts(cloud: Cloud, span: Span) -> LedgerFacts:
    """Return what the ledger recorded in a time.

    Raises:
        Throttled, Unreachable: the ledger did not answer.
    """
    since = span.start - LONGEST
    deployments = [
        one for one in cloud.ledger.records_between(since, span.end) if span.overlaps(one.requested_at, one.ended_at)
    ]
    recoveries = [
        one
        for one in cloud.recoveries(Kind.DRILL).records_between(since, span.end)
        if span.overlaps(one.requested_at, one.ended_at)
    ]
    return LedgerFacts(
        events=cloud.ledger.read_events_between(span.start, span.end),
        deployments=deployments,
        decisions={one.id: cloud.ledger.read_decisions(one.id) for one in deployments},
        recoveries=recoveries,
    )


def count_traffic(cloud: Cloud, span: Span) -> TrafficCounts:
    """Return how many requests API Gateway counted, and how many of them failed.

    Clients are not counted: no metric has them as a dimension.

    Returns:
        None for each number if there is no datapoint, or the minutes are no longer kept.

    Raises:
        Throttled, Unreachable: CloudWatch did not answer.
    """
    if cloud.now() - span.start > _MOST:
        return TrafficCounts()
    api = {"ApiName": resource_name("api", cloud.environment), "Stage": cloud.environment}
    names = {"requests": "Count", "failed": "5XXError"}
    queries = [MetricQuery(key, _API, name, api, "Sum", _PERIOD) for key, name in names.items()]
    values = Metrics(cloud.clients("cloudwatch")).read_metrics(queries, Window(span.start, span.end))
    counted = {key: round(sum(values[key].values())) if values[key] else None for key in names}
    return TrafficCounts(requests=counted["requests"], failed=counted["failed"])
