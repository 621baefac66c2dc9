"""Benchmarks: ``python -m benchmarks.NAME [--json]``.

Each prints its measurements, the limit or the peer's measurement of the same run, and the ratio.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Line:
    """One measurement and its reference value.

    Attributes:
        figure: the measured value, in `unit`.
        compared_with: the limit, or the peer's value from the same run.
        against: what `compared_with` is, in words.
        lower_is_better: whether `compared_with` is an upper limit; otherwise it is a lower limit.
    """

    name: str
    figure: float
    unit: str
    compared_with: float
    against: str
    lower_is_better: bool = True

    @property
    def ratio(self) -> float:
        """The measured value divided by its reference; 1 if both are 0."""
        if not self.compared_with:
            return float("inf") if self.figure else 1.0
        return self.figure / self.compared_with

    @property
    def reached(self) -> bool:
        """Whether the measured value is within the limit."""
        return self.ratio <= 1 if self.lower_is_better else self.ratio >= 1


def report(benchmark: str, lines: Sequence[Line], notes: Sequence[str] = ()) -> int:
    """Print the lines as a table or, with --json, as one JSON object; return 0 if all limits are met, else 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack the characters for limits
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark}")
    parser.add_argument("--json", action="store_true")
    if parser.parse_args().json:
        rows = [{**asdict(line), "ratio": round(line.ratio, 3), "reached": line.reached} for line in lines]
        print(json.dumps({"benchmark": benchmark, "lines": rows, "notes": list(notes)}, allow_nan=False))
    else:
        print(benchmark)
        for line in lines:
            sign = "≤" if line.lower_is_better else "≥"
            mark = "" if line.reached else "   NOT REACHED"
            print(
                f"  {line.name:<58} {line.figure:>9.3g} {line.unit:<4} {sign} {line.compared_with:>7.3g} "
                f"({line.against})  ratio {line.ratio:.2f}{mark}"
            )
        for note in notes:
            print(f"  {note}")
    return 0 if all(line.reached for line in lines) else 1
