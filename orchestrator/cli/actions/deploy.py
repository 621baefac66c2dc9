"""The commands `deploy`, `watch`, `rollback`, `promote`, `resume`, `approve` and `abort`."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.application.start_request import start_request
from orchestrator.aws.step_functions import execution_arn
from orchestrator.cli.actions import drill
from orchestrator.cli.actions.release import read_changelog, read_checklist
from orchestrator.cli.context import Context
from orchestrator.cli.errors import exit_code
from orchestrator.cli.live.json_lines import print_result
from orchestrator.cli.live.operator_commands import command_deployment, roll_back_deployment
from orchestrator.cli.operator import caller
from orchestrator.cli.rendering.deployment_timeline import outcome_line, plan_line
from orchestrator.cli.rendering.follow import follow_deployment, wait_for_answer
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.calendar import refuse_closed
from orchestrator.domain.deployment.decision import OperatorAction
from orchestrator.domain.deployment.freeze import refuse_frozen
from orchestrator.domain.deployment.gates import Approval, GateKind, is_approver, missing_approvals
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, DeploymentPhase, OperatorCommand
from orchestrator.domain.deployment.release import STABLE_OUTCOMES
from orchestrator.domain.deployment.request import read_deployment_request
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import deployment_id, new_key
from orchestrator.domain.maintenance.effects import refuse_under_maintenance
from orchestrator.domain.recovery.request import RECOVERY_PREFIX


def build_request(
    *,
    release: str | None,
    strategy: str | None,
    steps: str | None,
    checklist: Sequence[str],
    checklist_file: Path | None = None,
    requested_by: str,
    force: bool,
    schema_change: bool,
    outside_calendar: str | None = None,
    changelog: str | None = None,
) -> dict[str, object]:
    """Return the input of a deployment from the options of the command line.

    Raises:
        Refused: an option is invalid.
    """
    if strategy and steps:
        raise Refused("--steps", steps, "give --strategy or --steps, not both")
    request: dict[str, object] = {"requested_by": requested_by, "force": force, "schema_change": schema_change}
    if release:
        request["release"] = release
    if strategy or steps:
        request["strategy"] = strategy or {"type": "canary", "steps": _steps(str(steps))}
    if outside_calendar is not None:
        request["outside_calendar"] = outside_calendar
    if changelog is not None:
        request["changelog"] = read_changelog(changelog)
    if checklist or checklist_file:
        request["checklist"] = {**read_checklist(checklist_file), **dict(_item(entry) for entry in checklist)}
    return request


def deploy(context: Context, request: Mapping[str, object], key: str | None, *, watch: bool, json: bool) -> int:
    """Start a deployment, wait until its checks accept or refuse it and, with `watch`, follow it; return the exit code.

    Raises:
        Refused: the input is invalid, the environment is frozen or under maintenance, its calendar is closed, or the key
            belongs to another request; nothing was started.
        RefusedByPlan: the plan rejected it; nothing was changed.
        Unreachable: it was started, but its plan did not answer in time.
    """
    # Plan repeats these checks, because executions can also be started without the command line.
    wanted = read_deployment_request(request, context.policy)
    read_strategy(wanted.strategy, context.policy)
    refuse_frozen(context.cloud.freezes.read_freeze())
    name = deployment_id(key or new_key(context.cloud.now(), secrets.token_bytes(8)))
    refuse_under_maintenance(context.cloud.maintenance.read_schedule(), name, context.cloud.now())
    refuse_closed(context.policy.calendar, context.cloud.now(), wanted.outside_calendar)
    state_machine = context.state_machine_arn("deployment")
    started = start_request(context.cloud.executions, state_machine, name, request)
    if watch:
        return _follow(context, name, str(request["requested_by"]), json=json)
    deployment = wait_for_answer(context, name)
    if json:
        phase = context.cloud.executions.describe_execution(execution_arn(state_machine, name)).phase
        print_json({"deployment": name, "started": started, "execution": phase, **answer_as_json(deployment)})
    else:
        console().print(_answer(context, deployment, started=started), markup=False)
    return exit_code(deployment.outcome)


def answer_as_json(deployment: Deployment) -> dict[str, object]:
    """Return what a deployment's checks answered: its phase, and its outcome with the reason once it has ended."""
    return {
        "phase": deployment.phase,
        "outcome": deployment.outcome,
        "reason": deployment.reason,
        "strategy": deployment.plan.strategy,
        "release": deployment.release.digest,
    }


def _answer(context: Context, deployment: Deployment, *, started: bool) -> str:
    if deployment.ended_at is not None:
        before = "" if started else f"{deployment.id} was started before: "
        return f"{before}{outcome_line(deployment)}"
    begun = f"started {deployment.id}" if started else f"{deployment.id} was started before and is {deployment.phase}"
    open_checks = "" if deployment.accepted else "; its checks have not answered yet"
    follow = f"follow it with `orchestrator watch {deployment.id} --env {context.name}`"
    return f"{begun} with {plan_line(deployment)}{open_checks}; {follow}"


def watch(context: Context, name: str, by: str, *, json: bool) -> int:
    """Follow a deployment, a drill or a restore; return the exit code.

    Raises:
        Refused: there is none of this name.
    """
    if not name.startswith(RECOVERY_PREFIX):
        return _follow(context, name, by, json=json)
    if context.cloud.drills.find_record(name) is None and context.cloud.drills.read_refusal(name) is None:
        raise Refused("recovery", name, "there is no such drill or restore: name one that `orchestrator history` lists")
    return drill.follow_recovery(context, name, by, json=json)


def roll_back(context: Context, name: str | None, reason: str, by: str, *, watch: bool, json: bool) -> int:
    """Start the rollback of a deployment; return the exit code.

    Raises:
        Refused: the deployment cannot be rolled back.
    """
    started = roll_back_deployment(context, name, reason, by)
    if watch:
        expected = (DeploymentOutcome.ROLLED_BACK,)
        return _follow(context, started.deployment, by, json=json, expected=expected, rollback=started.execution)
    if json:
        print_json(started)
    else:
        follow = f"`orchestrator watch {started.deployment} --env {context.name}`"
        console().print(f"started {started.execution}; follow it with {follow}")
    return 0


def send_command(context: Context, name: str, command: str, by: str, *, json: bool) -> None:
    """Resume a paused deployment with a command, abort one at once, or record the command for the next evaluation.

    Raises:
        Refused: the deployment ended, or the command needs a paused deployment.
    """
    message = command_deployment(context, name, command, by)
    if json:
        print_json({"deployment": name, "command": command, "message": message})
    else:
        console().print(f"{name} {message}")


def approve(context: Context, name: str, *, json: bool) -> None:
    """Approve a deployment as the caller, and print it. Raises as `approve_deployment`."""
    answer = approve_deployment(context, name)
    if json:
        print_json({"deployment": name, "approver": answer.by, "lacks": answer.lacks, "message": answer.message})
    else:
        console().print(f"{name} {answer.message}", markup=False)


@dataclass(frozen=True)
class Approved:
    """An approval that was recorded. `lacks`: what the gate lacks still; empty if the deployment continues at once."""

    by: str
    lacks: str

    @property
    def message(self) -> str:
        """What happens now, in words that follow the deployment's name."""
        return (
            f"approved by {self.by}; it lacks {self.lacks}"
            if self.lacks
            else f"approved by {self.by}: it continues at once"
        )


def approve_deployment(context: Context, name: str) -> Approved:
    """Approve a deployment that waits for it, as the caller; with the last approval it continues at once.

    Raises:
        Refused: it waits for no approval, the caller is no approver, or has approved it already.
        Unreachable: the caller's identity is not known.
    """
    ledger, deployment = context.cloud.ledger, context.cloud.ledger.read_record(name)
    waiting, pause = deployment.waiting_gate, ledger.pause_token(name)
    gate = deployment.plan.gates[waiting.gate] if waiting else None
    waits = deployment.phase is DeploymentPhase.PAUSED and gate is not None and gate.kind is GateKind.APPROVE
    if not waits or waiting is None or gate is None or pause is None:
        raise Refused("deployment", name, f"it waits for no approval, it is {deployment.outcome or deployment.phase}")
    person = caller(context)
    if not is_approver(gate, person):
        raise Refused("approver", person, f"{gate.name} is for {', '.join(gate.approvers)}")
    new = ledger.record_approval(name, waiting.gate, Approval(person, context.cloud.now()))
    approvals = ledger.read_approvals(name, waiting.gate)
    missing = missing_approvals(gate, approvals, deployment.requested_by, deployment.requested_as)
    if missing and not new:
        raise Refused("approver", person, f"you have approved it already; it lacks {missing}")
    if not missing:
        command = OperatorCommand(OperatorAction.APPROVE, person, context.cloud.now())
        context.cloud.executions.send_task_success(pause.token, command)
    return Approved(person, missing)


def _follow(
    context: Context,
    name: str,
    by: str,
    *,
    json: bool,
    expected: Collection[DeploymentOutcome] = STABLE_OUTCOMES,
    rollback: str = "",
) -> int:
    deployment = follow_deployment(context, name, by, json=json, rollback=rollback)
    if json:
        print_result(context.cloud.now(), {"outcome": outcome_line(deployment), "deployment": deployment})
    return exit_code(deployment.outcome, expected)


def _steps(text: str) -> list[dict[str, Any]]:
    steps = []
    for number, entry in enumerate(text.split(",")):
        percent, _, seconds = entry.strip().partition(":")
        if not (percent.isdecimal() and seconds.isdecimal()):
            raise Refused(f"--steps[{number}]", entry, "give percent:seconds, such as 10:60,50:120")
        steps.append({"weight_percent": int(percent), "bake_seconds": int(seconds)})
    return steps


def _item(entry: str) -> tuple[str, str]:
    item, separator, reference = entry.partition("=")
    if not separator:
        raise Refused("--checklist", entry, "give item=reference, such as tests=https://ci.example/42")
    return item, reference
