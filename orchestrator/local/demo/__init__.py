"""The demo: a good release and two bad releases deployed to the local cloud under OAuth traffic, then a recovery drill.

It uses only what a user can use: it starts the local cloud, deploys the stacks with the CDK command line, and runs
``orchestrator deploy --watch`` and ``orchestrator drill --watch``. It fails if the good release is not promoted, if a
bad release is promoted, or if the drill does not succeed. At its end it names the pages that `orchestrator report`
writes about the rollbacks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery.outcome import summary_of
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.recovery.request import recovery_id
from orchestrator.local.cloud import LocalCloudError
from orchestrator.local.demo.report import deployment_report
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment, WaitTimeout, local_environment
from orchestrator.local.traffic_generator import Traffic

REPORT = Path("build/demo-report.json")
PAGES = Path("build/reports")
FOLDER = Path(".local")
RATE_PER_SECOND = 24.0
WAIT_SECONDS = 120.0
"""How long after the end of `--watch` a rollback may still record its incident."""
OVERLOADED = 3.0
"""Load per processor from which timeouts are expected: the demo itself needs about one."""
DRILL_KEY = "demo"
WARM_SECONDS = 6.0
"""Traffic before the first deployment, so that the stable version has a baseline."""


@dataclass(frozen=True)
class DemoRelease:
    """A release of the demo and the outcome that its deployment must have."""

    title: str
    overlay: str
    arguments: Sequence[str]
    expected_outcome: DeploymentOutcome


DEMO_RELEASES = (
    DemoRelease("A good release", "good", (), DeploymentOutcome.SUCCEEDED),
    DemoRelease(
        "A bad release: some token requests get a handled HTTP 500",
        "token-500s",
        ("--steps", "50:60"),
        DeploymentOutcome.ROLLED_BACK,
    ),
    DemoRelease(
        "A bad release: invalid_grant for all clients, without any HTTP 5xx",
        "invalid-grant",
        (),
        DeploymentOutcome.ROLLED_BACK,
    ),
)


class DemoFailed(Exception):
    """A release or the drill did not have its expected outcome, or a report was not written."""


FAILURES = (DemoFailed, WaitTimeout, LocalCloudError, OrchestratorError, BotoCoreError, ClientError)
"""What a machine that is too slow may end the demo with."""

OUTPUT_NOT_WRITTEN = 4
"""Exit code if the reader of the output is gone."""


def main() -> None:
    """Run the demo; write build/demo-report.json, and a page for each rollback.

    Raises:
        DemoFailed: a release or the drill did not have its expected outcome.
    """
    began = time.monotonic()
    with local_environment(FOLDER) as environment:
        _print(began, f"Local cloud started: {environment.local.endpoint_url}")
        _print(began, f"Stacks deployed. OAuth service: {environment.api_url}")
        with Traffic(environment.api_url, environment.platform_url, rate_per_second=RATE_PER_SECOND) as traffic:
            time.sleep(WARM_SECONDS)
            reports = [_deploy_release(release, began, environment, traffic) for release in DEMO_RELEASES]
            drill = _run_drill(began, environment)
        pages = [_write_page(report) for report in reports if report["outcome"] is DeploymentOutcome.ROLLED_BACK]
        _write_report(reports, drill, traffic.report(), time.monotonic() - began)
    _print(began, f"Local cloud stopped. Report: {REPORT}")
    for page in pages:
        _print(began, f"Why it was rolled back: {page}")


def overload_hint(load: float, processors: int) -> str:
    """Return the sentence that explains a failure by an overloaded machine; empty if it is not overloaded.

    Args:
        load: average number of processes that were ready to run in the last minute.
        processors: number of processors.
    """
    if load < OVERLOADED * processors:
        return ""
    return (
        f"\nThis machine is too slow for the demo now: {load:.0f} processes wait for {processors} processors. "
        "Run it again when less is running."
    )


def _deploy_release(
    release: DemoRelease, began: float, environment: LocalEnvironment, traffic: Traffic
) -> dict[str, object]:
    _print(began, f"── {release.title}")
    environment.deploy_release(release.overlay)
    _print(began, "Deployed to $LATEST with `npx cdk deploy`. The live version has not changed.")
    since = time.time()
    command = [
        sys.executable,
        "-m",
        "orchestrator",
        "deploy",
        "--env",
        ENVIRONMENT,
        "--watch",
        "--requested-by",
        "demo",
    ]
    subprocess.run([*command, "--idempotency-key", release.overlay, *release.arguments], check=False)
    deployment = environment.wait_for_deployment(f"d-{release.overlay}", WAIT_SECONDS)
    if deployment.outcome is not release.expected_outcome:
        raise DemoFailed(
            f"{release.title}: the outcome is {deployment.outcome}, expected {release.expected_outcome}: "
            f"{deployment.reason}"
        )
    events = environment.cloud.ledger.read_events(50)
    report = {"release": release.overlay, **deployment_report(deployment, traffic.responses(since), events)}
    for step in report["steps"]:
        weight, observed, requests = step["weight_percent"], step["observed_percent"], step["requests"]
        _print(began, f"  canary weight {weight} %, observed {observed} % of {requests} requests")
    return report


def _run_drill(began: float, environment: LocalEnvironment) -> Mapping[str, object]:
    _print(began, "── Recovery drill: restore both tables under other names, compare them, and delete them")
    command = [sys.executable, "-m", "orchestrator", "drill", "--env", ENVIRONMENT, "--watch", "--key", DRILL_KEY]
    subprocess.run([*command, "--requested-by", "demo"], check=False)
    recovery = environment.wait_for_drill(recovery_id(DRILL_KEY), WAIT_SECONDS)
    if recovery.outcome is not RecoveryOutcome.SUCCEEDED:
        raise DemoFailed(
            f"the drill: the outcome is {recovery.outcome}, expected {RecoveryOutcome.SUCCEEDED}: {recovery.reason}"
        )
    phases = {phase.name: round(phase.took.total_seconds(), 1) for phase in recovery.phases}
    return {**summary_of(recovery), "phases_seconds": phases, "checks": len(recovery.check_results)}


def _write_page(report: Mapping[str, object]) -> Path:
    """Write the report of a deployment, as `orchestrator report` does, and return its file."""
    deployment = str(report["deployment"])
    page = PAGES / f"{deployment}.html"
    command = [sys.executable, "-m", "orchestrator", "report", deployment, "--env", ENVIRONMENT, "--output", str(page)]
    if subprocess.run(command, check=False).returncode:
        raise DemoFailed(f"the report of {deployment} was not written")
    return page


def _write_report(
    reports: list[dict[str, object]], drill: Mapping[str, object], traffic: dict[str, object], seconds: float
) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    report = {
        "seconds": round(seconds, 1),
        "deployments": reports,
        "drill": msgspec.to_builtins(drill),
        "traffic": traffic,
    }
    REPORT.write_text(f"{json.dumps(report, indent=2, allow_nan=False)}\n", encoding="utf-8")


def _print(began: float, message: str) -> None:
    sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {message}\n")
    sys.stdout.flush()
