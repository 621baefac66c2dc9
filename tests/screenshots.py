"""Images of pages in headless Chromium. ``python -m tests.screenshots PAGE.html IMAGE.png`` draws a page that a command wrote."""

from __future__ import annotations

import argparse
from base64 import b64decode
from pathlib import Path
from typing import Any

from benchmarks._chromium import chromium

WIDTH = 1000


def resize(browser: Any, height: int, width: int = WIDTH) -> None:
    """Set the size of the page in CSS pixels, without scroll bars."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})


def screenshot(browser: Any, image: Path) -> None:
    """Write what the browser shows as PNG."""
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    image.write_bytes(b64decode(taken["data"]))


def main() -> None:
    """Draw the top of a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description="Draw the top of a page as PNG.")
    parser.add_argument("page", type=Path, metavar="PAGE.html")
    parser.add_argument("image", type=Path, metavar="IMAGE.png")
    parser.add_argument("--height", type=int, default=900, help="of the image in pixels (default: %(default)s)")
    arguments = parser.parse_args()
    with chromium() as browser:
        if browser is None:
            raise SystemExit("chromium: not found. Install it with `make browser`")
        resize(browser, arguments.height)
        browser.get(arguments.page.resolve().as_uri())
        screenshot(browser, arguments.image)


if __name__ == "__main__":
    main()
