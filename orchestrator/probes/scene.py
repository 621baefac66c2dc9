"""What a look is about: which versions, which window, held against what. Made from the ledger's deployment and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from orchestrator.domain.plan import Function, Service, looks_within
from orchestrator.domain.policy import Thresholds
from orchestrator.domain.records import Deployment
from orchestrator.domain.strategy import FULL_PERCENT
from orchestrator.domain.verdict import Json, Window

BASELINE = timedelta(hours=1)
"""How far back stable is measured before the deployment. CloudWatch keeps one-second metrics for 3 h."""


@dataclass(frozen=True)
class Scene:
    """One look's subject.

    Attributes:
        functions: all of the service's; those that the deployment changes have a canary of their own.
        window: from the shift until what has settled; its length is 0 where nothing has.
        baseline_window: before the deployment; what canary is held against where stable is idle.
        weight_percent: canary's weight, 0 before traffic and 100 after promotion.
        period: the metrics' resolution.
        look_number: from 0, within the step.
        looks_in_all: of the step, when its bake is not extended.
        excused_alarms: ARNs that rang before the deployment and have not been OK since.
        prior: the running tests, as the look before left them.
        apart: canary uses other tables than stable, so nothing that one wrote can be read by the other.
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
    look_number: int = 0
    looks_in_all: int = 1
    excused_alarms: frozenset[str] = frozenset()
    prior: Mapping[str, Json] = field(default_factory=dict)
    apart: bool = False

    @property
    def changed(self) -> tuple[Function, ...]:
        """The functions that this deployment has a version of its own for."""
        return tuple(function for function in self.functions if function.changed)

    @property
    def versions(self) -> Mapping[str, Mapping[str, str]]:
        """What is compared, as evidence names it."""
        return {one.name: {"stable": one.stable_version, "canary": one.canary_version} for one in self.functions}


def during_step(deployment: Deployment, step: int, look: int, now: datetime) -> Scene:
    """The scene of a look within a step's bake; the window starts with the step's shift.

    Raises:
        ValueError: the step was never shifted to.
    """
    since = deployment.shifted_at(step)
    if since is None:
        raise ValueError(f"step {step} of {deployment.id} was never shifted to")
    planned = deployment.plan.steps[step]
    looks = looks_within(planned.bake, deployment.plan.look)
    return _scene(deployment, since, now, planned.weight_percent, look, looks)


def before_traffic(deployment: Deployment, now: datetime) -> Scene:
    """The scene before canary's first request by a client: there is nothing to measure yet."""
    return _scene(deployment, now, now, 0)


def after_promotion(deployment: Deployment, since: datetime, now: datetime) -> Scene:
    """The scene once canary has all traffic; the window starts with the promotion."""
    return _scene(deployment, since, now, FULL_PERCENT)


def of_stable(deployment: Deployment, now: datetime) -> Scene:
    """The scene after a rollback: stable, at rest."""
    return _scene(deployment, now, now, 0)


def aligned(start: datetime, end: datetime, period: timedelta) -> Window:
    """The whole periods within a stretch of time, counted from the epoch as CloudWatch counts them."""
    seconds = period.total_seconds()
    first = -(-start.timestamp() // seconds) * seconds
    last = max(first, end.timestamp() // seconds * seconds)
    return Window(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))


def _scene(
    deployment: Deployment, since: datetime, now: datetime, weight_percent: int, look: int = 0, looks: int = 1
) -> Scene:
    plan = deployment.plan
    until = deployment.first_shift_at
    return Scene(
        environment=deployment.environment,
        deployment=deployment.id,
        functions=deployment.functions,
        window=aligned(since, now - plan.settle, plan.period),
        baseline_window=None if until is None else aligned(until - BASELINE, until, timedelta(minutes=1)),
        weight_percent=weight_percent,
        thresholds=plan.thresholds,
        service=deployment.service,
        now=now,
        period=plan.period,
        look_number=look,
        looks_in_all=looks,
        excused_alarms=frozenset(deployment.excused_alarms),
        prior=deployment.running,
        apart=deployment.cut_over is not None,
    )
