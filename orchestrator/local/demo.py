"""The demo: a good release and two bad ones, shipped to the local cloud under real OAuth traffic, and a recovery drill.

Everything it does a user can do: it starts the local cloud, deploys the stacks with the CDK command line, and runs
``orchestrator deploy --watch`` and ``orchestrator drill --watch``. It asserts what it shows: a good release that was not
promoted, a bad one that was, or a drill that is not green makes it fail.
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

from orchestrator.cli.recovery_story import summary_of
from orchestrator.domain.records import Ending
from orchestrator.domain.recovery import RecoveryEnding
from orchestrator.domain.recovery_plan import recovery_id
from orchestrator.local.demo_report import report_of
from orchestrator.local.stage import ENVIRONMENT, Stage, stage
from orchestrator.local.traffic import Traffic

REPORT = Path("build/demo-report.json")
FOLDER = Path(".local")
RATE_PER_SECOND = 24.0
PATIENCE_SECONDS = 30.0
"""How long after the watch a rollback may still write its incident down."""
DRILL_KEY = "demo"
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
    """A release or the drill did not end as it must."""


def main() -> None:
    """Run the demo and write build/demo-report.json.

    Raises:
        DemoFailed: a release or the drill did not end as it must.
    """
    began = time.monotonic()
    with stage(FOLDER) as here:
        _say(began, f"the local cloud listens at {here.local.endpoint_url}")
        _say(began, f"both stacks are deployed; the OAuth service answers at {here.api_url}")
        with Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND) as traffic:
            time.sleep(WARM_SECONDS)
            reports = [_ship(chapter, began, here, traffic) for chapter in CHAPTERS]
            drill = _drill(began, here)
        _write(reports, drill, traffic.report(), time.monotonic() - began)
    _say(began, f"stopped; the report is in {REPORT}")


def _ship(chapter: Chapter, began: float, here: Stage, traffic: Traffic) -> dict[str, object]:
    _say(began, f"── {chapter.title}")
    here.put_into_latest(chapter.overlay)
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
    deployment = here.ended(f"d-{chapter.overlay}", PATIENCE_SECONDS)
    if deployment.ending is not chapter.ending:
        raise DemoFailed(f"{chapter.title}: {deployment.ending}, must be {chapter.ending}: {deployment.reason}")
    signals = here.cloud.ledger.signals(50)
    report = {"release": chapter.overlay, **report_of(deployment, traffic.responses(since), signals)}
    for step in report["steps"]:
        asked, observed, requests = step["weight_percent"], step["observed_percent"], step["requests"]
        _say(began, f"  {asked} % asked, {observed} % observed of {requests} requests")
    return report


def _drill(began: float, here: Stage) -> Mapping[str, object]:
    _say(began, "── A drill: both tables are restored beside themselves, compared, and removed again")
    command = [sys.executable, "-m", "orchestrator", "drill", "--env", ENVIRONMENT, "--watch", "--key", DRILL_KEY]
    subprocess.run([*command, "--requested-by", "demo"], check=False)
    recovery = here.drilled(recovery_id(DRILL_KEY), PATIENCE_SECONDS)
    if recovery.ending is not RecoveryEnding.GREEN:
        raise DemoFailed(f"the drill: {recovery.ending}, must be {RecoveryEnding.GREEN}: {recovery.reason}")
    phases = {phase.name: round(phase.took.total_seconds(), 1) for phase in recovery.phases}
    return {**summary_of(recovery), "phases_seconds": phases, "checks": len(recovery.findings)}


def _write(
    reports: list[dict[str, object]], drill: Mapping[str, object], traffic: dict[str, object], seconds: float
) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    whole = {
        "seconds": round(seconds, 1),
        "deployments": reports,
        "drill": msgspec.to_builtins(drill),
        "traffic": traffic,
    }
    REPORT.write_text(f"{json.dumps(whole, indent=2)}\n", encoding="utf-8")


def _say(began: float, what: str) -> None:
    sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except DemoFailed as failed:
        sys.exit(f"the demo failed: {failed}")
