"""A deployment in flight and a drill under way, as the ledger has them: what the live view and its benchmark show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.cli.live.snapshots import DeploymentSnapshot, RecoverySnapshot
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import Margin, Tally
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    Rollback,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.recovery.record import CheckResult, RecoveryPhase
from orchestrator.domain.verdict import Evidence, Verdict, Window
from tests.samples import ALARM, NOW, deployment, recovery, restored_tables, seconds

FUNCTIONS = (
    Function("authorize", "ib-oauth-authorize-test", "3", "3"),
    Function("public", "ib-oauth-public-test", "14", "15"),
    Function("token", "ib-oauth-token-test", "14", "15"),
)


def side(version: str, requests: int, errors: int, **more: Any) -> dict[str, Any]:
    return {
        "version": version,
        "requests": requests,
        "server_errors": errors,
        "upstream_errors": 0,
        "known_grants": 0,
        "refused_grants": 0,
        "grants": {},
        "invocations": requests,
        "unhandled": 0,
        "p50_ms": 12.3,
        "p99_ms": 48.7,
        **more,
    }


def metrics(scale: int = 1, weight: int = 10, odds: float = 14.21) -> Evidence:
    """The evidence of the metrics probe; `scale`: times as many requests."""
    functions = {
        "public": {
            "stable": side("14", 903 * scale, 0),
            "canary": side("15", 97 * scale, 0),
            "before": None,
            "pooled_requests": 1000 * scale,
            "observed_percent": 9.7,
        },
        "token": {
            "stable": side("14", 810 * scale, 1, grants={"issued": 640 * scale, "invalid_grant": 3}),
            "canary": side(
                "15", 90 * scale, 7 * scale, p99_ms=151.9, grants={"issued": 71 * scale, "invalid_grant": 2}
            ),
            "before": None,
            "pooled_requests": 900 * scale,
            "observed_percent": 10.0,
        },
    }
    spent = {"percent": 0.75, "evidence": odds, "needed": 133.333}
    figures = {"weight_percent": weight, "false_alarm": spent, "functions": functions}
    window = Window(NOW + seconds(5), NOW + seconds(25))
    return Evidence("metrics", Verdict.inconclusive("trending worse"), {}, window, "cloudwatch", 187, figures)


def alarms(state: str = "OK") -> Evidence:
    name = ALARM.rpartition(":")[2]
    figures = {
        "states": {name: state, "ib-oauth-token-latency-test": "OK"},
        "excused": [],
        "evaluation": "NOT_EVALUATED",
        "false_alarm": {"percent": 0.05, "evidence": 1.0, "needed": 2000.0},
    }
    return Evidence("alarms", Verdict.passed("none of 2"), {}, Window(NOW, NOW), "cloudwatch", 2, figures)


def decision(number: int, at: float, action: Action, wait: int = 10, **more: Any) -> DecisionEntry:
    fields: dict[str, Any] = {
        "deployment": "d-1",
        "number": number,
        "at": NOW + seconds(at),
        "state": "AnalyzeCanary",
        "entered": f"t{number}",
        "decision": Decision(
            action, more.pop("step", 0), more.pop("evaluation", 0), wait, "evaluation 1: trending worse"
        ),
        "verdict": Verdict.inconclusive("trending worse"),
    }
    return DecisionEntry(**(fields | more))


DECISIONS = (
    decision(1, 4, Action.ADVANCE, state="VerifyBeforeTraffic", verdict=Verdict.passed("health passed")),
    decision(2, 16, Action.BAKE, evaluation=1, evidence=(metrics(odds=2.05), alarms())),
    decision(3, 28, Action.BAKE, evaluation=2, evidence=(metrics(), alarms())),
)


def running() -> dict[str, Any]:
    """The running tests of the metrics probe: the token function's 5xx speak against the canary."""

    def rate(name: str, canary: Tally, stable: Tally) -> ComparedRate:
        return ComparedRate(name, name, canary, stable, Margin(0.01))

    rates = (
        rate("public/server_errors", Tally(97, 0), Tally(903, 0)),
        rate("token/server_errors", Tally(90, 7), Tally(810, 1)),
    )
    return {"metrics": dict(RunningTests().update(NOW, rates).to_json())}


def in_flight(**changes: Any) -> Deployment:
    fields: dict[str, Any] = {
        "functions": FUNCTIONS,
        "phase": DeploymentPhase.SHIFTING,
        "shifts": (Shift(0, 10, NOW + seconds(5)),),
        "running": running(),
        "requested_by": "ann",
    }
    return deployment(**(fields | changes))


def snapshot(record: Deployment | None = None, at: float = 30, **changes: Any) -> DeploymentSnapshot:
    base = DeploymentSnapshot(record or in_flight(), DECISIONS, None, (), (), NOW + seconds(at))
    return replace(base, **changes)


def rolled_back(**changes: Any) -> Deployment:
    trigger = RollbackTrigger("alarm", "token server errors: 7.7 % > 5 %", NOW + seconds(40))
    rollback = Rollback(trigger, "arn", NOW + seconds(41), NOW + seconds(43), NOW + seconds(45))
    fields: dict[str, Any] = {
        "rollback": rollback,
        "phase": DeploymentPhase.ENDED,
        "outcome": DeploymentOutcome.ROLLED_BACK,
        "reason": trigger.reason,
        "ended_at": NOW + seconds(46),
    }
    return in_flight(**(fields | changes))


PHASES = ("PlanRecovery", "AcquireLock", "StartRestore", "AwaitRestore", "CompareContents", "CleanUp")


def phases(*lengths: float) -> tuple[RecoveryPhase, ...]:
    """Phases of these lengths in seconds, from the beginning on."""
    made, began = [], NOW
    for name, length in zip(PHASES, lengths, strict=False):
        made.append(RecoveryPhase(name, began, began + seconds(length)))
        began += seconds(length)
    return tuple(made)


def drill(identity: str, *lengths: float, **changes: Any):
    tables = restored_tables(identity)
    return recovery(id=identity, phases=phases(*lengths), tables=tables, **changes)


def recovery_snapshot(at: float = 100, **changes: Any) -> RecoverySnapshot:
    ended = NOW - timedelta(days=1)
    earlier = [drill(f"dr-{number}", 1, 1, 2, 60 + number, 20, 5, ended_at=ended) for number in (2, 3, 4)]
    record = drill("dr-9", 1, 2, 2, 70, check_results=(CheckResult("settings.state", Verdict.passed("equal")),))
    return replace(RecoverySnapshot(record, earlier, NOW + seconds(at)), **changes)
