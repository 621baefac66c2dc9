"""Does the verdict of the whole pipeline keep its promise? `python -m benchmarks.verdict [--full | --runs N] [--part P] [--write]`.

1. The labelled set (`rollouts/labelled.py`): precision, recall, time to detection and exposure of the product and of other
   tools' rules, on the half that the product may be tuned on and on the half that is kept back.
2. The false-alarm grid (`rollouts/grid.py`): how often chance rolls back a deployment of equal versions, by whatever
   source, until the end of its rollback window. 10,000 deployments a cell with --full (over two hours of one core), N
   with --runs N, fewer cells and deployments by default. --keep FILE keeps each cell's result, so that a run which was
   interrupted goes on where it stopped, as long as the judging code is the same.
3. The power table (`rollouts/power.py`): how soon differences are proved, next to other tools' rules and to the best that
   any test can do.

`--local-cloud N` deploys N equal releases, both of which answer 1 % of their requests with 500, on the local cloud
instead (`rollouts/local_cloud.py`); --clouds N runs several local clouds side by side, and --keep FILE keeps each result.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from itertools import groupby
from math import sqrt
from pathlib import Path

import numpy as np

from benchmarks import Line, report
from benchmarks.rollouts import check_twin, grid, local_cloud, power, sources
from benchmarks.rollouts.grid import Cell, CellResult
from benchmarks.rollouts.kept_results import KeptResults, code_digest
from benchmarks.rollouts.labelled import HELD_BACK_SEED, PER_HALF, TUNED_SEED, Answer, Clustering, Rollout, labelled_set
from benchmarks.rollouts.pipeline import prod_plan, prod_policy
from benchmarks.rollouts.scores import PRODUCT, Score, run_all, score

LEAST_PRECISION, LEAST_RECALL = 97.0, 99.0
MOST_FALSE_PERCENT = 1.0
REFUSED_WITHIN_SECONDS = 5.0
GRID_RUNS, FULL_RUNS = 100, 10_000
SHORT_ERROR_SHARES = (0.001, 0.01, 0.02)
"""The error shares of the grid without --full; the others are between them, or 0."""

LOG_RUNS, FULL_LOG_RUNS = 40, 1000
POWER_RUNS, FULL_POWER_RUNS = 300, 5000
KAYENTA_RUNS, PIPELINE_RUNS = 20, 40
CHUNK_RUNS = 1000
SEED = 14

POWER_LIMITS = (
    # stable, canary, requests a look, looks, percent
    (0.005, 0.015, 6000, 5, 80.0),
    (0.005, 0.015, 6000, 20, 97.0),
    (0.005, 0.015, 600, 20, 70.0),
)
THIN = power.Case(0.001, 0.05, 60)
THIN_PERCENT, LATENCY_PERCENT = 50.0, 95.0

PAUSED = "paused"
"""The name of a kept figure that is no source of rollbacks."""

PARTS = ("labelled", "grid", "power")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "verdict.md"
BEGIN, END = "<!-- figures -->", "<!-- end -->"

Measured = tuple[list[Line], list[str]]
Key = tuple[object, ...]


def measure_labelled(count: int = PER_HALF, processes: int = 1) -> Measured:
    """Run every judge on both halves of the labelled set."""
    lines: list[Line] = []
    notes = ["", f"labelled set, {2 * count} rollouts by canary-10-50 with the settings of prod"]
    for half, seed in (("tuned", TUNED_SEED), ("kept back", HELD_BACK_SEED)):
        rollouts = labelled_set(seed, prod_policy().limits.thresholds, count)
        results = run_all(rollouts, processes)
        scores = [score(name, rollouts, found) for name, found in results.items()]
        own = next(one for one in scores if one.judge == PRODUCT)
        lines += [
            Line(f"precision, {half} half", 100 * own.precision, "%", LEAST_PRECISION, "limit", lower_is_better=False),
            Line(f"recall, {half} half", 100 * own.recall, "%", LEAST_RECALL, "limit", lower_is_better=False),
        ]
        notes += list(score_table(half, rollouts, scores))
    return lines, notes


def score_table(half: str, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> Iterator[str]:
    """Return the table of one half, and what the product ended wrongly."""
    counts = {answer: sum(rollout.answer is answer for rollout in rollouts) for answer in Answer}
    right = ", ".join(f"{answer.value} {count}" for answer, count in counts.items())
    yield f"  {half} half: {right}"
    yield "    judge               precision  recall  recall, 5xx  detected after  badly served (medians)"
    for one in scores:
        yield (
            f"    {one.judge:<18} {100 * one.precision:>9.1f} % {100 * one.recall:>5.1f} % {100 * one.http_recall:>10.1f} %"
            f" {one.detection_seconds:>13.0f} s {one.harmed:>14.0f}"
        )
    for rollout, result in next(one for one in scores if one.judge == PRODUCT).mistakes:
        yield f"    wrong: {rollout.number} {rollout.kind}: {result.end} after {result.seconds} s: {result.reason[:120]}"


def measure_grid(
    runs: int, log_runs: int, processes: int = 1, cells: Sequence[Cell] | None = None, keep: Path | None = None
) -> Measured:
    """Simulate the grid; return its worst cell and the table."""
    chosen = grid.cells() if cells is None else list(cells)
    keys = sorted({key for cell in chosen for key in keys_of(cell)}, key=str)
    kept: KeptResults[dict[str, float]] = KeptResults(keep, code_digest())
    with ProcessPoolExecutor(processes) as pool:
        by_errors = _simulate_cells(pool, kept, chosen, runs)
        further = _simulate_sources(pool, kept, keys, runs, log_runs)
    results = [
        grid.with_sources(result, {str(key[0]): further[key] for key in keys_of(result.cell)}) for result in by_errors
    ]
    # With few runs, chance moves a cell by three standard deviations of the promised share.
    allowance = 0.0 if runs >= FULL_RUNS else 300 * sqrt(0.01 * 0.99 / runs)
    worst = max(results, key=lambda one: one.whole)
    lines = [
        Line(
            f"false rollbacks, worst of {len(results)} cells",
            100 * worst.whole,
            "%",
            MOST_FALSE_PERCENT + allowance,
            "limit" if not allowance else f"limit, and 3 sd of {runs} runs",
        ),
        Line(
            "false rollbacks, mean of all cells",
            100 * sum(one.whole for one in results) / len(results),
            "%",
            MOST_FALSE_PERCENT,
            "limit",
        ),
    ]
    return lines, [f"  worst cell: {worst.cell.name}: {_sources(worst)}", *grid_table(results, runs)]


def _simulate_cells(
    pool: Executor, kept: KeptResults[dict[str, float]], cells: Sequence[Cell], runs: int
) -> list[CellResult]:
    """Simulate the cells that were not kept; return all."""
    todo = [cell for cell in cells if kept.get(f"{cell.name}, {runs} runs") is None]
    for result in pool.map(simulate_cell, todo, [runs] * len(todo)):
        kept.put(f"{result.cell.name}, {runs} runs", {**result.sources, PAUSED: result.paused})
    found = [(cell, dict(kept.get(f"{cell.name}, {runs} runs") or {})) for cell in cells]
    return [CellResult(cell, runs, values, values.pop(PAUSED)) for cell, values in found]


def _simulate_sources(
    pool: Executor, kept: KeptResults[dict[str, float]], keys: Sequence[Key], runs: int, log_runs: int
) -> dict[Key, float]:
    """Simulate the further sources that were not kept; return the share of each."""
    names = {key: f"{key}, {runs} and {log_runs} runs" for key in keys}
    todo = [key for key in keys if kept.get(names[key]) is None]
    shares = pool.map(simulate_source, todo, [runs] * len(todo), [log_runs] * len(todo))
    for key, share in zip(todo, shares, strict=True):
        kept.put(names[key], {"share": share})
    return {key: (kept.get(names[key]) or {})["share"] for key in keys}


def _measure_grid(runs: int | None, processes: int, keep: Path | None) -> Measured:
    """Simulate the whole grid with a number of runs a cell, or a part of it with few runs."""
    if runs is None:
        return measure_grid(GRID_RUNS, LOG_RUNS, processes, grid.cells(SHORT_ERROR_SHARES), keep)
    return measure_grid(runs, max(1, runs * FULL_LOG_RUNS // FULL_RUNS), processes, keep=keep)


def keys_of(cell: Cell) -> list[Key]:
    """Return what a cell's further sources depend on."""
    return [
        ("flows", cell.error_share, cell.clustering),
        ("checks", cell.error_share, cell.clustering, cell.strategy),
        ("latency", cell.requests_per_second, cell.strategy),
        ("logs", round(cell.requests_per_second * cell.error_share, 6), cell.strategy),
    ]


def simulate_cell(cell: Cell, runs: int) -> CellResult:
    """Simulate one cell in chunks that fit into memory."""
    sizes = [CHUNK_RUNS] * (runs // CHUNK_RUNS) + ([runs % CHUNK_RUNS] if runs % CHUNK_RUNS else [])
    parts = [grid.simulate(cell, size, SEED + number) for number, size in enumerate(sizes)]
    sources_of = {name: sum(part.sources[name] * part.runs for part in parts) / runs for name in parts[0].sources}
    return CellResult(cell, runs, sources_of, sum(part.paused * part.runs for part in parts) / runs)


def simulate_source(key: Key, runs: int, log_runs: int) -> float:
    """Simulate one further source."""
    random = np.random.default_rng((SEED, abs(hash_of(key))))
    name, *values = key
    if name == "flows":
        share, clustering = float(str(values[0])), Clustering(str(values[1]))
        return sources.false_rollbacks_by_flows(share, clustering, runs, SEED) if share else 0.0
    if name == "checks":
        share, clustering = float(str(values[0])), Clustering(str(values[1]))
        plan = prod_plan(str(values[2]))
        return check_twin.false_rollbacks_by_checks(plan, share, clustering, runs, random) if share else 0.0
    plan = prod_plan(str(values[1]))
    if name == "latency":
        return sources.false_rollbacks_by_latency(plan, float(str(values[0])), 1.0, runs, random)
    errors = float(str(values[0]))
    return sources.false_rollbacks_by_logs(plan, errors, log_runs, SEED) if errors else 0.0


def hash_of(key: Key) -> int:
    """Return a number that is the same in every process."""
    return int.from_bytes(repr(key).encode(), "big") % (2**61 - 1)


def grid_table(results: Sequence[CellResult], runs: int) -> Iterator[str]:
    """Return the grid in %, a block for each strategy and dependence, with the traffic in columns."""
    yield ""
    yield f"whole-deployment false rollbacks in %, {runs:,} deployments a cell (all sources added up)"
    header = "".join(f"{rate:>10g}/s" for rate in grid.REQUESTS_PER_SECOND)
    for (strategy, clustering), block in groupby(results, key=lambda one: (one.cell.strategy, one.cell.clustering)):
        yield f"  {strategy}, {clustering.value:<20}{header}"
        rows = sorted(block, key=lambda one: (one.cell.error_share, one.cell.requests_per_second))
        for share, row in groupby(rows, key=lambda one: one.cell.error_share):
            figures = "".join(f"{100 * one.whole:>12.2f}" for one in row)
            yield f"    {100 * share:>5.1f} % of 5xx{'':<{len(strategy) + 8}}{figures}"


def _sources(result: CellResult) -> str:
    return ", ".join(f"{name} {100 * share:.2f} %" for name, share in result.sources.items() if share) or "none"


def measure_power(runs: int, pipeline_runs: int = PIPELINE_RUNS) -> Measured:
    """Measure how soon differences are proved."""
    notes = [
        "",
        "proved in % of runs by look 5/10/20, ten looks at 10 % of the traffic, then ten at 50 %",
        f"    {'':<34}{'request metrics':>18}{'Lindon SMT':>16}{'Kayenta':>16}{'oracle at 10':>14}",
    ]
    found: dict[power.Case, list[float]] = {}
    for case in power.CASES:
        counts = power.draw(case, runs, np.random.default_rng((SEED, case.requests)))
        found[case] = power.product_power(case, counts)
        multinomial, kayenta = power.multinomial_power(counts), power.kayenta_power(counts, KAYENTA_RUNS)
        oracle = power.oracle_power(case, 10) if case.requests <= 600 else None  # larger ones are sure
        notes.append(
            f"    {case.name:<34}{_looks(found[case]):>18}{_looks(multinomial):>16}{_looks(kayenta):>16}"
            + (f"{100 * oracle:>13.0f}" if oracle is not None else f"{'':>13}")
        )
    lines = [
        Line(
            f"{power.Case(stable, canary, requests).name}, by look {looks}",
            100 * found[power.Case(stable, canary, requests)][power.SHOWN_LOOKS.index(looks)],
            "%",
            percent,
            "limit",
            lower_is_better=False,
        )
        for stable, canary, requests, looks, percent in POWER_LIMITS
    ]
    pipeline = 100 * power.pipeline_power(THIN, pipeline_runs)
    latency = 100 * power.latency_power(1.3, 50, 10, runs)
    lines += [
        Line(f"{THIN.name}, pipeline, by look 10", pipeline, "%", THIN_PERCENT, "limit", lower_is_better=False),
        Line(
            "latency x 1.3 at 50 requests/s, by look 10", latency, "%", LATENCY_PERCENT, "limit", lower_is_better=False
        ),
        Line("always 500: refused before traffic", power.seconds_to_refuse(20), "s", REFUSED_WITHIN_SECONDS, "limit"),
    ]
    notes.append(
        f"    {THIN.name}: clients' requests alone {100 * found[THIN][1]:.0f} %, the best that any valid test of them can "
        f"do {100 * power.oracle_power(THIN, 10):.0f} %; with synthetic checks that meet the fault {pipeline:.0f} %"
    )
    return lines, notes


def _looks(shares: Sequence[float]) -> str:
    return "/".join(f"{100 * share:.0f}" for share in shares)


def main() -> int:
    """Measure the parts and print the report."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--runs", type=int, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--local-cloud", type=int, metavar="N")
    parser.add_argument("--clouds", type=int, metavar="N", default=1)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--write", action="store_true")
    options, sys.argv[1:] = parser.parse_known_args()
    if options.local_cloud:
        return report("verdict", *local_cloud.measure(options.local_cloud, options.clouds, options.keep))
    processes = max(1, os.cpu_count() or 1)
    runs = {
        "labelled": lambda: measure_labelled(processes=processes),
        "grid": lambda: _measure_grid(FULL_RUNS if options.full else options.runs, processes, options.keep),
        "power": lambda: measure_power(FULL_POWER_RUNS if options.full else POWER_RUNS),
    }
    lines: list[Line] = []
    notes: list[str] = []
    for part in options.part or PARTS:
        measured, found = runs[part]()
        lines += measured
        notes += found
    printed = StringIO()
    with redirect_stdout(printed):
        missed = report("verdict", lines, notes)
    sys.stdout.write(printed.getvalue())
    if options.write:
        write_figures(printed.getvalue())
    return missed


def write_figures(report_text: str, page: Path = PAGE) -> None:
    """Replace the figures of the documentation page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = "\n".join(line.rstrip() for line in report_text.splitlines())
    page.write_text(f"{before}{BEGIN}\n```text\n{figures}\n```\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
