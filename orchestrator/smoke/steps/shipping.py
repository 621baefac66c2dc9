"""Step 3: ship a good release and three bad ones under load, and measure how fast AWS notices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from orchestrator import environments
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.local.cdk_deploy import SERVICE, SOURCES
from orchestrator.smoke.access import SmokeClient, load_of
from orchestrator.smoke.load import Answer, Load
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.world import TimedOut, World

_MODULE, _FUNCTION = "service/oauth/client_secrets.py", "matches"
_METRIC_TRIES, _METRIC_SECONDS, _WARM_SECONDS = 5, 180.0, 1.0
_LINE_MS, _BELOW_MS, _ABOVE_MS = 100, (10.0, 99.0, 100.0), (101.0, 250.0)
_HEALTHY_SECONDS = {"account": 180, "local": 40}
"""How long each worker of a release with late faults behaves, so that the release is verified and gets traffic."""


@dataclass(frozen=True)
class Release:
    """A release: what the changed function does, and what has to become of its deployment."""

    key: str
    statement: str
    outcome: DeploymentOutcome
    late: bool = False


FIRST = Release("first", "", DeploymentOutcome.SUCCEEDED)
RELEASES = (
    Release("good", "", DeploymentOutcome.SUCCEEDED),
    Release("bad-5xx", "raise RuntimeError('smoke')", DeploymentOutcome.ROLLED_BACK, late=True),
    Release("bad-timeout", "_time.sleep(60)", DeploymentOutcome.ROLLED_BACK, late=True),
    Release("bad-import", "raise ImportError('smoke')", DeploymentOutcome.ROLLED_BACK),
)


def run(world: World) -> Iterator[Fact]:
    """Yield the outcome and the times of each release, the delay of metrics, and which series there are."""
    with load_of(world, SmokeClient.of(world)) as load:
        yield _metric_delay(world, load)
        yield _executed_versions(world)
        yield count_over_line(world)
        for release in RELEASES:
            world.deploy(world.synthesise(release=overlay(world, release)), SERVICE)
            began = time.time()
            deployment = world.ship(release.key)
            yield _outcome(release, deployment)
            if release.late:
                yield _times(release, deployment, load, began)
    yield _log_pages(world)


def overlay(world: World, release: Release) -> Path:
    """Write the release's changed file into a folder like `examples/releases`; return the folder of `service/`."""
    folder = world.folder / f"release-{release.key}" / "service"
    file = folder / Path(_MODULE).relative_to("service")
    file.parent.mkdir(parents=True, exist_ok=True)
    source = (SOURCES / _MODULE).read_text(encoding="utf-8")
    healthy = _HEALTHY_SECONDS["local" if world.environment.local else "account"]
    match (release.statement, release.late):
        case ("", _):
            added = f"\nSMOKE_RELEASE = {release.key!r}\n"
        case (statement, False):
            added = f"\n{statement}\n"
        case (statement, _):
            added = (
                f"\nimport time as _time\n_correct, _faulty_from = {_FUNCTION}, _time.time() + {healthy}\n\n\n"
                f"def {_FUNCTION}(*arguments):\n"
                f"    if _time.time() > _faulty_from:\n        {statement}\n    return _correct(*arguments)\n"
            )
    file.write_text(source + added, encoding="utf-8")
    return folder


def ship_first(world: World) -> Fact:
    """Ship a first release, so that the ledger knows the service, and functions with encrypted variables have run."""
    world.deploy(world.synthesise(release=overlay(world, FIRST)), SERVICE)
    return replace(_outcome(FIRST, world.ship(FIRST.key)), row="27")


def _outcome(release: Release, deployment: Deployment) -> Fact:
    verdict = Verdict.PASS if deployment.outcome is release.outcome else Verdict.FAIL
    took = (deployment.ended_at - deployment.requested_at).total_seconds() if deployment.ended_at else None
    return Fact(
        "14",
        verdict,
        f"{release.key}: {deployment.outcome}, {deployment.reason or 'as expected'}",
        {"seconds": took, "shifts": len(deployment.shifts)},
    )


def _times(release: Release, deployment: Deployment, load: Load, began: float) -> Fact:
    bad = [answer for answer in load.answers(began) if answer.bad]
    rollback = deployment.rollback
    if not bad or rollback is None or rollback.reverted_at is None:
        return Fact("14", Verdict.FAIL, f"{release.key}: no bad answer was seen, or no alias was reverted")
    first = min(answer.ended_at for answer in bad)
    seconds = {
        "first_bad_answer_to_trigger": round(rollback.trigger.at.timestamp() - first, 1),
        "trigger_to_reverted": round((rollback.reverted_at - rollback.trigger.at).total_seconds(), 1),
        "first_bad_answer_to_last": round(max(answer.ended_at for answer in bad) - first, 1),
    }
    return Fact("14", Verdict.MEASURED, f"{release.key}: detected by {rollback.trigger.source}", seconds)


def _metric_delay(world: World, load: Load) -> Fact:
    """Measure how long an answered request takes to become a datapoint of a one-second period."""
    delays = []
    for _ in range(_METRIC_TRIES):
        answer = world.wait_until(partial(_answer, load, time.time()), _METRIC_SECONDS, "an answer", 0.2)
        try:
            world.wait_until(partial(_requests, world, int(answer.started_at)), _METRIC_SECONDS, "a datapoint", 1.0)
        except TimedOut:
            return Fact("14", Verdict.FAIL, f"no datapoint within {_METRIC_SECONDS:g} s")
        delays.append(round(time.time() - answer.ended_at, 1))
    assumed = float(str(world.environment.delivery["metric_delay_seconds"]))
    return Fact(
        "14",
        Verdict.PASS if max(delays) <= assumed else Verdict.FAIL,
        f"a request is a datapoint after {min(delays)} to {max(delays)} s; assumed are at most {assumed:g} s",
        {"seconds": delays},
    )


def _answer(load: Load, since: float) -> Answer | None:
    """Return an answer of a function that was not cold: it counted the request when the client sent it."""
    return next(
        (
            one
            for one in load.answers(since)
            if one.path == "/token" and not one.bad and one.ended_at - one.started_at < _WARM_SECONDS
        ),
        None,
    )


def _requests(world: World, second: int) -> float | None:
    """Return the requests of a second and the next: the function may have counted one in either."""
    start = datetime.fromtimestamp(second, UTC)
    answer = world.clients("cloudwatch").get_metric_statistics(
        Namespace="IbOauth",
        MetricName="Requests",
        Dimensions=[{"Name": "environment", "Value": world.name}, {"Name": "function", "Value": "token"}],
        StartTime=start,
        EndTime=start + timedelta(seconds=2),
        Period=1,
        Statistics=["Sum"],
    )
    return answer["Datapoints"][0]["Sum"] if answer["Datapoints"] else None


def count_over_line(world: World) -> Fact:
    """Whether `TC(x:)` counts the values above x, by which the latency of versions is compared (ADR 46)."""
    at = datetime.now(UTC).replace(microsecond=0)
    metric = {"Namespace": "IbOauthSmoke", "MetricName": f"Line{at:%H%M%S}"}
    client = world.clients("cloudwatch")
    datum = {
        "MetricName": metric["MetricName"],
        "Timestamp": at,
        "Values": [*_BELOW_MS, *_ABOVE_MS],
        "StorageResolution": 1,
    }
    client.put_metric_data(Namespace=metric["Namespace"], MetricData=[datum])
    statistics = {"over": f"TC({_LINE_MS}:)", "all": "SampleCount"}
    queries = [
        {"Id": name, "MetricStat": {"Metric": metric, "Period": 1, "Stat": statistic}}
        for name, statistic in statistics.items()
    ]

    def counted() -> dict[str, float] | None:
        answer = client.get_metric_data(MetricDataQueries=queries, StartTime=at, EndTime=at + timedelta(seconds=1))
        found = {one["Id"]: sum(one["Values"]) for one in answer["MetricDataResults"]}
        return found if found["all"] else None

    try:
        found = world.wait_until(counted, _METRIC_SECONDS, "a datapoint", 1.0)
    except TimedOut:
        return Fact("34", Verdict.FAIL, f"no datapoint within {_METRIC_SECONDS:g} s")
    return Fact(
        "34",
        Verdict.PASS if found == {"over": len(_ABOVE_MS), "all": len(_BELOW_MS) + len(_ABOVE_MS)} else Verdict.FAIL,
        f"TC({_LINE_MS}:) counts {found['over']:g} of {found['all']:g} values; {len(_ABOVE_MS)} are above the line",
        found,
    )


def _executed_versions(world: World) -> Fact:
    """Whether Lambda publishes `ExecutedVersion` for an alias without weights."""
    found = {}
    for function in environments.FUNCTIONS:
        answer = world.clients("cloudwatch").list_metrics(
            Namespace="AWS/Lambda",
            MetricName="Invocations",
            Dimensions=[
                {"Name": "FunctionName", "Value": world.context.function_name(function)},
                {"Name": "ExecutedVersion"},
            ],
        )
        found[function] = len(answer["Metrics"])
    return Fact("24", Verdict.MEASURED, "series with ExecutedVersion of an alias without weights", found)


def _log_pages(world: World) -> Fact:
    """How many empty pages FilterLogEvents gives."""
    pages = (
        world.clients("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=f"/aws/lambda/{world.context.function_name('token')}",
            startTime=round((time.time() - 3600) * 1000),
            filterPattern='{ $.level = "ERROR" }',
        )
    )
    counts = [len(page["events"]) for page in pages]
    empty = sum(count == 0 for count in counts)
    answer = f"FilterLogEvents gave {empty} empty pages of {len(counts)}"
    return Fact("25", Verdict.MEASURED, answer, {"pages": len(counts), "empty": empty, "events": sum(counts)})
