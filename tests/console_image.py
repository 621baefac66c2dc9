"""``python -m tests.console_image``: draw the console's page of a deployment before a rollback, in both colour schemes.

The images are docs/images/console.png and console-dark.png. The deployment is the example of the live view's image. It needs Chromium (`make browser`).
"""

from __future__ import annotations

import shutil
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

from selenium import webdriver

from tests.live_view_image import example
from tests.served_console import ConsoleScene, served

ROOT = Path(__file__).resolve().parents[1]
IMAGES = {"light": ROOT / "docs/images/console.png", "dark": ROOT / "docs/images/console-dark.png"}
"""The image of each colour scheme."""
WIDTH, HEIGHT = 1000, 880


def example_scene() -> ConsoleScene:
    """Return an environment with the example's deployment in flight."""
    shown, scene = example(), ConsoleScene()
    record = replace(shown.deployment, execution=scene.execution("deployment", shown.deployment.id))
    scene.create(record)()
    token = scene.holding_lock(record.id)
    for entry in shown.decisions:
        scene.cloud.ledger.append_decision(replace(entry, deployment=record.id), record, token)
    scene.clock.advance((shown.now - scene.clock.now()).total_seconds())
    return scene


def main() -> None:
    """Write the images."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
    ):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    scene = example_scene()
    (record,) = scene.cloud.ledger.newest_records(1)
    try:
        with served(scene.context) as console:
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(console.guard.first_address)
            for scheme, image in IMAGES.items():
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                browser.get(f"{console.url}/deployments/{record.id}")
                taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                image.write_bytes(b64decode(taken["data"]))
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
