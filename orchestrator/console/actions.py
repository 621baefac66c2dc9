"""What an operator does on the console. Each action calls the function of its command, with the same refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.cli.actions.deploy import approve_deployment
from orchestrator.cli.actions.drill import start_drill, wait_for_answer
from orchestrator.cli.actions.freeze import freeze_environment, unfreeze_environment
from orchestrator.cli.actions.incidents.commands import acknowledge_incident
from orchestrator.cli.context import Context
from orchestrator.cli.live.operator_commands import command_deployment, roll_back_deployment
from orchestrator.cli.operator import caller, operator_name
from orchestrator.cli.rendering.recovery_timeline import recovery_outcome_line
from orchestrator.console.pages.deployments import path_of
from orchestrator.console.sections import Field, Link
from orchestrator.domain.deployment.decision import OperatorAction
from orchestrator.domain.deployment.gate_decisions import answers
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, DeploymentPhase
from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.incident import Incident, IncidentState

REQUESTED_BY, REASON, NOTE, POINT = "requested by", "reason", "note", "recovery point"
REASON_FIELD = Field(REASON, "Recorded, and shown to other operators.")


@dataclass(frozen=True)
class Done:
    """What an action did, in words, and the page that shows it."""

    message: str
    path: str


Run = Callable[[Context, str, Mapping[str, str], str], Done]
"""Runs an action: the environment, its subject, the values of its fields, and who requested it."""


@dataclass(frozen=True)
class Action:
    """An action of an operator.

    Attributes:
        name: in addresses.
        label: on its button.
        question: asks for the confirmation; `{}` is the subject.
        effect: what happens after it.
        fields: what has to be given, in addition to the operator's name.
        as_caller: it is recorded with the identity of the credentials, which no person can choose.
        of_environment: its subject is the console's environment.
    """

    name: str
    label: str
    question: str
    effect: str
    run: Run
    fields: tuple[Field, ...] = ()
    as_caller: bool = False
    of_environment: bool = False


def _send(action: OperatorAction) -> Run:
    def run(context: Context, subject: str, _values: Mapping[str, str], by: str) -> Done:
        return Done(f"{subject} {command_deployment(context, subject, action, by)}", path_of(subject))

    return run


def _approve(context: Context, subject: str, _values: Mapping[str, str], _by: str) -> Done:
    return Done(f"{subject} {approve_deployment(context, subject).message}", path_of(subject))


def _roll_back(context: Context, subject: str, values: Mapping[str, str], by: str) -> Done:
    started = roll_back_deployment(context, subject, values[REASON], by)
    return Done(f"started {started.execution}", path_of(started.deployment))


def _freeze(context: Context, _subject: str, values: Mapping[str, str], by: str) -> Done:
    return Done(freeze_environment(context, values[REASON], by)[1], "/freezes")


def _unfreeze(context: Context, _subject: str, values: Mapping[str, str], by: str) -> Done:
    return Done(unfreeze_environment(context, values[REASON], by)[1], "/freezes")


def _acknowledge(context: Context, subject: str, values: Mapping[str, str], by: str) -> Done:
    incident = acknowledge_incident(context, subject, values[NOTE], by)
    return Done(f"{incident.id} acknowledged: {incident.severity} {incident.title}", f"/incidents/{incident.id}")


def _drill(context: Context, _subject: str, values: Mapping[str, str], by: str) -> Done:
    point = values[POINT]
    name, _ = start_drill(context, {"requested_by": by, **({"to": point} if point else {})})
    answer = wait_for_answer(context, name)
    return Done(recovery_outcome_line(answer), path_of(name))


ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        Action(
            "promote",
            "Promote",
            "Promote {} now?",
            "It skips the remaining steps: all requests go to the canary with its next evaluation.",
            _send(OperatorAction.PROMOTE),
        ),
        Action(
            "resume", "Resume", "Resume {}?", "It continues at once with its next step.", _send(OperatorAction.RESUME)
        ),
        Action(
            "approve",
            "Approve",
            "Approve {}?",
            "With the last approval it continues at once.",
            _approve,
            as_caller=True,
        ),
        Action(
            "abort",
            "Abort",
            "Abort {}?",
            "It is rolled back: every alias points at its stable version.",
            _send(OperatorAction.ABORT),
        ),
        Action(
            "rollback",
            "Roll back",
            "Roll {} back?",
            "Every alias points back at its stable version, and an incident is recorded.",
            _roll_back,
            (REASON_FIELD,),
        ),
        Action(
            "freeze",
            "Freeze",
            "Freeze {}?",
            "New deployments are refused until it is unfrozen. One in progress continues.",
            _freeze,
            (REASON_FIELD,),
            of_environment=True,
        ),
        Action(
            "unfreeze",
            "Unfreeze",
            "Unfreeze {}?",
            "New deployments are allowed again.",
            _unfreeze,
            (REASON_FIELD,),
            of_environment=True,
        ),
        Action(
            "acknowledge",
            "Acknowledge",
            "Acknowledge {}?",
            "It pages no more. You work on it.",
            _acknowledge,
            (Field(NOTE, "What you do first.", required=False),),
        ),
        Action(
            "drill",
            "Start a drill",
            "Start a drill of {}?",
            "The tables are restored to temporary ones, verified and removed. Clients notice nothing; it costs money.",
            _drill,
            (Field(POINT, "An ISO 8601 time; empty for the latest.", required=False),),
            of_environment=True,
        ),
    )
}
"""Every action of the console by its name."""


def run_action(
    action: Action, context: Context, subject: str, values: Mapping[str, str], signed_in: str | None = None
) -> Done:
    """Run an action that an operator has confirmed.

    Args:
        action: the action.
        context: the environment.
        subject: the deployment, the incident or the environment.
        values: of its form's fields by name; a missing one is empty.
        signed_in: who acts, on a console with sign-in; without it the form says who.

    Raises:
        Refused: a field lacks its value, or the action is refused; nothing was changed.
    """
    fields = fields_of(action) if signed_in is None else action.fields
    found = {field.name: values.get(field.name, "").strip() for field in fields}
    for field in fields:
        if field.required and not found[field.name]:
            raise Refused(field.name, "", "give a value: it is recorded")
    if signed_in is not None:
        by = signed_in
    else:
        by = caller(context) if action.as_caller else operator_name(found[REQUESTED_BY], context)
    return action.run(context, subject, found, by)


def fields_of(action: Action) -> tuple[Field, ...]:
    """Return the fields of an action's form."""
    if action.as_caller:
        return action.fields
    return (Field(REQUESTED_BY, "Your name, as records and incidents show it."), *action.fields)


def link_to(name: str, subject: str) -> Link:
    """Return the link to the confirmation of an action."""
    return Link(f"{ACTIONS[name].label}…", f"/actions/{name}/{subject}")


def deployment_links(deployment: Deployment) -> tuple[Link, ...]:
    """Return the actions that a deployment's state may allow. Their functions decide, and refuse with a reason."""
    names: list[str] = []
    if deployment.under_way and deployment.phase is not DeploymentPhase.ROLLING_BACK:
        paused = deployment.phase is DeploymentPhase.PAUSED
        names += [str(answer) for answer in answers(deployment)] if paused else ["promote", "abort"]
    if deployment.moved_traffic and deployment.outcome is not DeploymentOutcome.ROLLED_BACK:
        names += ["rollback"] if deployment.phase is not DeploymentPhase.ROLLING_BACK else []
    return tuple(link_to(name, deployment.id) for name in names)


def incident_links(incident: Incident) -> tuple[Link, ...]:
    """Return the actions that an incident's state may allow."""
    return (link_to("acknowledge", incident.id),) if incident.state is IncidentState.OPEN else ()
