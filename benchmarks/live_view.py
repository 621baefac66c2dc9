"""The live view of a long deployment: its share of a core, and how late it is, compared with its limits.

The ledger is in memory, as botocore answers it. The deployment has `DECISIONS` decisions, and a new one appears every
`NEW_SECONDS`. The view draws to a terminal of 120 columns and 50 lines.
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import redirect_stdout
from dataclasses import replace

from benchmarks import Line, report
from orchestrator.cli.live.deployment_tree import draw_deployment
from orchestrator.cli.live.operator_keys import OperatorKeys
from orchestrator.cli.live.snapshots import DeploymentReader
from orchestrator.cli.live.views import LiveView
from orchestrator.cli.rendering.follow import POLL_SECONDS
from orchestrator.cli.rendering.screen import Screen
from orchestrator.domain.deployment.record import DecisionEntry, Deployment
from tests import followed
from tests.unit.cli.actions.scenes import Scene

DECISIONS = 300
NEW_SECONDS = 5.0
SECONDS = 60.0
CORE_PERCENT = 5.0
LAG_SECONDS = 1.0
WIDTH, HEIGHT = 120, 50


def measure(seconds: float = SECONDS, decisions: int = DECISIONS) -> tuple[list[Line], list[str]]:
    """Return the measurements, and notes on how they were taken.

    Args:
        seconds: how long the deployment is watched, in simulated time; only the processor's time is real.
        decisions: how many it has had before.
    """
    scene, record = _long_deployment(decisions)
    clock, ledger = scene.clock, scene.cloud.ledger
    written = io.StringIO()
    screen = Screen(file=written, width=WIDTH, height=HEIGHT, force_terminal=True, color_system="truecolor")
    view = LiveView(screen, clock.advance, draw_deployment, OperatorKeys((), "again"), None, "again")
    reader, lags, number = DeploymentReader(scene.context, record.id), list[float](), decisions
    began, end = time.process_time(), clock.seconds() + seconds
    next_at, new_at = clock.seconds() + NEW_SECONDS, dict[int, float]()
    cpu_of_ledger = 0.0
    with redirect_stdout(sys.stderr), view:
        shown = reader.read_snapshot(ledger.read_record(record.id))
        first = time.process_time() - began
        began = time.process_time()
        while clock.seconds() < end:
            if clock.seconds() >= next_at:
                writing = time.process_time()
                number += 1
                _append(scene, record, number)
                new_at[number] = next_at
                next_at += NEW_SECONDS
                cpu_of_ledger += time.process_time() - writing
            shown = reader.read_snapshot(ledger.read_record(record.id))
            view.show(shown)
            for entry in shown.decisions[decisions:]:
                if entry.number in new_at:
                    lags.append(clock.seconds() - new_at.pop(entry.number))
            view.wait(POLL_SECONDS)
        used = time.process_time() - began - cpu_of_ledger
    percent = 100 * used / seconds
    lines = [
        Line("processor time while watching", percent, "%", CORE_PERCENT, "of a core"),
        # A decision that is written right after a poll waits for the next one.
        Line("longest lag behind the ledger", max(lags) + POLL_SECONDS, "s", LAG_SECONDS, "limit"),
    ]
    notes = [
        f"{decisions} decisions, {seconds:.0f} s, a poll every {POLL_SECONDS} s, {len(written.getvalue()):,} characters",
        f"the first read of all decisions takes {first:.2f} s of processor time",
    ]
    return lines, notes


def _long_deployment(decisions: int) -> tuple[Scene, Deployment]:
    scene = Scene()
    values = vars(followed.in_flight())
    record = scene.record(**{name: value for name, value in values.items() if name not in {"environment", "execution"}})
    scene.create(record)()
    scene.holding_lock()
    for number in range(1, decisions + 1):
        _append(scene, record, number)
    return scene, record


def _append(scene: Scene, record: Deployment, number: int) -> None:
    scene.cloud.ledger.append_decision(_decision(scene, number), record, scene.cloud.ledger.read_lock().fencing_token)


def _decision(scene: Scene, number: int) -> DecisionEntry:
    newest = followed.DECISIONS[-1]
    return replace(newest, number=number, entered=f"t{number}", at=scene.clock.now())


if __name__ == "__main__":
    sys.exit(report("live_view", *measure()))
