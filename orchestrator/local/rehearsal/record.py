"""The record of the last run of each scenario, and the page that is generated from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from orchestrator.domain.errors import Refused
from orchestrator.domain.rehearsal.catalogue import SCENARIOS
from orchestrator.domain.rehearsal.page import render_page
from orchestrator.domain.rehearsal.result import Rehearsal
from orchestrator.local.cloud import ROOT

RECORD = ROOT / "docs" / "reference" / "rehearsals.json"


def read_record(file: Path) -> Mapping[str, Rehearsal]:
    """Return the last run of each scenario, by name; none if the file does not exist.

    Raises:
        Refused: the file is not such a record.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Rehearsal])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise Refused("--record", str(file), f"name a record of rehearsals or a new file: {error}") from error


def write_record(file: Path, runs: Iterable[Rehearsal]) -> Path:
    """Replace the runs of these scenarios in a record, and write its page next to it; return the page's path."""
    names = [scenario.name for scenario in SCENARIOS]
    merged = {**read_record(file), **{run.scenario: run for run in runs}}
    kept = {name: dataclasses.asdict(merged[name]) for name in names if name in merged}
    text = json.dumps(kept, indent=2, default=lambda value: value.isoformat(), allow_nan=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")
    return write_page(file)


def write_page(file: Path) -> Path:
    """Write the page of a record next to it, and return its path."""
    page = file.with_suffix(".md")
    page.write_text(render_page(SCENARIOS, read_record(file)), encoding="utf-8")
    return page


if __name__ == "__main__":
    write_page(RECORD)
