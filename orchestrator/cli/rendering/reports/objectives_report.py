"""The report of objectives by scenario: one table, and a plot of each measured value over the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from orchestrator.cli.rendering.reports.deployment_report import clock, seconds_in_words
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact, Report, table
from orchestrator.domain.objectives.scenarios import ScenarioRun
from orchestrator.domain.objectives.table import NEVER_RUN, Figure, ScenarioObjectives
from orchestrator.domain.plots.time_plot import Level, Point, Series, TimePlot
from orchestrator.domain.texts import NOT_MEASURED

_COLUMNS = ("scenario", "objective", "promised", "measured", "result", "trend", "runs")
_RECOVERY_TIME, _DATA_LOSS = "recovery time", "data loss"


def objectives_report(environment: str, rows: Sequence[ScenarioObjectives]) -> Report:
    """Return the report of an environment's objectives."""
    met = sum(row.met for row in rows)
    never = [row.scenario for row in rows if not row.runs]
    failed = [row.scenario for row in rows if row.runs and not row.met]
    return Report(
        kind="objectives",
        id=environment,
        environment=environment,
        outcome=f"{met} of {len(rows)} met",
        tone=OPEN if not rows or (never and not failed) else BAD if failed else GOOD,
        headline=f"Objectives of {environment}: {met} of {len(rows)} scenarios met",
        sentence=_sentence(len(rows), failed, never),
        facts=tuple(_fact(row) for row in rows if row.runs),
        plots=tuple(plot for row in rows for plot in _plots(row)),
        tables=(
            table("Objectives", "The newest run of each scenario counts.", _COLUMNS, objective_rows(rows)),
            table(
                "Runs",
                "Newest last.",
                ("scenario", "run", "at (UTC)", "ended", "recovery time", "data loss"),
                _runs(rows),
            ),
        )
        if rows
        else (),
        missing=tuple(f"{scenario} has never run: its objectives are not proved." for scenario in never),
        commands={f"orchestrator report --objectives --env {environment} --json": "prints every figure"},
    )


def objective_rows(rows: Sequence[ScenarioObjectives]) -> list[tuple[str, ...]]:
    """Return the lines of the table, two a scenario."""
    return [
        (
            row.scenario,
            name,
            seconds_in_words(figure.objective.total_seconds()),
            _in_words(figure.measured),
            figure.result,
            figure.trend,
            str(len(row.runs)),
        )
        for row in rows
        for name, figure in ((_RECOVERY_TIME, row.recovery_time), (_DATA_LOSS, row.data_loss))
    ]


def _sentence(count: int, failed: Sequence[str], never: Sequence[str]) -> str:
    if not count:
        return "No scenario has objectives of its own, and no recovery has ended yet."
    parts = [f"{count} scenarios"]
    parts.append(f"not met: {', '.join(failed)}" if failed else "none that has run misses its objectives")
    if never:
        parts.append(f"{NEVER_RUN}: {', '.join(never)}")
    return f"{'; '.join(parts)}."


def _fact(row: ScenarioObjectives) -> Fact:
    words = f"{_in_words(row.recovery_time.measured)}, {_in_words(row.data_loss.measured)}"
    objectives = (figure.objective.total_seconds() for figure in (row.recovery_time, row.data_loss))
    return Fact(row.scenario, words, f"objectives {', '.join(map(seconds_in_words, objectives))}")


def _plots(row: ScenarioObjectives) -> list[TimePlot]:
    drawn = (
        _plot(row, _RECOVERY_TIME, row.recovery_time, lambda run: run.recovery_time, "RTO"),
        _plot(row, _DATA_LOSS, row.data_loss, lambda run: run.data_loss, "RPO"),
    )
    return [plot for plot in drawn if plot is not None]


def _plot(
    row: ScenarioObjectives,
    name: str,
    figure: Figure,
    value_of: Callable[[ScenarioRun], timedelta | None],
    level: str,
) -> TimePlot | None:
    values = [(run, value) for run in row.runs if (value := value_of(run)) is not None]
    if not values:
        return None
    points = tuple(Point(run.at, value.total_seconds()) for run, value in values)
    newest, limit = points[-1].value, figure.objective.total_seconds()
    described = f"{len(points)} runs; the newest took {newest:.1f} s, the objective is {limit:g} s"
    return TimePlot(
        title=f"{row.scenario}: {name} by run",
        unit="seconds",
        description=f"{described}. {figure.trend.capitalize()}.".replace(" .", ""),
        series=(Series(name, points),),
        levels=(Level(limit, f"{level} {seconds_in_words(limit)}"),),
    )


def _runs(rows: Sequence[ScenarioObjectives]) -> list[tuple[str, ...]]:
    return [
        (
            run.scenario,
            run.id,
            clock(run.at),
            "as it should" if run.succeeded else "failed",
            _in_words(run.recovery_time),
            _in_words(run.data_loss),
        )
        for row in rows
        for run in row.runs
    ]


def _in_words(duration: timedelta | None) -> str:
    return NOT_MEASURED if duration is None else seconds_in_words(duration.total_seconds())
