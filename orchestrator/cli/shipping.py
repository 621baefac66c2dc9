"""The commands that change something: deploy, roll back, and answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.aws.executions import execution_arn
from orchestrator.aws.rollbacks import start_rollback
from orchestrator.cli.context import Context
from orchestrator.cli.follow import follow
from orchestrator.cli.output import as_json, console
from orchestrator.cli.releasing import read_checklist
from orchestrator.cli.story import outcome_of
from orchestrator.domain.decision import Request
from orchestrator.domain.errors import Refused
from orchestrator.domain.freeze import refuse_frozen
from orchestrator.domain.naming import deployment_id, new_key
from orchestrator.domain.records import Ask, Deployment, Ending, Phase, Trigger
from orchestrator.domain.request import read_request
from orchestrator.domain.rollback import kept_by_its_tables
from orchestrator.domain.strategy import read_strategy

GOOD = (Ending.SUCCEEDED, Ending.NOTHING_TO_SHIP)
NEWEST = 50


def request_of(
    *,
    release: str | None,
    strategy: str | None,
    steps: str | None,
    checklist: Sequence[str],
    checklist_file: Path | None = None,
    requested_by: str,
    force: bool,
    changes_items: bool,
) -> dict[str, object]:
    """Make a deployment's input of what the command line was given.

    Raises:
        Refused: something cannot be read; names field, value and remedy.
    """
    if strategy and steps:
        raise Refused("--steps", steps, "give --strategy or --steps, not both")
    given: dict[str, object] = {"requested_by": requested_by, "force": force, "changes_items": changes_items}
    if release:
        given["release"] = release
    if strategy or steps:
        given["strategy"] = strategy or {"type": "canary", "steps": _steps(str(steps))}
    if checklist or checklist_file:
        given["checklist"] = {**read_checklist(checklist_file), **dict(_item(entry) for entry in checklist)}
    return given


def deploy(context: Context, given: Mapping[str, object], key: str | None, *, watch: bool, json: bool) -> int:
    """Start a deployment and, when asked, follow it; returns the exit code.

    Raises:
        Refused: the input is wrong; nothing was started.
    """
    # The same checks as Plan's, before anything starts; Plan repeats them, for it trusts nobody.
    read_strategy(read_request(given, context.policy).strategy, context.policy)
    refuse_frozen(context.cloud.freezes.read())
    name = deployment_id(key or new_key(context.cloud.now(), secrets.token_bytes(8)))
    machine = context.machine("deployment")
    started = context.cloud.executions.start(machine, name, given)
    if watch:
        return _followed(context, name, json=json)
    phase = context.cloud.executions.describe(execution_arn(machine, name)).phase
    if json:
        as_json({"deployment": name, "started": started, "execution": phase})
    elif started:
        console().print(f"started {name}; follow it with `orchestrator watch {name} --env {context.name}`")
    else:
        console().print(
            f"{name} was started before and is {phase}; see `orchestrator explain {name} --env {context.name}`"
        )
    return 0


def watch(context: Context, name: str, *, json: bool) -> int:
    """Follow a deployment; returns the exit code."""
    return _followed(context, name, json=json)


def roll_back(context: Context, name: str | None, reason: str, by: str, *, watch: bool, json: bool) -> int:
    """Start the rollback of a deployment; returns the exit code.

    Raises:
        Refused: there is nothing to roll back.
    """
    deployment = context.cloud.ledger.read(name) if name else _newest_shifted(context)
    if deployment.ending is Ending.ROLLED_BACK:
        raise Refused("deployment", deployment.id, "it was rolled back already")
    if tables := kept_by_its_tables(deployment):
        raise Refused("deployment", deployment.id, tables)
    trigger = Trigger("person", f"{reason} (by {by})", context.cloud.now())
    execution = start_rollback(context.cloud, deployment.id, trigger)
    if watch:
        return _followed(context, deployment.id, json=json, wanted=(Ending.ROLLED_BACK,))
    if json:
        as_json({"deployment": deployment.id, "execution": execution})
    else:
        console().print(
            f"started {execution}; follow it with `orchestrator watch {deployment.id} --env {context.name}`"
        )
    return 0


def ask(context: Context, name: str, request: str, by: str, *, json: bool) -> None:
    """Answer a deployment that waits, or leave word for its next look.

    Raises:
        Refused: it is over, or it does not wait and the request makes sense only for one that does.
    """
    ledger, deployment = context.cloud.ledger, context.cloud.ledger.read(name)
    if deployment.ended_at is not None:
        raise Refused("deployment", name, f"it ended {deployment.ending}; there is nothing to {request}")
    asked = Ask(request, by, context.cloud.now())
    held = ledger.held(name)
    if deployment.phase is Phase.HELD and held:
        context.cloud.executions.answer(held.token, asked)
        told = "answered: it goes on at once"
    elif Request(request) is Request.RESUME:
        raise Refused("deployment", name, f"it does not wait for anybody, it is {deployment.phase}")
    else:
        ledger.ask(name, asked)
        told = f"noted: its next look, at most {deployment.plan.look.total_seconds():.0f} s away, will {request} it"
    if json:
        as_json({"deployment": name, "request": request, "told": told})
    else:
        console().print(f"{name} {told}")


def _followed(context: Context, name: str, *, json: bool, wanted: tuple[Ending, ...] = GOOD) -> int:
    screen = console()
    screen.quiet = json
    deployment = follow(context, name, screen)
    if json:
        as_json({"outcome": outcome_of(deployment), "deployment": deployment})
    return 0 if deployment.ending in wanted else 1


def _newest_shifted(context: Context) -> Deployment:
    shifted = [found for found in context.cloud.ledger.newest(NEWEST) if found.first_shift_at]
    if not shifted:
        raise Refused("deployment", "the newest", "none has shifted traffic yet, so there is nothing to roll back")
    return shifted[0]


def _steps(given: str) -> list[dict[str, Any]]:
    steps = []
    for number, entry in enumerate(given.split(",")):
        percent, _, seconds = entry.strip().partition(":")
        if not (percent.isdecimal() and seconds.isdecimal()):
            raise Refused(f"--steps[{number}]", entry, "give percent:seconds, such as 10:60,50:120")
        steps.append({"weight_percent": int(percent), "bake_seconds": int(seconds)})
    return steps


def _item(entry: str) -> tuple[str, str]:
    item, found, reference = entry.partition("=")
    if not found:
        raise Refused("--checklist", entry, "give item=reference, such as tests=https://ci.example/42")
    return item, reference
