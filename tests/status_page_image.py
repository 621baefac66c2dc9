"""``python -m tests.status_page_image``: draw the status page with an incident, as its readers see it.

The image is docs/images/status-page.png. It needs Chromium (`make browser`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks._chromium import chromium
from orchestrator.cli.actions.status_page.serve import SiteServer
from tests.screenshots import resize, screenshot
from tests.unit.domain.status_page.pages import busy_page

IMAGE = Path(__file__).resolve().parents[1] / "docs/images/status-page.png"
HEIGHT = 1000


def main() -> None:
    """Write the image."""
    page = replace(busy_page(), takes_subscribers=True)
    with SiteServer(lambda _: page) as server, chromium() as browser:
        resize(browser, HEIGHT)
        browser.get(f"{server.url}/")
        screenshot(browser, IMAGE)


if __name__ == "__main__":
    main()
