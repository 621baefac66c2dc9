"""``python -m tests.console_image``: draw the console's page of a deployment before a rollback, in both colour schemes.

The images are docs/images/console.png and console-dark.png. The deployment is the example of the live view's image. It
needs Chromium (`make browser`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks._chromium import chromium
from tests.live_view_image import example
from tests.screenshots import resize, screenshot
from tests.served_console import ConsoleScene, served

ROOT = Path(__file__).resolve().parents[1]
IMAGES = {"light": ROOT / "docs/images/console.png", "dark": ROOT / "docs/images/console-dark.png"}
"""The image of each colour scheme."""
HEIGHT = 880


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
    scene = example_scene()
    (record,) = scene.cloud.ledger.newest_records(1)
    with served(scene.context) as console, chromium() as browser:
        resize(browser, HEIGHT)
        browser.get(console.guard.first_address)
        for scheme, image in IMAGES.items():
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            browser.get(f"{console.url}/deployments/{record.id}")
            screenshot(browser, image)


if __name__ == "__main__":
    main()
