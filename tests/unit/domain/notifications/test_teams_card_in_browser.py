"""The card for Microsoft Teams in Microsoft's own renderer: it is valid, and shows every text as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.notifications.notification import Transition
from tests.browser import chromium
from tests.teams_card_image import card_of, render, rollback
from tests.unit.domain.notifications.test_delivery import notification
from tests.unit.domain.notifications.test_providers import HOSTILE

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

HARMLESS = HOSTILE.replace("\x1b", "").replace("\n", " ")
MESSAGES = {
    "rollback": rollback(),
    "hostile": notification(Transition.TRIGGER, title=HARMLESS, reason=HARMLESS, impact=HARMLESS),
    "with a link": replace(rollback(), address="https://console.example.com/deployments/d-1"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_renderer_finds_nothing_wrong_and_interprets_no_text(chromium, tmp_path, name):
    message = MESSAGES[name]
    chromium.get_log("browser")
    assert render(chromium, card_of(message), tmp_path) == []
    shown = chromium.execute_script("return document.body.innerText")
    assert message.title in shown
    for label, text in message.facts:
        assert f"{label}: {text}" in shown
    elements = "return [...document.querySelectorAll('a, b, img, h1, script')].map(one => one.outerHTML)"
    assert chromium.execute_script(elements) == []
    assert chromium.get_log("browser") == []


def test_a_card_that_breaks_the_schema_is_found(chromium, tmp_path):
    card = card_of(MESSAGES["with a link"])
    del card["actions"][0]["url"]
    card["body"].append({"type": "Text"})
    assert len(render(chromium, card, tmp_path)) >= 2
