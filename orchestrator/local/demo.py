"""The demo: a good release and two bad ones, shipped to the local cloud under real OAuth traffic.

Everything it does a user can do: it starts the local cloud, deploys the stacks with the CDK command line, and runs
``orchestrator deploy --watch``. It asserts what it shows: a good release that was not promoted, or a bad one that was,
makes it fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import environments
from orchestrator.aws.clients import client
from orchestrator.aws.cloud import Cloud
from orchestrator.domain.records import Ending
from orchestrator.local import platform, stacks
from orchestrator.local.cloud import LocalCloud
from orchestrator.local.demo_report import report_of
from orchestrator.local.traffic import Traffic

ROOT = Path(__file__).resolve().parents[2]
RELEASES = ROOT / "examples" / "releases"
REPORT = Path("build/demo-report.json")
FOLDER = Path(".local")
ENVIRONMENT = "local"
RATE_PER_SECOND = 24.0
WARM_SECONDS = 6.0
"""Traffic before the first deployment, so that stable has a baseline."""


@dataclass(frozen=True)
class Chapter:
    """One release and what must become of it."""

    title: str
    overlay: str
    arguments: Sequence[str]
    ending: Ending


CHAPTERS = (
    Chapter("A good release", "good", (), Ending.SUCCEEDED),
    Chapter(
        "A bad release: some token requests are answered with a handled 500",
        "token-500s",
        ("--steps", "50:60"),
        Ending.ROLLED_BACK,
    ),
    Chapter("A bad release: invalid_grant for everybody, and no 5xx at all", "invalid-grant", (), Ending.ROLLED_BACK),
)


class DemoFailed(Exception):
    """A release did not end as it must."""


def main() -> None:
    """Run the demo and write build/demo-report.json.

    Raises:
        DemoFailed: a release did not end as it must.
    """
    began = time.monotonic()
    environment = environments.load(ENVIRONMENT)
    with platform.serve() as platform_url, LocalCloud.start(FOLDER) as local:
        _say(began, f"the local cloud listens at {local.endpoint_url}")
        os.environ.update(local.environ)
        stacks.deploy(local, environment, platform_url=platform_url)
        api_url = _output(f"{stacks.SERVICE}-{ENVIRONMENT}", "ApiUrl")
        _say(began, f"both stacks are deployed; the OAuth service answers at {api_url}")
        with Traffic(api_url, platform_url, rate_per_second=RATE_PER_SECOND) as traffic:
            time.sleep(WARM_SECONDS)
            reports = [_ship(chapter, began, local, environment, platform_url, traffic) for chapter in CHAPTERS]
        _write(reports, traffic.report(), time.monotonic() - began)
    _say(began, f"stopped; the report is in {REPORT}")


def _ship(
    chapter: Chapter,
    began: float,
    local: LocalCloud,
    environment: environments.Environment,
    platform_url: str,
    traffic: Traffic,
) -> dict[str, object]:
    _say(began, f"── {chapter.title}")
    stacks.deploy(
        local,
        environment,
        service_source=RELEASES / chapter.overlay / "service",
        platform_url=platform_url,
        stacks=(stacks.SERVICE,),
    )
    _say(began, "cdk deploy has put it into $LATEST; nobody gets it yet")
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
    subprocess.run([*command, "--idempotency-key", chapter.overlay, *chapter.arguments], check=False)
    cloud = Cloud({"ENVIRONMENT": ENVIRONMENT, "LEDGER_TABLE": f"ib-oauth-ledger-{ENVIRONMENT}"})
    deployment = cloud.ledger.deployment(f"d-{chapter.overlay}")
    if deployment.ending is not chapter.ending:
        raise DemoFailed(f"{chapter.title}: {deployment.ending}, must be {chapter.ending}: {deployment.reason}")
    report = {"release": chapter.overlay, **report_of(deployment, traffic.responses(since), cloud.ledger.signals(50))}
    for step in report["steps"]:
        _say(
            began,
            f"  {step['weight_percent']} % asked, {step['observed_percent']} % observed of {step['requests']} requests",
        )
    return report


def _output(stack: str, key: str) -> str:
    outputs = client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return str(next(output["OutputValue"] for output in outputs if output["OutputKey"] == key)).rstrip("/")


def _write(reports: list[dict[str, object]], traffic: dict[str, object], seconds: float) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    whole = {"seconds": round(seconds, 1), "deployments": reports, "traffic": traffic}
    REPORT.write_text(f"{json.dumps(whole, indent=2)}\n", encoding="utf-8")


def _say(began: float, what: str) -> None:
    sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
