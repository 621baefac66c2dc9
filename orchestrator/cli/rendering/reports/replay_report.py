"""The report of a replay: how many deployments other settings would have decided otherwise, as a table and as a plot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from orchestrator.cli.rendering.reports.deployment_report import clock
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact, Report, table
from orchestrator.domain.plots.time_plot import Point, Series, TimePlot
from orchestrator.domain.replay.deployment_replay import NotReplayed, Replay, Replayed, Result

COLUMNS = ("deployment", "recorded", "replayed", "minutes", "evaluations", "why")
SUMMARY = ("result", "deployments", "minutes")
WORSE = frozenset({Result.MISSED, Result.LATER})
NOT_RECORDED = "not recorded"


def replay_rows(replays: Sequence[Replayed], missing: Sequence[NotReplayed]) -> list[tuple[str, ...]]:
    """Return a line for each deployment."""
    rows: list[tuple[str, ...]] = [
        (
            one.deployment,
            one.recorded,
            str(one.replay.result),
            _minutes(one.replay.minutes),
            str(len(one.replay.decisions)),
            one.replay.reason or _agreement(one.replay),
        )
        for one in replays
    ]
    return rows + [(one.deployment, "-", NOT_RECORDED, "-", "-", one.why) for one in missing]


def summary_rows(replays: Sequence[Replayed], missing: Sequence[NotReplayed]) -> list[tuple[str, ...]]:
    """Return a line for each result that occurs: how many deployments, and the median of their minutes."""
    counts = Counter(one.replay.result for one in replays)
    rows: list[tuple[str, ...]] = []
    for result in Result:
        minutes = [one.replay.minutes for one in replays if one.replay.result is result]
        known = [value for value in minutes if value is not None]
        if counts[result]:
            middle = f"{_minutes(median(known))} (median)" if known else "-"
            rows.append((str(result), str(counts[result]), middle))
    if missing:
        rows.append((NOT_RECORDED, str(len(missing)), "-"))
    return rows


def replay_report(
    environment: str,
    settings: Mapping[str, object],
    replays: Sequence[Replayed],
    missing: Sequence[NotReplayed],
) -> Report:
    """Return the report of a replay.

    Args:
        environment: its name.
        settings: the replaced settings, by path; empty for the recorded ones.
        replays: newest first.
        missing: what could not be replayed.
    """
    others = [one for one in replays if one.replay.result is not Result.SAME]
    worse = sum(one.replay.result in WORSE for one in others)
    words = ", ".join(f"{path} = {value}" for path, value in settings.items()) or "the recorded settings"
    plot = _plot(replays)
    return Report(
        kind="replay",
        id=environment,
        environment=environment,
        outcome=f"{len(others)} of {len(replays)} otherwise",
        tone=BAD if worse or (others and not settings) else OPEN if others or missing else GOOD,
        headline=f"Replay of {len(replays)} deployments of {environment}",
        sentence=f"With {words}, {len(replays) - len(others)} of {len(replays)} deployments take the same course.",
        facts=tuple(Fact(result, count, minutes) for result, count, minutes in summary_rows(replays, missing)),
        plots=(plot,) if plot else (),
        tables=(
            table(
                "Deployments",
                "Those that take another course, or all if none does. Newest first.",
                COLUMNS,
                replay_rows(others or replays, missing),
            ),
        )
        if replays or missing
        else (),
        missing=tuple(f"{one.deployment} was not replayed: {one.why}" for one in missing),
        commands={f"orchestrator replay --env {environment} --since 90d --json": "prints every decision"},
    )


def _plot(replays: Sequence[Replayed]) -> TimePlot | None:
    """Return how many deployments had each result up to a time; None without any."""
    oldest_first = list(reversed(replays))
    drawn = []
    for style, result in enumerate(Result):
        times = [one.requested_at for one in oldest_first if one.replay.result is result]
        if times:
            points = tuple(Point(at, count) for count, at in enumerate(times, 1))
            drawn.append(Series(str(result), points, style % 4, stepped=True))
    if not drawn:
        return None
    described = "; ".join(f"{series.name}: {len(series.points)}" for series in drawn)
    return TimePlot(
        title="Deployments by result of the replay",
        unit="deployments so far",
        description=f"{described}. The first is of {clock(oldest_first[0].requested_at)} UTC.",
        series=tuple(drawn),
    )


def _agreement(one: Replay) -> str:
    same = all(decision.same for decision in one.decisions)
    return "every decision is the same" if same else "the same actions, for other reasons"


def _minutes(minutes: float | None) -> str:
    if minutes is None:
        return "-"
    return f"{-minutes:.1f} earlier" if minutes <= 0 else f"at least {minutes:.1f} later"
