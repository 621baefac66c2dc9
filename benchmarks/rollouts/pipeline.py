"""The product's verdict on a rollout: its probes, its decision rules and its alarm evaluation, on simulated metrics.

The probes read a simulated CloudWatch (`benchmarks.rollouts.world`); nothing of them is replaced. The health, security and
flow probes call a simulated service (`benchmarks.rollouts.synthetic`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

from benchmarks.rollouts.labelled import Rollout
from benchmarks.rollouts.run import End, RunResult, result
from benchmarks.rollouts.synthetic import SyntheticClient
from benchmarks.rollouts.world import (
    CANARY,
    PERIOD_SECONDS,
    PERIODS_A_MINUTE,
    STABLE,
    START,
    World,
    alarm_names,
    pooled_alarms,
)
from orchestrator import environments
from orchestrator.domain.deployment.decision import (
    Action,
    Cursor,
    after_promotion,
    first_decision,
    may_decide_by_synthetic_flows,
    next_action,
    rejected_before_traffic,
    wants_synthetic_probes,
)
from orchestrator.domain.deployment.plan import Function, Plan
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, Release, Shift
from orchestrator.domain.deployment.strategy import FULL_PERCENT, read_strategy
from orchestrator.domain.rollback.alarm_evaluation import AlarmOutcome
from orchestrator.domain.verdict import Outcome, Verdict, worst
from orchestrator.probes import alarm_evidence, alarms, health, logs, metrics, oauth_flows, performance, security
from orchestrator.probes import context as contexts
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.metric_queries import LATENCY_LINES, latency_lines_to_json, measure_versions
from tests import samples

ARN = "arn:aws:cloudwatch:us-west-1:000000000000:alarm"


@cache
def prod_policy() -> DeliveryPolicy:
    """Return the delivery policy of prod."""
    return DeliveryPolicy.parse(environments.load("prod").delivery)


@cache
def prod_plan(strategy: str = "canary-10-50") -> Plan:
    """Return prod's plan of a strategy."""
    return Plan.from_strategy(read_strategy(strategy, prod_policy()), prod_policy())


@dataclass
class Pipeline:
    """One deployment in progress."""

    world: World
    plan: Plan
    deployment: Deployment
    synthetic: SyntheticClient
    in_alarm: frozenset[str] = frozenset()
    ended_by_alarm: End = End.ROLLED_BACK

    @classmethod
    def start(cls, rollout: Rollout, strategy: str = "canary-10-50") -> Pipeline:
        """Plan a deployment whose canary differs in the changed functions."""
        world, plan = World(rollout), prod_plan(strategy)
        known = tuple(f"{ARN}:{name}" for name in pooled_alarms(world))
        deployment = replace(cls.plan_deployment(rollout, plan), preexisting_alarms=known)
        return cls(world, plan, deployment, SyntheticClient(world, Random(rollout.seed)))

    @staticmethod
    def plan_deployment(rollout: Rollout, plan: Plan) -> Deployment:
        """Return the record of a deployment that has published its versions."""
        functions = tuple(
            Function(name, f"ib-oauth-{name}-test", STABLE, CANARY if name in rollout.changed else STABLE)
            for name in samples.FUNCTIONS
        )
        arns = tuple(f"{ARN}:{name}" for name in alarm_names(rollout.changed))
        return Deployment(
            id="d-1",
            environment="test",
            requested_by="benchmark",
            requested_at=START,
            release=Release("sha256:a"),
            plan=plan,
            service=replace(samples.service(), alarms=arns),
            functions=functions,
            phase=DeploymentPhase.PUBLISHED,
            execution=samples.EXECUTION,
        )

    def run(self, evaluations: int | None = None) -> RunResult:
        """Run the deployment until the end of its rollback window, or only so many evaluations."""
        before = contexts.before_traffic(self.deployment, self.world.now)
        verdict = worst(
            [self._call(probe, before, probe) for probe in (health.PROBE, security.PROBE, oauth_flows.PROBE)]
        )
        if verdict.outcome is not Outcome.PASS:
            return result(self.world, End.ROLLED_BACK, rejected_before_traffic(verdict).reason)
        decision = first_decision(self.plan)
        done = 0
        while decision.action in {Action.ADVANCE, Action.BAKE}:
            if done == evaluations:
                return result(self.world, End.PROMOTED)
            done += 1
            if decision.action is Action.ADVANCE:
                self._shift(decision.step, self.plan.steps[decision.step].weight_percent)
            alarm = self._serve(self.plan.steps[decision.step].weight_percent, decision.wait_seconds)
            if alarm:
                return result(self.world, self.ended_by_alarm, alarm)
            cursor = Cursor(decision.step, decision.evaluation)
            verdict, context = self._evaluate(cursor)
            baked = self.world.now - (self.deployment.shifted_at(cursor.step) or self.world.now)
            if wants_synthetic_probes(self.plan, cursor, verdict, baked):
                verdict = self._call("paired", context, oauth_flows.PROBE)
            decision = next_action(self.plan, cursor, verdict, baked)
        if decision.action is Action.PROMOTE:
            return self._promote(decision.step)
        end = End.PAUSED if decision.action is Action.PAUSE else End.ROLLED_BACK
        return result(self.world, end, decision.reason)

    def _promote(self, step: int) -> RunResult:
        self._shift(step + 1, FULL_PERCENT)
        promoted_at, wait = self.world.now, self.plan.limits.after_bake
        while True:
            alarm = self._serve(FULL_PERCENT, wait.total_seconds())
            if alarm:
                return result(self.world, End.ROLLED_BACK, alarm)
            context = contexts.after_promotion(self.deployment, promoted_at, self.world.now)
            verdict = self._judge(context)
            elapsed = self.world.now - promoted_at
            if may_decide_by_synthetic_flows(self.plan, verdict, elapsed):
                verdict = self._call("paired", context, oauth_flows.PROBE)
            decision = after_promotion(self.plan, verdict, elapsed)
            if decision.action is Action.FINISH:
                break
            if decision.action is Action.ROLL_BACK:
                return result(self.world, End.ROLLED_BACK, f"after promotion: {decision.reason}")
            wait = timedelta(seconds=decision.wait_seconds)
        alarm = self._serve(FULL_PERCENT, self.plan.limits.rollback_window.total_seconds())
        if alarm:
            return result(self.world, End.ROLLED_BACK, f"rollback window: {alarm}")
        return result(self.world, End.PROMOTED)

    def _shift(self, step: int, weight_percent: int) -> None:
        shifts = (*self.deployment.shifts, Shift(step, weight_percent, self.world.now))
        self.deployment = replace(self.deployment, shifts=shifts)

    def _serve(self, weight_percent: int, seconds: float) -> str:
        """Serve clients, and evaluate every alarm that fires, and again each minute. Return why it rolls back, or ''."""
        for number in range(max(1, round(seconds / PERIOD_SECONDS))):
            self.world.advance(weight_percent)
            firing = frozenset(pooled_alarms(self.world))
            known = tuple(arn for arn in self.deployment.preexisting_alarms if arn.rpartition(":")[2] in firing)
            self.deployment = replace(self.deployment, preexisting_alarms=known)
            new = firing - {arn.rpartition(":")[2] for arn in known}
            fired = new - self.in_alarm
            self.in_alarm = new
            if fired or (new and number % PERIODS_A_MINUTE == PERIODS_A_MINUTE - 1):
                reason = self._evaluate_alarm()
                if reason:
                    return f"{', '.join(sorted(new))}: {reason}"
        return ""

    def _evaluate_alarm(self) -> str:
        context = contexts.since_newest_shift(self.deployment, self.world.now)
        # If stable is the broken version, the rollback sends the traffic to the canary.
        evaluation = alarm_evidence.evaluate(context, lambda: self.world, timedelta(seconds=60))
        self.ended_by_alarm = End.PROMOTED if evaluation.outcome is AlarmOutcome.STABLE_WORSE else End.ROLLED_BACK
        return evaluation.reason if evaluation.rolls_back else ""

    def _evaluate(self, cursor: Cursor) -> tuple[Verdict, ProbeContext]:
        context = contexts.for_step(self.deployment, cursor.step, cursor.evaluation, self.world.now)
        return self._judge(context), context

    def _judge(self, context: ProbeContext) -> Verdict:
        """Return the verdict of one evaluation, and keep the running tests."""
        functions = measure_versions(context, self.world)
        running: dict[str, Any] = dict(context.prior)
        if lines := latency_lines_to_json(functions):
            running[LATENCY_LINES] = lines
        verdicts = []
        for probe in (metrics, performance):
            sequential = probe.run(context, functions)
            running[probe.PROBE] = sequential.tests.to_json()
            verdicts.append(sequential.evidence.verdict)
        logged = logs.run(context, functions, self.world)
        running[logs.PROBE] = logged.tests.to_json()
        verdicts.append(logged.evidence.verdict)
        alarmed = alarms.run(context, self.world, self.world)
        verdicts.append(alarmed.evidence.verdict)
        self.deployment = replace(self.deployment, running=running)
        verdicts += [self._call(probe, context, probe) for probe in (health.PROBE, security.PROBE)]
        return worst(verdicts)

    def _call(self, probe: str, context: ProbeContext, kept_as: str) -> Verdict:
        """Run a probe that calls the service, and keep its tests."""
        verdict, tests = self.synthetic.run(probe, replace(context, prior=self.deployment.running))
        self.deployment = replace(self.deployment, running={**self.deployment.running, kept_as: tests})
        return verdict


def run_product(rollout: Rollout) -> RunResult:
    """Run a rollout as prod deploys it by default."""
    return Pipeline.start(rollout).run()
