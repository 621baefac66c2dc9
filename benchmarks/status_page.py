"""How soon clients see a bad release on the status page, and how soon they see that it is over.

A release that answers some token requests with 500 is deployed to a local cloud under traffic. The page is served as
`orchestrator status-page serve` serves it, and headless Chromium loads it again and again. Measured are the seconds from
the alarm until the page no longer says that all is well, and from the moment at which every alias is back on stable until
it says so again. The alarm itself ends only later, when its periods are good (ADR 72).
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import Line, report
from benchmarks._chromium import chromium
from orchestrator import environments
from orchestrator.application.status_page.publish import observe_page
from orchestrator.cli.actions.status_page.serve import POLL_SECONDS, SiteServer
from orchestrator.cli.context import Context
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment, local_environment
from orchestrator.local.traffic_generator import Traffic

LIMIT_SECONDS = 10.0
RATE_PER_SECOND = 24.0
BASELINE_SECONDS = 15.0
TIMEOUT_SECONDS = 600.0
LOOK_SECONDS = 0.25
STEPS = ({"weight_percent": 50, "bake_seconds": 60},)
RELEASE = "token-500s"
WELL = ComponentState.OPERATIONAL.value


def measure() -> tuple[list[Line], list[str]]:
    """Return the two figures, and what the page said."""
    with (
        tempfile.TemporaryDirectory() as state,
        local_environment(Path(state), seed=1) as here,
        Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND, seed=1),
        _served(here) as address,
        chromium() as browser,
    ):
        if browser is None:
            raise SystemExit("Chromium is not installed: run `make browser` as root")
        # The page knows the service by its newest deployment.
        here.deploy_release("good")
        here.start_deployment("d-good", strategy="all-at-once")
        here.wait_for_deployment("d-good", TIMEOUT_SECONDS)
        time.sleep(BASELINE_SECONDS)
        headlines = Headlines(browser, address)
        headlines.wait_for(well=True)
        here.deploy_release(RELEASE)
        here.start_deployment(f"d-{RELEASE}", strategy={"type": "canary", "steps": list(STEPS)})
        bad_at = headlines.wait_for(well=False)
        well_at = headlines.wait_for(well=True)
        ended = here.wait_for_deployment(f"d-{RELEASE}", TIMEOUT_SECONDS)
        alarm_at = _alarm_time(here, ended)
    if bad_at < alarm_at:
        raise SystemExit(f"the page was not well before the alarm ({headlines.seen}): measure on a quieter machine")
    assert ended.rollback is not None
    assert ended.rollback.reverted_at is not None
    lines = [
        Line("alarm until the page shows it", bad_at - alarm_at, "s", LIMIT_SECONDS, "limit"),
        Line(
            "aliases on stable until the page is well",
            well_at - ended.rollback.reverted_at.timestamp(),
            "s",
            LIMIT_SECONDS,
            "limit",
        ),
    ]
    return lines, [f"{ended.outcome}: {ended.reason}", *headlines.seen]


def _alarm_time(here: LocalEnvironment, ended: Deployment) -> float:
    """Return when the alarm that started the rollback fired."""
    events = [event for event in here.cloud.ledger.read_events(50) if event.deployment == ended.id and event.acted]
    return min(event.at for event in events).timestamp()


class Headlines:
    """The headline of the page, as a browser shows it.

    Args:
        browser: Selenium's driver.
        address: of the page.
    """

    def __init__(self, browser: Any, address: str) -> None:
        self._browser, self._address = browser, address
        self.seen: list[str] = []

    def wait_for(self, *, well: bool) -> float:
        """Load the page until its headline is, or is not, that all is well; return the time in epoch seconds.

        Raises:
            TimeoutError: it is not within `TIMEOUT_SECONDS`.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self._browser.get(self._address)
            at, heading = time.time(), self._browser.find_element("css selector", "h1.overall")
            if not self.seen or self.seen[-1] != heading.text:
                self.seen.append(heading.text)
            if (WELL in heading.get_attribute("class").split()) is well:
                return at
            time.sleep(LOOK_SECONDS)
        raise TimeoutError(f"the page says {self.seen[-1]!r} after {TIMEOUT_SECONDS:g} s")


@contextmanager
def _served(here: LocalEnvironment) -> Iterator[str]:
    """Serve the page, and take it anew as the command does."""
    context = Context(
        environments.load(ENVIRONMENT).with_addresses(endpoint_url=here.local.endpoint_url), here.cloud.clients
    )
    ended = threading.Event()
    with SiteServer(lambda address: observe_page(context.cloud, address)) as server:

        def refresh() -> None:
            while not ended.wait(POLL_SECONDS):
                server.refresh()

        thread = threading.Thread(target=refresh)
        thread.start()
        try:
            yield f"{server.url}/"
        finally:
            ended.set()
            thread.join()


if __name__ == "__main__":
    sys.exit(report("status_page", *measure()))
