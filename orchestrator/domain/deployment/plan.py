"""A deployment's plan: what is known and checked before the deployment changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

from orchestrator.domain.deployment.calendar import MAX_WAIT, OVERRIDE, Calendar
from orchestrator.domain.deployment.custom_checks import CustomCheck
from orchestrator.domain.deployment.gates import Gate, calendar_gate
from orchestrator.domain.deployment.hooks import Hook, with_phase_gates
from orchestrator.domain.deployment.policy import DeliveryLimits, DeliveryPolicy
from orchestrator.domain.deployment.strategy import Step, Strategy
from orchestrator.domain.errors import Refused

LONGEST_EXECUTION = timedelta(days=6, hours=12)
"""Gates and bakes of a plan take no longer: the state machine's execution ends after a week."""

HISTORY_LIMIT_EVENTS = 25_000
"""Step Functions fails a Standard execution whose history grows beyond this (AWS quotas page)."""

EVENTS_PER_TRANSITION = 6
"""The most history events of one of our states: entered, scheduled, started, failed or succeeded, a retry's, exited."""

TRANSITIONS_PER_EVALUATION = 4
"""ShiftTraffic, Bake, AnalyzeCanary, Decide: the loop of deployment.asl.json. A test counts them there."""

BASE_TRANSITIONS = 19
"""The states of a successful run of deployment.asl.json outside the loop. A test counts them there."""

TRANSITIONS_PER_PROMOTED_EVALUATION = 3
"""WaitForMetrics, VerifyAfterPromotion, VerifiedAfterPromotion: one further evaluation of the promoted version."""

TRANSITIONS_PER_GATE = 3
"""Pause or WaitForWindow, Resume, Decide."""

MAX_WARM_UP_CHECKS = 41
"""Checks of canary's provisioned concurrency, 15 s apart: ten minutes in total. AWS needs one to three minutes."""

TRANSITIONS_PER_WARM_UP_CHECK = 3
"""WaitForWarmUp, WarmUp, WarmedUp."""


@dataclass(frozen=True)
class Service:
    """The OAuth service of one environment, as its stack describes it.

    Attributes:
        functions: short name to Lambda function name.
        alias: the alias that clients invoke, `live`.
        api_url: address of the API with its stage, without a trailing slash.
        tables: names of the tables whose backup point is recorded.
        alarms: ARNs of the alarms that trigger a rollback; exact ARNs, no patterns.
        metric_namespace: namespace of the functions' EMF metrics.
        revocations: name of the table with the revocation log; empty if an older release described the service.
        tls: whether the API has an https address, so that certificates can be checked.
        warm: short name to the provisioned concurrency of each version that serves or may be reverted to.
    """

    functions: Mapping[str, str]
    alias: str
    api_url: str
    issuer: str
    tables: tuple[str, ...]
    alarms: tuple[str, ...]
    metric_namespace: str
    api_name: str
    stage: str
    synthetic_key_id: str
    tls: bool
    revocations: str = ""
    warm: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Function:
    """One function of the service in a deployment, with its stable and its canary version."""

    name: str
    function_name: str
    stable_version: str
    canary_version: str

    @property
    def changed(self) -> bool:
        """Whether this deployment publishes a new version of the function."""
        return self.stable_version != self.canary_version


@dataclass(frozen=True)
class Plan:
    """The steps of a deployment, with its timing, its thresholds, the environment's own checks, and its gates."""

    strategy: str
    steps: tuple[Step, ...]
    limits: DeliveryLimits
    checks: tuple[CustomCheck, ...] = ()
    gates: tuple[Gate, ...] = ()
    hooks: tuple[Hook, ...] = ()

    @classmethod
    def from_strategy(cls, strategy: Strategy, policy: DeliveryPolicy) -> Plan:
        """Plan a strategy under an environment's policy.

        Raises:
            Refused: the execution history could exceed the limit of Step Functions.
        """
        gates = with_phase_gates(strategy.gates, len(strategy.steps), policy.hooks)
        plan = cls(strategy.name, strategy.steps, policy.limits, policy.checks, gates, policy.hooks)
        _refuse_long_history(plan)
        if plan.waits + plan.bakes > LONGEST_EXECUTION:
            raise Refused(
                "strategy",
                strategy.name,
                f"its gates may wait for {plan.waits.total_seconds():.0f} s: give deadlines that together with the bakes "
                f"stay below {LONGEST_EXECUTION.total_seconds():.0f} s, because an execution ends after a week",
            )
        return plan

    def after_opening(self, calendar: Calendar, now: datetime) -> Plan:
        """Return the plan that waits for a calendar before its first traffic.

        The wait may take what gates and bakes leave of an execution's time, and `MAX_WAIT` at most.

        Args:
            calendar: it is closed.
            now: aware, in UTC.

        Raises:
            Refused: the calendar opens too late for this plan, which would only be rolled back then.
        """
        opens, left = calendar.opens_at(now), min(MAX_WAIT, LONGEST_EXECUTION - self.waits - self.bakes)
        if opens is None or opens - now > left:
            remedy = (
                f"with the deadlines of its gates and its bakes, {self.strategy} can wait for {left.total_seconds():.0f} s: "
                f"give a strategy with shorter ones, deploy it later, or {OVERRIDE}"
            )
            raise Refused("delivery.calendar", calendar.describe_closure(now), remedy)
        plan = replace(self, gates=(calendar_gate(calendar, left), *self.gates))
        _refuse_long_history(plan)
        return plan

    @property
    def waits(self) -> timedelta:
        """The deadlines of all gates together."""
        return sum((gate.deadline for gate in self.gates), timedelta(0))

    @property
    def bakes(self) -> timedelta:
        """The bakes of all steps together."""
        return sum((step.bake for step in self.steps), timedelta(0))

    @property
    def evaluations(self) -> int:
        """Evaluations of all steps if no bake is extended."""
        return sum(evaluations_within(step.bake, self.limits.evaluation_interval) for step in self.steps)

    @property
    def max_evaluations(self) -> int:
        """Evaluations of all steps if every bake is extended to `max_bake`."""
        interval, max_bake = self.limits.evaluation_interval, self.limits.max_bake
        extensions = (evaluations_within(max(max_bake - step.bake, interval), interval) for step in self.steps)
        return self.evaluations + sum(extensions)

    @property
    def transitions(self) -> int:
        """State transitions of a run that succeeds after `evaluations`, without the warm-up of the canary."""
        return transitions(self.evaluations) + TRANSITIONS_PER_GATE * len(self.gates)

    @property
    def max_transitions(self) -> int:
        """State transitions of the longest run: with a warm-up, and every bake and wait extended to `max_bake`."""
        after_promotion = evaluations_within(self.limits.max_bake, self.limits.evaluation_interval)
        return (
            transitions(self.max_evaluations)
            + TRANSITIONS_PER_GATE * len(self.gates)
            + TRANSITIONS_PER_PROMOTED_EVALUATION * after_promotion
            + TRANSITIONS_PER_WARM_UP_CHECK * MAX_WARM_UP_CHECKS
        )


def _refuse_long_history(plan: Plan) -> None:
    events = plan.max_transitions * EVENTS_PER_TRANSITION
    if events > HISTORY_LIMIT_EVENTS:
        raise Refused(
            "strategy",
            plan.strategy,
            f"it may need {events} history events of {HISTORY_LIMIT_EVENTS}: use fewer steps, "
            "a longer evaluation_seconds or a shorter max_bake_seconds",
        )


def evaluations_within(bake: timedelta, interval: timedelta) -> int:
    """Return the number of evaluations of a bake: one every interval, and one at its end."""
    return max(1, ceil(bake / interval))


def transitions(evaluations: int) -> int:
    """Return the state transitions of a deployment that succeeds after this many evaluations."""
    return BASE_TRANSITIONS + TRANSITIONS_PER_EVALUATION * evaluations


def wait_before_evaluation(step: Step, interval: timedelta, number: int) -> timedelta:
    """Return how long to bake before an evaluation of a step.

    Args:
        step: the step.
        interval: time between two evaluations.
        number: the evaluation, from 0.

    Returns:
        The interval; before the last evaluation of the bake, the rest of the bake.
    """
    remaining = step.bake - number * interval
    return min(interval, remaining) if remaining > timedelta(0) else interval
