"""``python -m tests.teams_card_image``: draw the message of a rollback as Microsoft's renderer of Adaptive Cards shows it.

The image is docs/images/teams-card.png. It needs Chromium (`make browser`), the npm packages (`make install`) and a font
with emoji (fonts-noto-color-emoji). Teams itself sets other colours and fonts.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks._chromium import chromium
from orchestrator.domain.notifications.bus_event import Objectives
from orchestrator.domain.notifications.bus_events import bus_notifications
from orchestrator.domain.notifications.notification import Audience, Notification
from orchestrator.domain.notifications.providers.chats import teams_request
from tests.screenshots import resize, screenshot

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "docs/images/teams-card.png"
RENDERER = ROOT / "node_modules/adaptivecards/dist/adaptivecards.min.js"
WIDTH, HEIGHT = 640, 300

PAGE = """<!doctype html><meta charset=utf-8><title>card</title>
<style>body{margin:24px;font:15px/1.4 sans-serif;background:#f5f5f5}.ac-adaptiveCard{background:#fff;border-radius:6px;
box-shadow:0 1px 4px #0003}.ac-pushButton{font:inherit;padding:6px 16px;border:1px solid #bbb;border-radius:4px;
background:#fff}</style>"""

RENDER = """
const card = new AdaptiveCards.AdaptiveCard(), context = new AdaptiveCards.SerializationContext();
card.hostConfig = new AdaptiveCards.HostConfig({fontFamily: 'sans-serif', containerStyles: {default: {foregroundColors: {
  default: {default: '#242424'}, attention: {default: '#b3261e'}, warning: {default: '#8a5a00'},
  good: {default: '#1e6b34'}, accent: {default: '#2b579a'}}}}});
card.parse(arguments[0], context);
document.body.replaceChildren(card.render());
return Array.from({length: context.eventCount}, (_, index) => context.getEventAt(index).message)
  .concat(card.validateProperties().validationEvents.map(event => event.message));
"""


def rollback() -> Notification:
    """Return the message of a rollback that has begun."""
    detail = {
        "deployment": "d-20261123T030000Z-5c1d7a",
        "execution": "rollback-d-20261123T030000Z-5c1d7a-1",
        "source": "evaluation",
        "reason": "token:15 returns 5xx: 27 of 180 (15 %), token:14 2 of 1620 (0.1 %); evidence 4100 to 1 against the "
        "canary, 111 to 1 rolls back",
        "at": "2026-11-23T03:04:12+00:00",
    }
    found = bus_notifications("RollbackStarted", detail, "prod", Objectives(7200, 600))
    return next(one for one in found if one.audience is Audience.OPERATORS and not one.only_pagers)


def card_of(notification: Notification) -> Any:
    """Return the Adaptive Card that is sent to Teams."""
    request = teams_request(notification, "https://prod-1.westus.logic.azure.com/workflows/1", local=False)
    return json.loads(request.body)["attachments"][0]["content"]


def render(browser: Any, card: Any, folder: Path) -> list[str]:
    """Show a card in the browser; return what the renderer found wrong in it.

    Args:
        browser: Selenium's driver.
        card: the Adaptive Card.
        folder: for the page.
    """
    page = folder / "card.html"
    page.write_text(PAGE, encoding="utf-8")
    browser.get(page.as_uri())
    browser.execute_script(RENDERER.read_text(encoding="utf-8"))
    found: list[str] = browser.execute_script(RENDER, card)
    return found


def main() -> None:
    """Write the image."""
    with TemporaryDirectory() as folder, chromium() as browser:
        resize(browser, HEIGHT, WIDTH)
        wrong = render(browser, card_of(rollback()), Path(folder))
        assert not wrong, wrong
        screenshot(browser, IMAGE)


if __name__ == "__main__":
    main()
