"""The environment as Prometheus metrics: what is in progress, what fires, what keeps deployments away, and the trends.

A deployment's figures are those of its newest evaluation, as its page and `explain --json` have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.cli.actions.status import EnvironmentStatus, read_status
from orchestrator.cli.context import Context
from orchestrator.console.prometheus import Gauge, gauge, render_metrics
from orchestrator.domain.deployment.record import DecisionEntry, Deployment, DeploymentOutcome
from orchestrator.domain.dora import four_keys
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.progress.deployment_progress import canary_percent, measures_of, traffic_of
from orchestrator.domain.recovery.record import Recovery, RecoveryOutcome

LISTED = 200
PERIOD = timedelta(days=90)
PERIOD_WORDS = f"of those that ended in the last {PERIOD.days} days, among the newest {LISTED}"
FULL_PERCENT = 100


def metrics_text(context: Context) -> str:
    """Return the metrics of an environment in Prometheus' text format."""
    cloud = context.cloud
    deployments, recoveries = cloud.ledger.newest_records(LISTED), cloud.drills.newest_records(LISTED)
    now, status = cloud.now(), read_status(context, deployments, recoveries)
    gauges = [*_state(status)]
    if status.under_way is not None:
        gauges += _deployment(status.under_way, cloud.ledger.read_decisions(status.under_way.id))
    gauges += _deployments(deployments, now)
    gauges += _recoveries(recoveries)
    gauges.append(
        gauge(
            "orchestrator_evidence_entries", "Entries of the evidence chain.", (cloud.evidence.find_head().number, {})
        )
    )
    return render_metrics(gauges, environment=context.name)


def _state(status: EnvironmentStatus) -> Iterator[Gauge]:
    frozen = status.freeze is not None and status.freeze.is_active
    yield gauge("orchestrator_lock_held", "Whether an execution holds the environment lock.", (status.lock.held, {}))
    yield gauge("orchestrator_frozen", "Whether new deployments are refused by a freeze.", (frozen, {}))
    yield gauge(
        "orchestrator_maintenance", "Whether a maintenance window is under way.", (status.maintenance is not None, {})
    )
    yield gauge(
        "orchestrator_live_state_problems", "Differences of the live state from the record.", (len(status.problems), {})
    )
    yield gauge("orchestrator_alarms_firing", "Alarms of the environment in ALARM.", (len(status.firing), {}))
    yield gauge("orchestrator_alarms_missing", "Alarms of the service that do not exist.", (len(status.missing), {}))
    yield gauge(
        "orchestrator_open_incidents",
        "Incidents that are not resolved.",
        *(
            (sum(one.severity is severity for one in status.incidents), {"severity": str(severity)})
            for severity in IncidentSeverity
        ),
    )
    yield gauge("orchestrator_deployments_in_progress", "Deployments in progress.", (status.under_way is not None, {}))


def _deployment(deployment: Deployment, decisions: Sequence[DecisionEntry]) -> Iterator[Gauge]:
    labels = {"deployment": deployment.id}
    yield gauge(
        "orchestrator_deployment_phase",
        "1 for the phase of the deployment in progress.",
        (1, {**labels, "phase": str(deployment.phase)}),
    )
    yield gauge(
        "orchestrator_canary_weight_ratio",
        "Share of requests that the aliases send to the canary.",
        (canary_percent(deployment) / FULL_PERCENT, labels),
    )
    traffic, _ = traffic_of(deployment, decisions)
    versions = [
        (version, {**labels, "function": function.name, "side": version.side.lower(), "version": version.version})
        for function in traffic
        for version in function.versions
    ]
    yield gauge(
        "orchestrator_requests",
        "Requests of the newest evaluation, since the step's shift.",
        *((version.requests, named) for version, named in versions),
    )
    yield gauge(
        "orchestrator_server_errors",
        "5xx responses of the newest evaluation, since the step's shift.",
        *((version.server_errors, named) for version, named in versions),
    )
    measures = measures_of(deployment, decisions)
    yield gauge(
        "orchestrator_evidence_odds",
        "Odds that the canary is worse, by source.",
        *((measure.odds, {**labels, "source": measure.name}) for measure in measures),
    )
    yield gauge(
        "orchestrator_evidence_odds_needed",
        "Odds with which a source rolls the canary back.",
        *((measure.needed, {**labels, "source": measure.name}) for measure in measures),
    )


def _deployments(deployments: Sequence[Deployment], now: datetime) -> Iterator[Gauge]:
    since = now - PERIOD
    ended = [one for one in deployments if one.ended_at is not None and one.ended_at > since]
    yield gauge(
        "orchestrator_deployments",
        f"Deployments by outcome, {PERIOD_WORDS}.",
        *((sum(one.outcome is outcome for one in ended), {"outcome": str(outcome)}) for outcome in DeploymentOutcome),
    )
    newest = max((one.ended_at for one in ended if one.ended_at is not None), default=None)
    yield gauge(
        "orchestrator_last_deployment_end_timestamp_seconds",
        "When the newest deployment ended.",
        (newest.timestamp() if newest else None, {}),
    )
    keys = four_keys(deployments, {}, since, now)
    yield gauge(
        "orchestrator_change_failure_ratio",
        f"Share of deployments that clients met and that were rolled back, {PERIOD_WORDS}.",
        (keys.change_failure_rate, {}),
    )
    recovery = keys.failed_deployment_recovery_time.median
    yield gauge(
        "orchestrator_failed_deployment_recovery_seconds",
        f"Median time from a failed deployment's first client until all clients were served again, {PERIOD_WORDS}.",
        (recovery.total_seconds() if recovery is not None else None, {}),
    )


def _recoveries(recoveries: Sequence[Recovery]) -> Iterator[Gauge]:
    yield gauge(
        "orchestrator_recoveries_in_progress",
        "Drills and restores in progress.",
        (sum(one.ended_at is None for one in recoveries), {}),
    )
    newest = {one.kind: one for one in reversed(recoveries) if one.outcome is not None}
    measured = {kind: (one.measured, one.objectives) for kind, one in newest.items()}
    yield _seconds(
        "recovery_time_seconds",
        "Recovery time of the newest recovery of each kind.",
        {kind: found.recovery_time for kind, (found, _) in measured.items()},
    )
    yield _seconds(
        "recovery_time_objective_seconds",
        "Recovery time that is allowed.",
        {kind: allowed.recovery_time for kind, (_, allowed) in measured.items()},
    )
    yield _seconds(
        "data_loss_seconds",
        "Data loss of the newest recovery of each kind.",
        {kind: found.data_loss for kind, (found, _) in measured.items()},
    )
    yield _seconds(
        "data_loss_objective_seconds",
        "Data loss that is allowed.",
        {kind: allowed.data_loss for kind, (_, allowed) in measured.items()},
    )
    succeeded = {
        one.kind: one.ended_at
        for one in reversed(recoveries)
        if one.outcome is RecoveryOutcome.SUCCEEDED and not one.fault and one.ended_at
    }
    yield gauge(
        "orchestrator_last_successful_recovery_timestamp_seconds",
        "When the newest successful recovery of each kind ended, without an injected fault.",
        *((ended.timestamp(), {"kind": str(kind)}) for kind, ended in succeeded.items()),
    )


def _seconds(name: str, words: str, lengths: Mapping[Kind, timedelta | None]) -> Gauge:
    values = [
        (None if length is None else length.total_seconds(), {"kind": str(kind)}) for kind, length in lengths.items()
    ]
    return gauge(f"orchestrator_{name}", words, *values)
