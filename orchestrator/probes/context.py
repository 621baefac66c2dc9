"""The subject of an evaluation: versions, window, baseline and thresholds, from the deployment's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from orchestrator.domain.deployment.custom_checks import CustomCheck
from orchestrator.domain.deployment.plan import Function, Service, evaluations_within
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.verdict import Json, Window

BASELINE = timedelta(hours=1)
"""How long stable is measured before the deployment. CloudWatch keeps one-second metrics for 3 h."""

MINUTE = timedelta(minutes=1)

SHORT_PERIODS_KEPT = timedelta(hours=2, minutes=50)
"""How old a window may be that is read in periods below a minute. CloudWatch keeps them for 3 h, and a read takes time.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention
"""

COMPARED = timedelta(minutes=5)
"""How far back the versions are compared before an alarm is obeyed: longer than an alarm's evaluation range and the
delay of metrics, and short enough that a fault that began a moment ago is not outweighed by the time before it."""


@dataclass(frozen=True)
class ProbeContext:
    """The subject of one evaluation.

    Attributes:
        functions: all functions of the service; those that the deployment changes have a canary version of their own.
        window: from the shift until `metric_delay` before now; its length is 0 if no data can have arrived yet.
        baseline_window: before the deployment; the canary is compared with it if stable is idle.
        weight_percent: the canary's weight, 0 before traffic and 100 after promotion.
        period: the resolution of the metrics, while CloudWatch keeps it: `kept_period`.
        evaluation_number: number of the evaluation within the step, from 0.
        max_evaluations: number of evaluations in the step, if its bake is not extended.
        preexisting_alarms: ARNs that were in ALARM before the deployment and have not been OK since.
        prior: the running tests after the previous evaluation, by probe.
        separate_tables: canary and stable use different tables, so neither can read what the other wrote.
        checks: the environment's own checks.
        first_shift_at: when the canary got its first traffic; None before that.
    """

    environment: str
    deployment: str
    functions: tuple[Function, ...]
    window: Window
    baseline_window: Window | None
    weight_percent: int
    thresholds: Thresholds
    service: Service
    now: datetime
    period: timedelta
    evaluation_number: int = 0
    max_evaluations: int = 1
    preexisting_alarms: frozenset[str] = frozenset()
    prior: Mapping[str, Json] = field(default_factory=dict)
    separate_tables: bool = False
    checks: tuple[CustomCheck, ...] = ()
    first_shift_at: datetime | None = None

    @property
    def changed(self) -> tuple[Function, ...]:
        """The functions that have a canary version of their own."""
        return tuple(function for function in self.functions if function.changed)

    @property
    def versions(self) -> Mapping[str, Mapping[str, str]]:
        """The compared versions by function, in the form of `Evidence.versions`."""
        return {
            function.name: {"stable": function.stable_version, "canary": function.canary_version}
            for function in self.functions
        }


def kept_period(period: timedelta, window: Window, now: datetime) -> timedelta:
    """Return the period in which a window's metrics are read: at least a minute if CloudWatch has no shorter ones left."""
    return period if now - window.start <= SHORT_PERIODS_KEPT else max(period, MINUTE)


def for_step(deployment: Deployment, step: int, evaluation: int, now: datetime) -> ProbeContext:
    """Return the context of an evaluation during a step's bake; the window starts with the step's shift.

    Raises:
        ValueError: the step was never shifted to.
    """
    since = deployment.shifted_at(step)
    if since is None:
        raise ValueError(f"step {step} of {deployment.id} was never shifted to")
    planned = deployment.plan.steps[step]
    evaluations = evaluations_within(planned.bake, deployment.plan.limits.evaluation_interval)
    return _context(deployment, since, now, planned.weight_percent, evaluation, evaluations)


def before_traffic(deployment: Deployment, now: datetime) -> ProbeContext:
    """Return the context before a client reaches the canary; there is nothing to measure yet."""
    return _context(deployment, now, now, 0)


def after_promotion(deployment: Deployment, since: datetime, now: datetime) -> ProbeContext:
    """Return the context when the canary has all traffic; the window starts with the promotion."""
    return _context(deployment, since, now, FULL_PERCENT)


def for_stable(deployment: Deployment, now: datetime) -> ProbeContext:
    """Return the context after a rollback: only stable has traffic."""
    return _context(deployment, now, now, 0)


def for_comparison(deployment: Deployment, now: datetime) -> ProbeContext:
    """Return the context in which the two versions are compared before an alarm is obeyed.

    The window is the newest part of the current step, up to now. Data that have not arrived yet are missing for both
    versions alike.
    """
    shift = deployment.shifts[-1]
    context = _context(deployment, shift.at, now, shift.weight_percent)
    window = align_window(max(shift.at, now - COMPARED), now, context.period)
    return replace(context, window=window, baseline_window=None)


def since_newest_shift(deployment: Deployment, now: datetime) -> ProbeContext:
    """Return the context in which an alarm is evaluated, at any time after the first shift."""
    shift = deployment.shifts[-1]
    return _context(deployment, shift.at, now, shift.weight_percent)


def align_window(start: datetime, end: datetime, period: timedelta) -> Window:
    """Return the whole periods within an interval, counted from the Unix epoch as CloudWatch counts them."""
    seconds = period.total_seconds()
    first = -(-start.timestamp() // seconds) * seconds
    last = max(first, end.timestamp() // seconds * seconds)
    return Window(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))


def _context(
    deployment: Deployment,
    since: datetime,
    now: datetime,
    weight_percent: int,
    evaluation: int = 0,
    evaluations: int = 1,
) -> ProbeContext:
    limits = deployment.plan.limits
    until = deployment.first_shift_at
    return ProbeContext(
        environment=deployment.environment,
        deployment=deployment.id,
        functions=deployment.functions,
        window=align_window(since, now - limits.metric_delay, limits.period),
        baseline_window=None if until is None else align_window(until - BASELINE, until, timedelta(minutes=1)),
        weight_percent=weight_percent,
        thresholds=limits.thresholds,
        service=deployment.service,
        now=now,
        period=limits.period,
        evaluation_number=evaluation,
        max_evaluations=evaluations,
        preexisting_alarms=frozenset(deployment.preexisting_alarms),
        prior=deployment.running,
        separate_tables=deployment.cutover is not None,
        checks=deployment.plan.checks,
        first_shift_at=until,
    )
