"""Scenes whose log lines become metrics, on which the alarms and the verdict of prod are evaluated."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from orchestrator import environments
from orchestrator.domain.analysis.observations import LogLine, LogPage
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.verdict import Outcome
from orchestrator.local.emulator.cloudwatch import embedded_metrics, metric_store
from orchestrator.local.emulator.cloudwatch.alarm_config import normalize_metrics, parse_alarm
from orchestrator.local.emulator.cloudwatch.alarm_state import ALARM, evaluate
from orchestrator.local.emulator.cloudwatch.metric_data_queries import MetricStat, read_statistic
from orchestrator.probes import context as probe_context
from orchestrator.probes import logs, metrics, performance
from orchestrator.probes.metric_queries import measure_versions
from tests.samples import deployment, policy, seconds, thresholds_table
from tests.unit.service.conftest import Service

PROD = environments.load("prod")


MINIMUM = PROD.service.alarms.minimum_requests


PERIODS, PERIOD_SECONDS = 18, 10
"""Three minutes: as many as have to breach for any alarm to fire, with ten-second and with one-minute periods."""


BUSY, QUICK = (0, 1, 2, 6, 12), (0, 1, 2)
"""Periods with requests: enough for every alarm, and enough for those with ten-second periods."""


SLOW_MS, SLOW_SECONDS = 900, 1.2
"""The alarm's limit and how long others take where latency matters; a busy machine stays below."""


START = 1_800_000_000 // 60 * 60


STABLE, CANARY = "41", "42"


Attack = Callable[[Service, int], None]
"""Sends the requests of one turn; the turn's number is given."""


@pytest.fixture(scope="module")
def synthesised():
    """Return a function that returns prod's alarms that trigger a rollback, as CloudFormation gets them."""
    templates = importlib.import_module("tests.infrastructure.templates")  # before aws_cdk: it chooses its Node
    cdk, service = importlib.import_module("aws_cdk"), importlib.import_module("infrastructure.service.alarms")

    def create(p99_latency_ms: int) -> list[dict]:
        settings = dataclasses.replace(PROD.service.alarms, p99_latency_ms=p99_latency_ms)
        environment = dataclasses.replace(PROD, service=dataclasses.replace(PROD.service, alarms=settings))
        app = cdk.App()
        service.create_alarms(cdk.Stack(app, "alarms"), environment, "IbOauth")
        template = app.synth().get_stack_by_name("alarms").template
        return list(templates.resources(template, "AWS::CloudWatch::Alarm").values())

    return create


@pytest.fixture(scope="module")
def alarms(synthesised):
    """Prod's alarms."""
    return synthesised(PROD.service.alarms.p99_latency_ms)


@pytest.fixture(scope="module")
def impatient(synthesised):
    """Prod's alarms, except that `SLOW_MS` are slow, so that a test need not take its time."""
    return synthesised(SLOW_MS)


@pytest.fixture(autouse=True)
def cloudwatch():
    """The metrics of one scene."""
    store = importlib.import_module("ministack.services.cloudwatch")._metrics
    store.clear()
    yield store
    store.clear()


@pytest.fixture
def scene(aws, variables, capsys):
    """Return a function that plays an attack and publishes its metrics; it returns the lines with errors."""

    def play(
        attack: Attack,
        turns_a_period: int = MINIMUM + 2,
        periods: tuple[int, ...] = BUSY,
        version_of: Callable[[], str] = lambda: CANARY,
        **changes: str,
    ) -> list[LogLine]:
        service = Service(aws, {**variables, **changes})
        lines: list[str] = []
        for period in periods:
            for turn in range(turns_a_period):
                service.now = START + period * PERIOD_SECONDS + turn * PERIOD_SECONDS / turns_a_period
                attack(service, period * turns_a_period + turn)
            lines += capsys.readouterr().out.splitlines()
        return publish(lines, version_of)

    return play


def publish(lines: list[str], version_of: Callable[[], str] = lambda: CANARY) -> list[LogLine]:
    """Publish what the lines say, and what API Gateway and Lambda say of the same requests, at their times.

    The lines of a request are of one version and one time; its last one has its metrics.
    """
    errors, failed = [], []
    version = version_of()
    for written in lines:
        line = written.replace(f'"version":"{CANARY}"', f'"version":"{version}"')
        entry = json.loads(line)
        if "_aws" not in entry:
            if "ERROR" in line:  # as the canary analysis filters
                failed.append(line)
            continue
        at = entry["_aws"]["Timestamp"] / 1000
        errors += [LogLine(datetime.fromtimestamp(at, UTC), f"x[{version}]y", one) for one in failed]
        embedded_metrics.publish_embedded_metrics(line.replace('"environment":"local"', '"environment":"prod"'), at)
        count_at_the_edge(at, entry["function"], entry["status"])
        failed, version = [], version_of()
    return errors


def count_at_the_edge(at: float, function: str, status: int, *, throttled: bool = False) -> None:
    """Publish what API Gateway and Lambda count of one request."""
    api, lambda_ = {"ApiName": "ib-oauth-api-prod", "Stage": "prod"}, {"FunctionName": f"ib-oauth-{function}-prod"}
    metric_store.put_metric("AWS/ApiGateway", "Count", api, 1, at=at)
    metric_store.put_metric("AWS/ApiGateway", "5XXError", api, int(status >= 500), at=at)
    metric_store.put_metric("AWS/Lambda", "Throttles", lambda_, int(throttled), at=at)
    metric_store.put_metric("AWS/Lambda", "Errors", lambda_, 0, at=at)
    metric_store.put_metric("AWS/Lambda", "Invocations", lambda_, int(not throttled), at=at)


def firing(alarms: list[dict]) -> set[str]:
    """The names of the alarms that were in ALARM at any time of the scene."""
    fired = set()
    for template in alarms:
        alarm = template | ({"Metrics": normalize_metrics(template["Metrics"])} if "Metrics" in template else {})
        watch = parse_alarm(alarm)
        assert watch is not None
        period, length = watch.period_seconds, watch.rule.range_periods
        for end in range(START + period, START + PERIODS * PERIOD_SECONDS + 2 * period, period):
            periods = [end - period * age for age in range(length, 0, -1)]
            judged = evaluate(watch.rule, watch.read_datapoints(periods), periods)
            if judged is not None and judged.state == ALARM:
                fired.add(alarm["AlarmName"])
    return fired


class StoredMetrics:
    """The metrics of the scene, as the probes read them."""

    def read_metrics(self, queries, window):
        values = {}
        for query in queries:
            stat = MetricStat(query.namespace, query.name, query.dimensions, query.statistic)
            span = (int(window.start.timestamp()), int(window.end.timestamp()))
            found = read_statistic(stat, query.period_seconds, lambda _, span=span: span)
            values[query.id] = {datetime.fromtimestamp(at, UTC): value for at, value in found.items()}
        return values


def normal_traffic_before() -> None:
    """An hour of ordinary traffic on stable, which a promoted release is compared with."""
    for minute in range(60):
        at = START - 3600 + 60 * minute
        for function in ("authorize", "token", "public"):
            base = {"environment": "prod", "function": function, "version": STABLE}
            for name, value in (("Requests", 100), ("ServerErrors", 0), ("KnownGrants", 60), ("RefusedGrants", 1)):
                metric_store.put_metric("IbOauth", name, base, value, at=at)
            metric_store.put_metric("IbOauth", "Latency", base, 8, at=at)
            for result, value in (("issued", 59), ("invalid_grant", 1)):
                metric_store.put_metric("IbOauth", "Grants", {**base, "result": result}, value, at=at)


def verdicts(errors: list[LogLine], weight_percent: int = 100) -> dict[str, Outcome]:
    """What the probes that measure clients' requests say of a release that got this weight when the scene began."""
    normal_traffic_before()
    begun = datetime.fromtimestamp(START, UTC)
    functions = tuple(
        Function(name, f"ib-oauth-{name}-prod", STABLE, CANARY) for name in ("authorize", "public", "token")
    )
    strict = policy(metric_delay_seconds=0, thresholds={**THRESHOLDS, "minimum_requests": 10})
    shifted = deployment(
        environment="prod",
        functions=functions,
        phase=DeploymentPhase.SHIFTING,
        shifts=(Shift(0, weight_percent, begun),),
        plan=dataclasses.replace(deployment().plan, limits=strict.limits),
    )
    now = begun + seconds(PERIODS * PERIOD_SECONDS)
    context = (
        probe_context.for_step(shifted, 0, 0, now)
        if weight_percent < 100
        else probe_context.after_promotion(shifted, begun, now)
    )
    measured = measure_versions(context, StoredMetrics())
    page = SimpleNamespace(
        read_errors=lambda group, window: LogPage(tuple(errors) if window.start >= begun else (), True)
    )
    return {
        "metrics": metrics.run(context, measured).evidence.verdict.outcome,
        "performance": performance.run(context, measured).evidence.verdict.outcome,
        "logs": logs.run(context, measured, page).evidence.verdict.outcome,
    }


THRESHOLDS = thresholds_table() | {"minimum_requests": 10, "latency_floor_ms": 150}
