"""The command `replay`: decide recorded deployments again, with their own settings or with others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.cli.actions.reports.replay_settings import assignments, replayed_limits
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE, FAILED, REFUSED
from orchestrator.cli.rendering.output import console, local_time, print_json, text_table
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.deployment_replay import EVALUATING, Replay, replay_deployment
from orchestrator.domain.replay.evidence_replay import NOT_RECOMPUTED, RECOMPUTED

LISTED = 500
"""How many of the newest deployments `--since` looks through."""

_AGE = re.compile(r"([1-9][0-9]{0,3})([dhm])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}

RECOMPUTED_IN_WORDS = {
    "metrics": "the sequential tests of the request metrics",
    "performance": "the sequential tests of the latency",
    "logs": "the comparison of the recorded log evidence with the odds that it needs",
    "decision": "the decision that follows, gates included",
}
COLUMNS = ("deployment", "recorded", "replayed", "minutes", "evaluations", "why")


@dataclass(frozen=True)
class NotReplayed:
    """A deployment that could not be replayed, and why."""

    deployment: str
    why: str


def replay(context: Context, name: str | None, settings: Sequence[str], since: str | None, *, json: bool) -> int:
    """Replay one deployment, or those of a time; return the exit code.

    Args:
        context: the environment.
        name: id of a deployment; None with `since`.
        settings: texts of the form ``delivery.thresholds.X=VALUE``.
        since: an age such as ``90d``; None with `name`.
        json: print one JSON object.

    Raises:
        Refused: the input is wrong, there is no such deployment, or its record lacks what a decision needs.
    """
    if (name is None) == (since is None):
        raise Refused("deployment", name or "", "give the id of a deployment, or --since, and not both")
    values = assignments(settings)
    missing: list[NotReplayed] = []
    if name is not None:
        replays = [_replay(context, context.cloud.ledger.read_record(name), values)]
    else:
        replays, missing = _replay_all(context, since or "", values)
    if json:
        print_json(
            {
                "settings": values,
                "recomputed": [*RECOMPUTED, "decision"],
                "taken_as_given": NOT_RECOMPUTED,
                "replays": replays,
                "not_replayed": missing,
            }
        )
    else:
        _show(context, replays, missing, values)
    if missing:
        return REFUSED
    return DONE if values or all(one.same for found in replays for one in found.decisions) else FAILED


def parse_age(text: str) -> timedelta:
    """Return an age such as ``90d``.

    Raises:
        Refused: it is none.
    """
    matched = _AGE.fullmatch(text)
    if matched is None:
        raise Refused("--since", text, "give an age in days, hours or minutes, such as 90d, 12h or 30m")
    return int(matched[1]) * _UNITS[matched[2]]


def _replay(context: Context, deployment: Deployment, values: Mapping[str, object]) -> Replay:
    limits = replayed_limits(deployment.plan.limits, context.environment.delivery, values)
    return replay_deployment(deployment, context.cloud.ledger.read_decisions(deployment.id), limits)


def _replay_all(context: Context, since: str, values: Mapping[str, object]) -> tuple[list[Replay], list[NotReplayed]]:
    earliest = context.cloud.now() - parse_age(since)
    replays, missing = list[Replay](), list[NotReplayed]()
    for deployment in context.cloud.ledger.newest_records(LISTED):
        entries = context.cloud.ledger.read_decisions(deployment.id)
        evaluated = any(entry.state in EVALUATING and entry.evidence for entry in entries)
        if deployment.requested_at < earliest or not evaluated or deployment.cutover is not None:
            continue
        limits = replayed_limits(deployment.plan.limits, context.environment.delivery, values)
        try:
            replays.append(replay_deployment(deployment, entries, limits))
        except Refused as error:
            missing.append(NotReplayed(deployment.id, str(error)))
    return replays, missing


def _show(
    context: Context, replays: Sequence[Replay], missing: Sequence[NotReplayed], values: Mapping[str, object]
) -> None:
    screen = console()
    changed = ", ".join(f"{path} = {value}" for path, value in values.items())
    screen.print(f"replayed with {changed or 'the recorded settings'}", style="bold", markup=False)
    rows = [_row(context, one) for one in replays]
    rows += [(one.deployment, "-", "not recorded", "-", "-", one.why) for one in missing]
    if rows:
        screen.print(text_table(COLUMNS, rows, ("deployment", "replayed")))
    else:
        screen.print("no deployment of this time was evaluated")
    if not values:
        for found in replays:
            for one in found.decisions:
                if not one.same:
                    text = f"{found.deployment} {local_time(one.at)} {one.state}: recorded {one.recorded.action}, "
                    screen.print(f"{text}now {one.replayed.action}: {one.replayed.reason}", style="red", markup=False)
    screen.print(f"recomputed: {'; '.join(RECOMPUTED_IN_WORDS.values())}", style="dim", markup=False)
    screen.print(f"recorded verdicts taken as given: {', '.join(NOT_RECOMPUTED)}", style="dim", markup=False)


def _row(context: Context, one: Replay) -> tuple[str, ...]:
    deployment = context.cloud.ledger.read_record(one.deployment)
    return (
        one.deployment,
        deployment.outcome or deployment.phase,
        one.result,
        _minutes(one.minutes),
        f"{len(one.decisions)}",
        one.reason or _agreement(one),
    )


def _agreement(one: Replay) -> str:
    same = all(decision.same for decision in one.decisions)
    return "every decision is the same" if same else "the same actions, for other reasons"


def _minutes(minutes: float | None) -> str:
    if minutes is None:
        return "-"
    return f"{-minutes:.1f} earlier" if minutes <= 0 else f"at least {minutes:.1f} later"
