"""The time of a rehearsed failover beyond its restores, on two local regions: ``python -m benchmarks.failover``.

The home region is lost, and returns in the middle. Restores take seconds here and 20 minutes and more in an account, so
they are subtracted. The wait for leases runs while the tables are restored in an account; here it comes after.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import Line, report
from orchestrator.domain.failover.steps import RULES
from orchestrator.local import failover_rehearsal
from orchestrator.local.failover_rehearsal import FailoverReport

LIMIT_SECONDS = 120.0


def lines_of(rehearsed: FailoverReport) -> tuple[list[Line], list[str]]:
    """Return the lines of a rehearsal, and its notes."""
    beyond = rehearsed.beyond_restores.total_seconds()
    steps = [
        Line(
            f"step {result.step}",
            result.took.total_seconds(),
            "s",
            RULES[result.step].expected.total_seconds(),
            "expected",
        )
        for result in rehearsed.failover.results
    ]
    overlap = 0.0
    if rehearsed.last_home and rehearsed.first_standby:
        overlap = max((rehearsed.last_home - rehearsed.first_standby).total_seconds(), 0.0)
    lines = [
        Line("recovery time beyond the restores of the tables", beyond, "s", LIMIT_SECONDS, "limit"),
        Line("time in which both regions issued tokens", overlap, "s", 0.0, "limit"),
        *steps,
    ]
    notes = [
        f"restores took {rehearsed.restoring.total_seconds():.1f} s, the wait for leases {rehearsed.leases.total_seconds():.1f} s",
        f"tokens by region: {dict(rehearsed.issued)}; the home region refused {rehearsed.home_refused} requests after its return",
    ]
    return lines, notes


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="failover-") as folder:
        rehearsed = failover_rehearsal.rehearse(Path(folder), "us-east-2", lambda _message: None)
    return report("failover", *lines_of(rehearsed))


if __name__ == "__main__":
    sys.exit(main())
