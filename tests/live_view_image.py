"""``python -m tests.live_view_image``: draw docs/images/live-view.svg, the live view a moment before a rollback.

The deployment is the example of `tests/followed.py`, whose canary returns 5xx to some token requests.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from orchestrator.cli.live.deployment_tree import draw_deployment
from orchestrator.cli.live.drawing import EntryLines, Frame
from orchestrator.cli.live.layout import UNICODE
from orchestrator.cli.live.operator_keys import OperatorKeys, deployment_actions
from orchestrator.cli.live.snapshots import DeploymentSnapshot
from orchestrator.domain.deployment.decision import Decision
from orchestrator.domain.deployment.record import DecisionEntry, Release
from orchestrator.domain.verdict import Verdict
from tests import followed
from tests.samples import NOW, seconds

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "docs/images/live-view.svg"
WIDTH, HEIGHT = 104, 42


def example() -> DeploymentSnapshot:
    """Return the example after its third evaluation, whose odds are near the threshold."""
    record = followed.in_flight(
        id="d-20261123T030000Z-5c1d7a", release=Release("sha256:7f3a9c0d5e12"), environment="local"
    )
    reasons = ("verified before traffic", "evaluation 1: too few requests on canary: token:15 31 of 50")
    trending = "evaluation 2: trending worse, not proved: token:15 returns 5xx: 7 of 90, token:14 1 of 810"
    decisions = [
        _because(entry, reason) for entry, reason in zip(followed.DECISIONS, [*reasons, trending], strict=True)
    ]
    decisions[-1] = replace(decisions[-1], evidence=(followed.metrics(odds=61.3), followed.alarms()))
    return DeploymentSnapshot(record, tuple(decisions), None, (), (), NOW + seconds(34))


def _because(entry: DecisionEntry, reason: str) -> DecisionEntry:
    decision: Decision = replace(entry.decision, reason=reason)
    verdict = entry.verdict and Verdict(entry.verdict.outcome, reason)
    return replace(entry, decision=decision, verdict=verdict)


def draw(shown: DeploymentSnapshot) -> str:
    """Return the view as SVG."""
    screen = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    keys = OperatorKeys(deployment_actions(None, shown.deployment.id, "ann", lambda _execution: None), "")
    drawing = draw_deployment(shown, UNICODE)
    screen.print(Frame(drawing, lambda: drawing, UNICODE, EntryLines(UNICODE), keys, HEIGHT))
    return screen.export_svg(title=f"orchestrator watch {shown.deployment.id}", unique_id="live-view")


def main() -> None:
    """Write the image, with times in UTC."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    IMAGE.parent.mkdir(exist_ok=True)
    IMAGE.write_text(draw(example()), encoding="utf-8")


if __name__ == "__main__":
    main()
