"""``python -m tests.status_page_image``: draw the status page with an incident, as its readers see it.

The image is docs/images/status-page.png. It needs Chromium (`make browser`).
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

from benchmarks._chromium import chromium
from orchestrator.cli.actions.status_page.serve import SiteServer
from tests.unit.domain.status_page.pages import busy_page

IMAGE = Path(__file__).resolve().parents[1] / "docs/images/status-page.png"
WIDTH, HEIGHT = 1000, 1000


def main() -> None:
    """Write the image."""
    page = replace(busy_page(), takes_subscribers=True)
    with SiteServer(lambda _: page) as server, chromium() as browser:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        browser.get(f"{server.url}/")
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        IMAGE.write_bytes(b64decode(taken["data"]))


if __name__ == "__main__":
    main()
