"""A deployment's plan: everything that is known, checked and counted before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import DeliveryPolicy, Thresholds, WhenInconclusive
from orchestrator.domain.strategy import Step, Strategy

HISTORY_LIMIT_EVENTS = 25_000
"""Step Functions Standard ends an execution whose history grows beyond this (AWS quotas page)."""

EVENTS_PER_TRANSITION = 6
"""The most history events one state of ours leaves: entered, scheduled, started, failed or succeeded, a retry's, exited."""

TRANSITIONS_PER_LOOK = 4
"""ShiftTraffic, Bake, Verify, Decide: the loop of deployment.asl.json. A test counts them there."""

BASE_TRANSITIONS = 18
"""The states of deployment.asl.json outside the loop on the way to success. A test counts them there."""

TRANSITIONS_PER_WATCH = 3
"""Watch, VerifyAfterTraffic, Verified: what each further look at the promoted version takes."""


WARMING_LOOKS = 41
"""Looks at canary's provisioned concurrency, 15 s apart: ten minutes, where AWS takes one to three."""

TRANSITIONS_PER_WARMING_LOOK = 3
"""WarmUp, Warm, Warmed."""


@dataclass(frozen=True)
class Service:
    """What is deployed: the OAuth service of one environment, as its stack describes it.

    Attributes:
        functions: short name to Lambda function name.
        alias: the alias that clients reach, `live`.
        api_url: the API's address with its stage, without a slash at its end.
        tables: names of the tables whose restore point is recorded.
        alarms: ARNs of the alarms whose ringing undoes a deployment; exact, no patterns.
        metric_namespace: where the functions' EMF metrics are.
        revocations: name of the table with the log of revocations; empty where a release before this one described the service.
        tls: whether the API is reached by https, so that certificates can be judged.
        warm: short name to how many environments a version that serves, or may be brought back, is kept warm with.
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
    """One function of the service within a deployment: where it was, and where it is to go."""

    name: str
    function_name: str
    stable_version: str
    canary_version: str

    @property
    def changed(self) -> bool:
        """Whether this deployment has a version of its own for it."""
        return self.stable_version != self.canary_version


@dataclass(frozen=True)
class Plan:
    """What a deployment will do, as far as it can be known beforehand.

    Attributes:
        looks: how many looks the steps have when none is extended.
        looks_at_most: how many they may have when every bake is extended to `max_bake`.
        transitions: state transitions of a run with `looks` looks that succeeds, without what warming canary takes.
    """

    strategy: str
    steps: tuple[Step, ...]
    look: timedelta
    settle: timedelta
    period: timedelta
    max_bake: timedelta
    after_bake: timedelta
    hold_deadline: timedelta
    rollback_window: timedelta
    alarm_max_age: timedelta
    when_inconclusive: WhenInconclusive
    thresholds: Thresholds

    @classmethod
    def of(cls, strategy: Strategy, policy: DeliveryPolicy) -> Plan:
        """Plan a strategy under an environment's policy.

        Raises:
            Refused: its history could outgrow what Step Functions keeps.
        """
        plan = cls(
            strategy=strategy.name,
            steps=strategy.steps,
            look=policy.look,
            settle=policy.settle,
            period=policy.period,
            max_bake=policy.max_bake,
            after_bake=policy.after_bake,
            hold_deadline=policy.hold_deadline,
            rollback_window=policy.rollback_window,
            alarm_max_age=policy.alarm_max_age,
            when_inconclusive=policy.when_inconclusive,
            thresholds=policy.thresholds,
        )
        events = plan.transitions_at_most * EVENTS_PER_TRANSITION
        if events > HISTORY_LIMIT_EVENTS:
            raise Refused(
                "strategy",
                strategy.name,
                f"it may need {events} history events of {HISTORY_LIMIT_EVENTS}: use fewer steps, "
                "a longer look_seconds or a shorter max_bake_seconds",
            )
        return plan

    @property
    def looks(self) -> int:
        """Looks of all steps, when none ends early and none is extended."""
        return sum(looks_within(step.bake, self.look) for step in self.steps)

    @property
    def looks_at_most(self) -> int:
        """Looks of all steps, when every bake is extended as far as it may be."""
        extensions = (looks_within(max(self.max_bake - step.bake, self.look), self.look) for step in self.steps)
        return self.looks + sum(extensions)

    @property
    def transitions(self) -> int:
        """State transitions of a run that succeeds with exactly `looks` looks."""
        return transitions(self.looks)

    @property
    def transitions_at_most(self) -> int:
        """State transitions of the longest run: canary warmed, every bake and the watch over the promoted version extended to the full."""
        watched = TRANSITIONS_PER_WATCH * looks_within(self.max_bake, self.look)
        return transitions(self.looks_at_most) + watched + TRANSITIONS_PER_WARMING_LOOK * WARMING_LOOKS


def looks_within(bake: timedelta, look: timedelta) -> int:
    """How many looks a bake has: one every `look`, and one at its end where they do not meet."""
    return max(1, ceil(bake / look))


def transitions(looks: int) -> int:
    """State transitions of a deployment that takes `looks` looks and succeeds."""
    return BASE_TRANSITIONS + TRANSITIONS_PER_LOOK * looks


def wait_before_look(step: Step, look: timedelta, number: int) -> timedelta:
    """How long to bake before look `number` (from 0) of a step: whole looks, and the rest of the bake at the last."""
    elapsed = number * look
    remaining = step.bake - elapsed
    return min(look, remaining) if remaining > timedelta(0) else look
