"""The gates of a deployment, and the environment's own checks of an evaluation, for `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.cli.rendering.local_times import local_time
from orchestrator.domain.deployment.record import DecisionEntry, Deployment

CHECKS = "custom_checks"
CHECK_COLUMNS = ("check", "verdict", "canary", "stable", "limit", "decides")


def gate_lines(deployment: Deployment) -> list[str]:
    """Return one line a gate of the plan: what it waits for, and whether it has passed."""
    reached = {record.gate: record for record in deployment.gates}
    lines = []
    for index, gate in enumerate(deployment.plan.gates):
        record, state = reached.get(index), "not reached"
        if record is not None and record.passed_at is not None:
            state = f"passed at {local_time(record.passed_at)} by {record.by}"
        elif record is not None:
            state = (
                f"reached at {local_time(record.reached_at)}, deadline {local_time(record.reached_at + gate.deadline)}"
            )
        lines.append(f"gate {gate.description}: {state}")
    return lines


def custom_check_rows(entry: DecisionEntry) -> list[tuple[str, ...]]:
    """Return the environment's own checks of an evaluation, one row each."""
    figures: Mapping[str, Any] = next((one.figures for one in entry.evidence if one.probe == CHECKS), {})
    return [_check_row(name, check) for name, check in figures.get("checks", {}).items()]


def _check_row(name: str, check: Mapping[str, Any]) -> tuple[str, ...]:
    canary, stable = (f"{check[side]['bad']} of {check[side]['trials']}" for side in ("canary", "stable"))
    limit = check["limit_percent"]
    allowed = f"stable + {check['margin_percent']:g} points" if limit is None else f"at most {limit:.3g} %"
    return name, check["verdict"], canary, stable, allowed, "no, dry run" if check["dry_run"] else "yes"
