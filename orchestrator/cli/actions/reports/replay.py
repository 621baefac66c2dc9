"""The command `replay`: decide recorded deployments again, with their own settings or with others."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from orchestrator.cli.actions.reports.replay_judge import judge_stored, replay_entries
from orchestrator.cli.actions.reports.replay_settings import assignments, replayed_limits
from orchestrator.cli.actions.reports.report import render, write_file
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE, FAILED, REFUSED
from orchestrator.cli.rendering.local_times import local_second
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.cli.rendering.reports.replay_report import (
    COLUMNS,
    SUMMARY,
    replay_report,
    replay_rows,
    summary_rows,
)
from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.deployment_replay import NotReplayed, Replayed, Result
from orchestrator.domain.replay.evidence_replay import NOT_RECOMPUTED, RECOMPUTED

LISTED = 500
"""How many of the newest deployments `report --dora` reads."""
READERS = 8
"""Deployments that are read at once; botocore keeps 10 connections."""
JUDGED_AT_ONCE = 8
"""Deployments that a process judges before it returns them: each alone would cost the reading process a fifth more."""
MANY = 100
"""From so many deployments on, other processes judge them: starting one takes about a second."""
MOST_ROWS = 60
"""Of more deployments only those that take another course are listed, at most so many."""

_AGE = re.compile(r"([1-9][0-9]{0,3})([dhm])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}

RECOMPUTED_IN_WORDS = {
    "metrics": "the sequential tests of the request metrics",
    "performance": "the sequential tests of the latency",
    "logs": "the comparison of the recorded log evidence with the odds that it needs",
    "decision": "the decision that follows, gates included",
}


def replay(
    context: Context,
    name: str | None,
    settings: Sequence[str],
    since: str | None,
    *,
    output: Path | None = None,
    json: bool,
) -> int:
    """Replay one deployment, or those of a time; return the exit code.

    Args:
        context: the environment.
        name: id of a deployment; None with `since`.
        settings: texts of the form ``delivery.thresholds.X=VALUE``.
        since: an age such as ``90d``; None with `name`.
        output: a file for the replay as a page; None for none.
        json: print one JSON object.

    Raises:
        Refused: the input is wrong, there is no such deployment, or its record lacks what a decision needs.
    """
    if (name is None) == (since is None):
        raise Refused("deployment", name or "", "give the id of a deployment, or --since, and not both")
    values = assignments(settings)
    missing: list[NotReplayed] = []
    if name is not None:
        deployment = context.cloud.ledger.read_record(name)
        entries = context.cloud.ledger.read_decisions(name)
        limits = partial(replayed_limits, delivery=context.environment.delivery, values=values)
        replays = [replay_entries(deployment, entries, limits)]
    else:
        replays, missing = _replay_all(context, since or "", values)
    if output is not None:
        report = replay_report(context.name, values, replays, missing)
        write_file(render(report, "html"), output, output.parent, output.name)
    if json:
        print_json(
            {
                "settings": values,
                "recomputed": [*RECOMPUTED, "decision"],
                "taken_as_given": NOT_RECOMPUTED,
                "replays": [one.replay for one in replays],
                **({"report": str(output)} if output else {}),
                "not_replayed": missing,
            }
        )
    else:
        _show(replays, missing, values)
        if output is not None:
            console().print(f"report: {output}", markup=False, soft_wrap=True)
    if missing:
        return REFUSED
    return DONE if values or all(one.same for found in replays for one in found.replay.decisions) else FAILED


def parse_age(text: str) -> timedelta:
    """Return an age such as ``90d``.

    Raises:
        Refused: it is none.
    """
    matched = _AGE.fullmatch(text)
    if matched is None:
        raise Refused("--since", text, "give an age in days, hours or minutes, such as 90d, 12h or 30m")
    return int(matched[1]) * _UNITS[matched[2]]


def _replay_all(context: Context, since: str, values: Mapping[str, object]) -> tuple[list[Replayed], list[NotReplayed]]:
    """Replay all deployments of a time. Several are read at once, and many are judged by all cores."""
    ledger, delivery = context.cloud.ledger, context.environment.delivery
    names = ledger.ids_since(context.cloud.now() - parse_age(since))
    with ThreadPoolExecutor(READERS) as readers, ExitStack() as opened:
        judges: ProcessPoolExecutor | None = None
        if len(names) >= MANY:
            # Not forked: this process has threads. Not searched for cycles, which the judged values do not have.
            pool = ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=gc.disable)
            judges = opened.enter_context(pool)

        def replayed(some: Sequence[str]) -> list[Replayed | NotReplayed]:
            stored = [(one.record, one.decisions) for one in map(ledger.read_stored, some)]
            if judges is None:
                return judge_stored(stored, delivery, values)
            return judges.submit(judge_stored, stored, delivery, values).result()

        parts = [names[at : at + JUDGED_AT_ONCE] for at in range(0, len(names), JUDGED_AT_ONCE)]
        found = list(chain.from_iterable(readers.map(replayed, parts)))
    return (
        [one for one in found if isinstance(one, Replayed)],
        [one for one in found if isinstance(one, NotReplayed)],
    )


def _show(replays: Sequence[Replayed], missing: Sequence[NotReplayed], values: Mapping[str, object]) -> None:
    screen = console()
    changed = ", ".join(f"{path} = {value}" for path, value in values.items())
    screen.print(f"replayed with {changed or 'the recorded settings'}", style="bold", markup=False)
    if not replays and not missing:
        screen.print("no deployment of this time was evaluated")
    elif len(replays) + len(missing) > MOST_ROWS:
        screen.print(text_table(SUMMARY, summary_rows(replays, missing), ("result",)))
    listed = replays if len(replays) <= MOST_ROWS else [one for one in replays if one.replay.result is not Result.SAME]
    rows = replay_rows(listed, missing)
    if rows:
        screen.print(text_table(COLUMNS, rows[:MOST_ROWS], ("deployment", "replayed")))
    if len(rows) > MOST_ROWS:
        screen.print(f"{len(rows) - MOST_ROWS} more: --json prints all")
    if not values:
        for found in replays:
            for one in found.replay.decisions:
                if not one.same:
                    text = f"{found.deployment} {local_second(one.at)} {one.state}: recorded {one.recorded.action}, "
                    screen.print(f"{text}now {one.replayed.action}: {one.replayed.reason}", style="red", markup=False)
    screen.print(f"recomputed: {'; '.join(RECOMPUTED_IN_WORDS.values())}", style="dim", markup=False)
    screen.print(f"recorded verdicts taken as given: {', '.join(NOT_RECOMPUTED)}", style="dim", markup=False)
