"""What `make test` leaves to `make test-slow`, so that it ends within ten minutes. `.ci/run` runs both (ADR 86).

These are a seventh of the tests and take two thirds of the time. Most change with something other than the functions and
the command line: the emulator, the stacks and the tools that read their templates, a browser, an earlier release. Others
try what a shorter test of `make test` tries as well, at every state, in every order or with real waits.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

SLOW: Final[dict[str, str]] = {
    "tests/compatibility": "whole flows across two releases on one table",
    "tests/contract": "the local cloud behaves as AWS documents",
    "tests/e2e": "stacks, traffic and waits of the local cloud",
    "tests/edge": "clients that others wrote, through the local API Gateway",
    "tests/grants": "races for one grant, and stores that lose them",
    "tests/infrastructure": "synthesis of all environments' stacks, and the tools that read templates",
    "tests/unit/application/notifications/test_deliveries.py": "deliveries in any order, with every failure",
    "tests/unit/cli/actions/test_status_page_in_browser.py": "a browser",
    "tests/unit/cli/rendering/reports/test_report_in_browser.py": "a browser",
    "tests/unit/console/test_console_in_browser.py": "a browser",
    "tests/unit/console/test_sign_in_in_browser.py": "a browser",
    "tests/unit/domain/notifications/test_teams_card_in_browser.py": "a browser",
    "tests/unit/probes/conformance": "every conformance check against releases that break its rule",
    "tests/unit/service/rollback_alarms": "every fault of the service and of others against every alarm",
    "tests/unit/service/test_browser.py": "a browser",
    "tests/unit/service/test_lost_answers.py": "every request sent again after its answer was lost",
    "tests/unit/service/test_releases.py": "traffic on each example release",
    "tests/unit/test_benchmarks.py": "every benchmark, at a small size",
    "tests/unit/test_wheel.py": "both wheels, built and run without the clone",
    "tests/workflow/test_cutover_loses_nothing.py": "random interleavings of clients and a cutover",
    "tests/workflow/test_failback_loses_nothing.py": "random interleavings of clients and a failback",
    "tests/workflow/test_failovers.py": "every fault at every state of a failover",
    "tests/workflow/test_failovers_back.py": "every fault at every state of the way back",
    "tests/workflow/test_faults.py": "every fault at every state of deployments and rollbacks",
}
"""Files and folders, each with what takes its time."""


def is_slow(path: str) -> bool:
    """Return whether `make test` leaves a file out, by its path from the repository's root."""
    parts = [path, *(parent.as_posix() for parent in PurePosixPath(path).parents)]
    return any(part in SLOW for part in parts)
