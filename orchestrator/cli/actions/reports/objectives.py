"""The command `report --objectives`: RTO and RPO by scenario, what recoveries measured, and the trend."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.actions.reports.report import FORMATS, refuse_unknown_format, render, write_file
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.cli.rendering.reports.objectives_report import objective_rows, objectives_report
from orchestrator.domain.errors import Refused
from orchestrator.domain.objectives.scenarios import ScenarioRun, read_rehearsals, run_as_json, run_of
from orchestrator.domain.objectives.table import Figure, ScenarioObjectives, objectives_table
from orchestrator.domain.recovery.policy import RecoveryPolicy

MOST_RECOVERIES = 400
"""The newest recoveries of the ledger that are read: a year of daily drills."""


def report_objectives(
    context: Context, rehearsals: Path | None, form: str, output: Path | None, folder: Path, *, json: bool
) -> None:
    """Write the report, and print the table.

    Args:
        context: the environment.
        rehearsals: a record of rehearsals; None for none.
        form: a format of `report`.
        output: the file; None for one in `folder`.
        folder: where reports are written.
        json: print one JSON object.

    Raises:
        Refused: the format is unknown, a file cannot be read or written, or it is no record of rehearsals.
    """
    refuse_unknown_format(form)
    policy = RecoveryPolicy.parse(context.environment.recovery)
    records = context.cloud.drills.newest_records(MOST_RECOVERIES)
    runs = [run for run in map(run_of, records) if run is not None]
    if rehearsals:
        runs += _read(rehearsals)
    table = objectives_table(policy.objectives, policy.scenarios, runs)
    report = objectives_report(context.name, table)
    path = write_file(render(report, form), output, folder, f"objectives-{context.name}.{FORMATS[form]}")
    if json:
        print_json({"report": str(path), "format": form, "scenarios": [_as_json(row) for row in table]})
        return
    if table:
        columns = ("scenario", "objective", "promised", "measured", "result", "trend", "runs")
        console().print(text_table(columns, objective_rows(table), ("scenario", "objective")))
    console().print(report.sentence, markup=False)
    console().print(f"report: {path}", markup=False, soft_wrap=True)


def _read(file: Path) -> tuple[ScenarioRun, ...]:
    try:
        return read_rehearsals(file.read_bytes())
    except OSError as error:
        raise Refused("--rehearsals", str(file), f"name a file that can be read ({error.strerror})") from error
    except Refused as error:
        raise Refused("--rehearsals", str(file), error.remedy) from error


def _as_json(row: ScenarioObjectives) -> dict[str, object]:
    return {
        "scenario": row.scenario,
        "met": row.met,
        "recovery_time": _figure(row.recovery_time),
        "data_loss": _figure(row.data_loss),
        "runs": [run_as_json(run) for run in row.runs],
    }


def _figure(figure: Figure) -> dict[str, object]:
    return {
        "objective_seconds": figure.objective.total_seconds(),
        "measured_seconds": None if figure.measured is None else figure.measured.total_seconds(),
        "result": figure.result,
        "trend": figure.trend,
    }
