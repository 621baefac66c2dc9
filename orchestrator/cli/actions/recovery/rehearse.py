"""The commands of `rehearse`: run scenarios on a local cloud, and list them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.cli.errors import DONE, FAILED
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.rehearsal.catalogue import SCENARIOS, find_scenarios
from orchestrator.domain.rehearsal.result import Rehearsal, verdict_of
from orchestrator.domain.rehearsal.scenario import Scenario
from orchestrator.domain.verdict import Outcome


def list_scenarios(*, json: bool) -> None:
    """Show every scenario: what is injected, the expected end, the objectives and the runbook."""
    if json:
        print_json({"scenarios": SCENARIOS})
        return
    rows = [
        (
            scenario.name,
            scenario.injected,
            scenario.expected,
            f"{scenario.objectives.recovery_time.total_seconds():g} s",
            f"{scenario.objectives.data_loss.total_seconds():g} s",
            scenario.runbook,
        )
        for scenario in SCENARIOS
    ]
    console().print(text_table(("scenario", "injected", "expected end", "RTO", "RPO", "runbook"), rows, ("scenario",)))


def rehearse(names: Sequence[str], record: Path | None, *, json: bool) -> int:
    """Run scenarios on a local cloud of their own; return the exit code.

    Args:
        names: of scenarios, or `all`.
        record: the file of last runs to update, whose page is written next to it; None for none.
        json: print one JSON object.

    Raises:
        Refused: a scenario is unknown, or the record cannot be read; nothing was run.
    """
    from orchestrator.local.rehearsal.record import read_record, write_record  # noqa: PLC0415 - the extra `local`
    from orchestrator.local.rehearsal.runner import rehearse_all  # noqa: PLC0415 - as above

    scenarios = find_scenarios(names)
    if record is not None:
        record = record.resolve()
        read_record(record)

    def keep(run: Rehearsal) -> None:
        if record is not None:
            write_record(record, [run])

    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        runs = rehearse_all(Path(folder), scenarios, _progress(json=json), keep)
    _show(scenarios, runs, json=json)
    passed = [verdict_of(*pair).outcome is Outcome.PASS for pair in zip(scenarios, runs, strict=True)]
    return DONE if all(passed) else FAILED


def _progress(*, json: bool) -> Callable[[str], None]:
    started, screen = time.monotonic(), console()

    def say(message: str) -> None:
        if not json:
            screen.print(f"{time.monotonic() - started:6.1f} s  {message}", markup=False, soft_wrap=True)

    return say


def _show(scenarios: Sequence[Scenario], runs: Sequence[Rehearsal], *, json: bool) -> None:
    judged = [(scenario, run, verdict_of(scenario, run)) for scenario, run in zip(scenarios, runs, strict=True)]
    if json:
        print_json({"rehearsals": [{"verdict": verdict, "run": run} for _, run, verdict in judged]})
        return
    screen = console()
    for scenario, _, verdict in judged:
        style = "green" if verdict.outcome is Outcome.PASS else "bold red"
        screen.print(f"{verdict.outcome}  {scenario.name}: {verdict.reason}", style=style, markup=False, soft_wrap=True)
        if scenario.action:
            where = f"docs/runbooks/{scenario.runbook}"
            screen.print(f"      a person: {scenario.action} {where}", style="dim", markup=False, soft_wrap=True)
