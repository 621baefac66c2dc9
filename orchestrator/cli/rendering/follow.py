"""Follows a deployment, including its rollback, until its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from orchestrator.aws.step_functions import ABSENT, SUCCEEDED, execution_arn
from orchestrator.cli.context import Context
from orchestrator.cli.live.deployment_tree import draw_deployment
from orchestrator.cli.live.json_lines import deployment_events, print_request
from orchestrator.cli.live.operator_keys import OperatorKeys, deployment_actions
from orchestrator.cli.live.snapshots import DeploymentReader, DeploymentSnapshot
from orchestrator.cli.live.terminal import keyboard_of, supports_live
from orchestrator.cli.live.views import JsonView, LineView, LiveView, Patience, View
from orchestrator.cli.rendering.deployment_timeline import TimelineEntry, deployment_timeline, outcome_line, spaced
from orchestrator.cli.rendering.output import console, step_line, steps_table, timeline_row
from orchestrator.cli.rendering.step_metrics import read_step_metrics
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.domain.errors import OrchestratorError, Refused, Throttled, Unreachable

POLL_SECONDS = 0.5
PLANNED_WITHIN_SECONDS = 60.0
"""The longest time from the start of an execution until its plan is in the ledger."""

CHECKED_WITHIN_SECONDS = 60.0
"""How long `wait_for_answer` waits for the lock and the readiness checks of a planned deployment."""

LIVENESS_SECONDS = 10.0
"""How often it is checked that an execution still works on the deployment. Step Functions limits DescribeExecution."""

CONTINUED_WITHIN_SECONDS = 180.0
"""The longest time from the death of an execution until another one continues: the reconciler runs every minute."""


ROLLBACK_OUTCOMES = frozenset({DeploymentOutcome.ROLLED_BACK, DeploymentOutcome.NOT_ROLLED_BACK})
"""Outcomes with which a rollback ends a deployment."""


class RefusedByPlan(Exception):
    """The plan rejected the deployment before it changed anything; the message is the plan's."""


class NotFollowed(OrchestratorError):
    """No execution works on a deployment whose record is not complete; an operator must look at it."""


@dataclass
class FollowedRollback:
    """The rollback that is followed with a deployment: the name of its execution; empty for none."""

    execution: str = ""


def follow_deployment(
    context: Context, deployment_id: str, by: str, *, json: bool, rollback: str = "", announced: bool = False
) -> Deployment:
    """Show a deployment until it ends; return its record at the end.

    Args:
        context: the environment.
        deployment_id: the deployment.
        by: the operator, who may act by keys.
        json: print each event as a line of JSON.
        rollback: name of the rollback's execution to follow; a deployment that has ended is then followed until it is
            rolled back. Empty to follow the deployment itself.
        announced: an event starts the deployment, so its execution may not exist yet.

    Raises:
        RefusedByPlan: the plan rejected the deployment.
        Refused: there is no such deployment, or the rollback found nothing to roll back.
        NotFollowed: its execution ended without completing the record, and no other one continued.
        Unreachable: it was started, but its plan did not answer in time; or AWS did not answer for a minute.
        StoppedWatching: the operator watches no longer.
    """
    if json:
        more = {"rollback": rollback} if rollback else {}
        print_request(context.cloud.now(), context.name, deployment=deployment_id, requested_by=by, **more)
    screen = console()
    screen.quiet = json
    deployment = wait_for_record(context, deployment_id, announced=announced)
    followed = FollowedRollback(rollback)
    view = _view(context, deployment_id, by, screen, followed, json=json)
    with view:
        deployment = _follow(context, deployment, view, followed)
    if deployment.shifts and isinstance(view, LineView):
        screen.print(steps_table(read_step_metrics(context.cloud, deployment, context.cloud.now())))
    tone = "green" if deployment.rollback is None else "red"
    screen.print(Text(outcome_line(deployment), style=f"bold {tone}"))
    return deployment


def _view(
    context: Context, deployment_id: str, by: str, screen: Console, followed: FollowedRollback, *, json: bool
) -> View[DeploymentSnapshot]:
    sleep = context.cloud.sleep
    if json:
        return JsonView(sleep, deployment_events)
    if not supports_live(screen):
        return LineView(sleep, _TimelinePrinter(context, screen))

    def follow_rollback(execution: str) -> None:
        followed.execution = execution

    again = f"orchestrator watch {deployment_id} --env {context.name}"
    keys = OperatorKeys(deployment_actions(context, deployment_id, by, follow_rollback), again)
    return LiveView(screen, sleep, draw_deployment, keys, keyboard_of(screen, sleep), again)


def _follow(
    context: Context, first: Deployment, view: View[DeploymentSnapshot], followed: FollowedRollback
) -> Deployment:
    """Show a deployment from its first record on, until it ends; return its last record."""
    reader, watcher = DeploymentReader(context, first.id), _Watcher(context, followed)
    patience = Patience(context.cloud.now, view)
    known: Deployment | None = first
    while True:
        try:
            deployment = known or context.cloud.ledger.read_record(first.id)
            known = None
            ended = watcher.has_ended(deployment)
            view.show(reader.read_snapshot(deployment))
            patience.reset()
            if ended:
                return deployment
        except (Throttled, Unreachable) as error:
            patience.bear(error)
        view.wait(POLL_SECONDS)


class _TimelinePrinter:
    """Prints each entry of the timeline once."""

    def __init__(self, context: Context, screen: Console) -> None:
        self._context, self._screen = context, screen
        self._printed: set[TimelineEntry] = set()

    def __call__(self, snapshot: DeploymentSnapshot) -> None:
        for entry in deployment_timeline(snapshot.deployment, snapshot.decisions, snapshot.pause):
            if entry not in self._printed:
                self._screen.print(timeline_row(_with_step_metrics(self._context, snapshot.deployment, entry)))
                self._printed.add(entry)


def wait_for_record(context: Context, deployment_id: str, *, announced: bool = False) -> Deployment:
    """Wait until the plan of a deployment is in the ledger.

    Raises:
        RefusedByPlan: the plan rejected the deployment.
        Refused: there is no such deployment.
        Unreachable: its plan did not answer in time.
    """
    ledger, deadline = context.cloud.ledger, context.cloud.now() + timedelta(seconds=PLANNED_WITHIN_SECONDS)
    arn = execution_arn(context.state_machine_arn("deployment"), deployment_id)
    known, absent = announced, 0
    while context.cloud.now() < deadline:
        record = ledger.find_record(deployment_id)
        if record:
            return record
        refusal = ledger.read_refusal(deployment_id)
        if refusal:
            raise RefusedByPlan(refusal.why)
        if not known:
            known = context.cloud.executions.describe_execution(arn, may_be_absent=True).phase != ABSENT
            absent += not known
        if absent > 1:  # one may be a read that did not see the start yet
            remedy = "there is no such deployment: name one that `orchestrator history` lists"
            raise Refused("deployment", deployment_id, remedy)
        context.cloud.sleep(POLL_SECONDS)
    raise Unreachable(
        f"the plan of {deployment_id} has not answered within {PLANNED_WITHIN_SECONDS:.0f} s; it may still start: "
        f"`orchestrator watch {deployment_id} --env {context.name}`"
    )


def wait_for_answer(context: Context, deployment_id: str, *, announced: bool = False) -> Deployment:
    """Wait until the checks before the first change have accepted or refused a deployment; return its record.

    A check that takes longer than `CHECKED_WITHIN_SECONDS` leaves the answer open.

    Raises:
        RefusedByPlan: the plan rejected the deployment.
        Unreachable: its plan did not answer in time.
    """
    deployment = wait_for_record(context, deployment_id, announced=announced)
    deadline = context.cloud.now() + timedelta(seconds=CHECKED_WITHIN_SECONDS)
    while not deployment.accepted and deployment.ended_at is None and context.cloud.now() < deadline:
        context.cloud.sleep(POLL_SECONDS)
        deployment = context.cloud.ledger.read_record(deployment_id)
    return deployment


class _Watcher:
    """Decides whether a deployment, or its rollback, has ended, and whether an execution still works on it."""

    def __init__(self, context: Context, followed: FollowedRollback) -> None:
        self._context, self._followed = context, followed
        self._checked_at: datetime | None = None
        self._alive_at = context.cloud.now()

    def has_ended(self, deployment: Deployment) -> bool:
        """Return whether there is nothing more to follow.

        Raises:
            Refused: the rollback succeeded without rolling the deployment back.
            NotFollowed: no execution has worked on it for `CONTINUED_WITHIN_SECONDS`.
        """
        if not deployment.under_way and (deployment.outcome in ROLLBACK_OUTCOMES or not self._followed.execution):
            return True
        now = self._context.cloud.now()
        if self._checked_at is None or now - self._checked_at >= timedelta(seconds=LIVENESS_SECONDS):
            self._checked_at = now
            self._check_executions(deployment)
        return False

    def _check_executions(self, deployment: Deployment) -> None:
        executions = self._context.cloud.executions
        arns = {deployment.execution, deployment.rollback.execution if deployment.rollback else ""} - {""}
        if self._followed.execution:
            rollback = execution_arn(self._context.state_machine_arn("rollback"), self._followed.execution)
            if executions.describe_execution(rollback).phase == SUCCEEDED and not self._is_rolled_back(deployment.id):
                remedy = (
                    f"{self._followed.execution} found nothing to roll back: `orchestrator status` shows what is live"
                )
                raise Refused("deployment", deployment.id, remedy)
            arns.add(rollback)
        if any(executions.describe_execution(arn).alive for arn in arns):
            self._alive_at = self._context.cloud.now()
        elif self._context.cloud.now() - self._alive_at > timedelta(seconds=CONTINUED_WITHIN_SECONDS):
            raise NotFollowed(
                f"no execution has worked on {deployment.id} for {CONTINUED_WITHIN_SECONDS:.0f} s and it is "
                f"{deployment.phase}: follow docs/runbooks/break-glass.md if aliases are not on stable"
            )

    def _is_rolled_back(self, deployment_id: str) -> bool:
        # Read after its execution: the record may have been completed between the two reads.
        return self._context.cloud.ledger.read_record(deployment_id).outcome in ROLLBACK_OUTCOMES


def _with_step_metrics(context: Context, deployment: Deployment, entry: TimelineEntry) -> TimelineEntry:
    """Add the requested and the observed share of the canary to an entry of an analysis."""
    if entry.name != spaced("AnalyzeCanary"):
        return entry
    shifts = [shift for shift in deployment.shifts if shift.at <= entry.at]
    if not shifts:
        return entry
    metrics = read_step_metrics(context.cloud, deployment, entry.at)[len(shifts) - 1]
    return TimelineEntry(entry.at, entry.name, f"{entry.text} [{step_line(metrics)}]", entry.tone)
