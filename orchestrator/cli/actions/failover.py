"""The commands of `failover`: show and rehearse a regional failover."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from orchestrator import environments
from orchestrator.aws.dynamodb.backups import CrossRegionBackups
from orchestrator.cli.context import clients_of, context_of
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.manual_plan import FailoverInputs, FailoverPlan, plan_failover
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.regions import refuse_region

OTHER_REGION = "us-east-2"
"""Where an environment without backup copies in another region would move to."""


def plan(env: str, to: str | None, *, json: bool) -> None:
    """Print the failover plan of an environment as if its region were lost now.

    Raises:
        Refused: there is no such environment, or no plan for it.
    """
    environment = _environment(env)
    failover_plan = _plan(environment, _target(environment, to))
    if environment.failover and not json:
        console().print(
            f"{environment.failover.region} is the standby region of {env}: fail over with "
            f"`orchestrator failover start --env {env}`. Below is the manual way; run none of it unless that one cannot run",
            style="yellow",
            soft_wrap=True,
        )
    _show(failover_plan, json=json)


def rehearse(env: str, to: str | None, *, json: bool, back: bool = False) -> None:
    """Rehearse the failover by its state machine, on a local cloud of its own.

    Raises:
        Refused: there is no such environment, or it is not local.
        RehearsalFailed: a step failed, or both regions issued tokens.
    """
    from orchestrator.local import failover_rehearsal as rehearsal  # noqa: PLC0415 - needs the extra `local`

    other, report_progress = _rehearsed_region(env, to), _progress(json=json)
    with tempfile.TemporaryDirectory(prefix="failover-") as folder:
        report = rehearsal.rehearse(Path(folder), other, report_progress, back=back)
    if json:
        print_json(report)
        return
    screen = console()
    runs_in = report.back.failover.region if report.back else other
    screen.print(f"\nthe service runs in {runs_in}", style="bold green")
    screen.print(
        f"recovery time {report.recovery_time.total_seconds():.1f} s, of which the restores took "
        f"{report.restoring.total_seconds():.1f} s and the wait for leases {report.leases.total_seconds():.1f} s; "
        f"the home region returned in the middle, and refused {report.home_refused} requests for tokens",
        soft_wrap=True,
    )
    if report.back:
        screen.print(
            f"the way back took {report.back.took.total_seconds():.1f} s; the client got no tokens for at most "
            f"{report.back.without_tokens.total_seconds():.1f} s; {report.back.rows_only_at_home} rows are only in the "
            f"old tables; {report.back.history.description}",
            soft_wrap=True,
        )


def rehearse_manually(env: str, to: str | None, *, json: bool) -> None:
    """Rehearse the manual plan on a local cloud of its own.

    Raises:
        Refused: there is no such environment, or it is not local.
        RehearsalFailed: a step did not have the result that it must have.
    """
    from orchestrator.local import region_failover_rehearsal as rehearsal  # noqa: PLC0415 - needs the extra `local`

    other, report_progress = _rehearsed_region(env, to), _progress(json=json)
    screen = console()

    def show(failover_plan: FailoverPlan) -> None:
        if not json:
            _show(failover_plan, json=False)

    with tempfile.TemporaryDirectory(prefix="region-loss-") as folder:
        report = rehearsal.rehearse(Path(folder), other, show, report_progress)
    if json:
        print_json(report)
        return
    screen.print(f"\nthe service runs in {report.plan.region}", style="bold green")
    screen.print(
        f"data loss {report.data_loss.total_seconds():.1f} s, recovery time "
        f"{report.recovery_time.total_seconds():.1f} s: with small tables and fresh backups. "
        "In an account the backups are hours old and restores take longer.",
        soft_wrap=True,
    )


def _rehearsed_region(env: str, to: str | None) -> str:
    environment = _environment(env)
    other = _target(environment, to)
    if not environment.local:
        raise Refused(
            "env", env, "rehearse with --env local; `orchestrator failover plan` prints the plan of this environment"
        )
    if other == environment.region:
        raise Refused("--to", other, f"name a region other than {environment.region}")
    return other


def _progress(*, json: bool) -> Callable[[str], None]:
    started, screen = time.monotonic(), console()

    def report_progress(message: str) -> None:
        if not json:
            screen.print(f"{time.monotonic() - started:6.1f} s  {message}", markup=False, soft_wrap=True)

    return report_progress


def _environment(env: str) -> environments.Environment:
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    return environments.load(env)


def _target(environment: environments.Environment, to: str | None) -> str:
    target = to or environment.backups.copy_region or OTHER_REGION
    refuse_region("--to", target)
    return target


def _plan(environment: environments.Environment, other: str) -> FailoverPlan:
    """Plan from the backups in the other region, as if the home region were lost now."""
    context = context_of(environment.name)
    backups, others = CrossRegionBackups(
        clients_of(context.environment, other),
        environment.name,
        standby=other if environment.failover else "",
        in_use={Role.STATE: environment.service.state_table, Role.TOKENS: environment.service.tokens_table},
    ).list_with_others()
    return plan_failover(
        FailoverInputs(
            environment=environment.name,
            home=environment.region,
            region=other,
            account=environment.account,
            copy_region=environment.backups.copy_region,
            domain=environment.api.domain.name if environment.api.domain else None,
            probes=(),
            backups=backups,
            others=others,
            now=datetime.now(UTC),
            assumed=True,
            checklist=DeliveryPolicy.parse(environment.delivery).checklist,
        )
    )


def _show(failover_plan: FailoverPlan, *, json: bool) -> None:
    if json:
        print_json(failover_plan)
        return
    screen = console()
    screen.print(
        f"\nFailover of {failover_plan.environment} from {failover_plan.home} to {failover_plan.region}", style="bold"
    )
    screen.print(f"data loss (writes since the oldest backup copy): {failover_plan.data_loss.total_seconds():.0f} s")
    for number, step in enumerate(failover_plan.steps, 1):
        screen.print(f"\n{number}. {step.title}", style="bold", markup=False, soft_wrap=True)
        screen.print(f"   {step.why}", markup=False, soft_wrap=True)
        if step.needs:
            screen.print(f"   prerequisites: {', '.join(step.needs)}", style="yellow", markup=False)
        for command in step.commands:
            screen.print(f"   $ {command}", style="dim", markup=False, soft_wrap=True)
    screen.print("\nNot recovered by any step:", style="bold")
    for lost in failover_plan.lost:
        screen.print(f"- {lost}", markup=False, soft_wrap=True)
    screen.print("")
