"""Headless Chromium in tests, and how a test waits for a page in it.

A page may be replaced between two commands of a test. The driver refuses the second one then, in several ways (a stale
element, a node of another document, no execution context), so a test waits with the functions below and with nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

AXE = Path(__file__).resolve().parents[1] / "node_modules" / "axe-core" / "axe.min.js"
WAIT_SECONDS = 20
MOST_TABS = 60
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    # Nothing leaves this machine, whatever a page or the browser itself would like to look up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE ::1",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """One browser for all tests of this module; each starts with a clean jar of cookies."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        assert os.environ.get("BROWSER_REQUIRED") != "1", "chromium and chromedriver are required here: make browser"
        pytest.skip("no Chromium here: make browser installs it")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def wait(
    browser: Any,
    condition: Callable[[], Any],
    reason: str = "the condition does not hold",
    seconds: float = WAIT_SECONDS,
) -> Any:
    """Wait until a condition holds, and return what it gave.

    A condition that the driver refuses is tried again: its page is being replaced. What the driver refuses until the end
    is in the error, an AssertionError.
    """
    refused: list[str] = []

    def holds(_: Any) -> Any:
        refused.clear()
        try:
            return condition()
        except WebDriverException as refusal:
            refused.append(refusal.msg or str(refusal))
            return False

    try:
        return WebDriverWait(browser, seconds, 0.02).until(holds)
    except TimeoutException as late:
        raise AssertionError(": ".join([f"{reason}{_place(browser)}", *refused])) from late


def _place(browser: Any) -> str:
    """Return where the browser is, for an error; nothing if it does not say."""
    try:
        return f", at {browser.current_url}"
    except (AttributeError, WebDriverException):
        return ""


def is_complete(browser: Any) -> bool:
    """Whether the page is there as a whole."""
    return bool(browser.execute_script("return document.readyState") == "complete")


def heading(browser: Any) -> str:
    """Return the heading of the page."""
    return str(browser.find_element(By.TAG_NAME, "h1").text)


def sees(browser: Any, text: str) -> None:
    """Wait for a whole page whose heading has the text."""
    wait(browser, lambda: is_complete(browser) and text in heading(browser), f"waited for the heading {text!r}")


@contextmanager
def new_page(browser: Any, otherwise: Callable[[], Any] = lambda: False) -> Iterator[None]:
    """Wait for the whole page that replaces this one after the block, or for another end."""
    before = staleness_of(browser.find_element(By.TAG_NAME, "html"))
    yield
    wait(browser, lambda: otherwise() or (before(browser) and is_complete(browser)), "no new page")


def follow(browser: Any, by: str, value: str) -> None:
    """Click a link or a button, and wait for the page that it leads to: a click may return while the old one is shown."""
    with new_page(browser):
        browser.find_element(by, value).click()


def show(browser: Any, url: str, scheme: str = "light", width: int = 1280) -> None:
    """Load a page in a colour scheme and a width in CSS pixels; what was logged before is forgotten."""
    browser.get_log("browser")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(url)


def focused(browser: Any) -> WebElement:
    """Return the element that has the keyboard."""
    found: WebElement = browser.switch_to.active_element
    return found


def press(browser: Any, *keys: str) -> None:
    """Press keys, one after the other. A live page may replace the focused element meanwhile."""
    for key in keys:
        wait(browser, lambda key=key: focused(browser).send_keys(key) or True)


def press_until_gone(browser: Any, by: str, value: str) -> None:
    """Press Enter on an element that goes then, such as a button in a frame. A key may be lost while its page is loaded."""

    def gone() -> bool:
        try:
            return not browser.find_elements(by, value)
        except WebDriverException:  # with its frame
            return True

    for seconds in (WAIT_SECONDS / 4, WAIT_SECONDS):
        wait(browser, lambda: gone() or browser.find_element(by, value).send_keys(Keys.ENTER) or True)
        with suppress(AssertionError):
            return wait(browser, gone, f"{value} stays", seconds)
    raise AssertionError(f"{value} stays, although Enter was pressed twice")


def tab(browser: Any) -> tuple[str, str]:
    """Move the keyboard to the next element; return its text and its name."""
    press(browser, Keys.TAB)

    def labels() -> tuple[str, str]:
        here = focused(browser)
        return here.text, here.get_attribute("name") or ""

    found: tuple[str, str] = wait(browser, labels)
    return found


def go_to(browser: Any, text: str) -> None:
    """Move the keyboard to a link, a field or a button."""
    seen = []
    for _ in range(MOST_TABS):
        seen.append(tab(browser))
        if text in seen[-1]:
            return
    raise AssertionError(f"the keyboard does not get to {text}; on the way were {seen}")


def axe_findings(browser: Any) -> list[str]:
    """Return what axe-core finds; it runs in an isolated world, because the page's policy forbids scripts."""
    frame = browser.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]["frame"]["id"]
    world = browser.execute_cdp_cmd("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})
    run = (
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
        ".then(found => JSON.stringify(found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html))))"
    )
    answer = browser.execute_cdp_cmd(
        "Runtime.evaluate",
        {
            "expression": f"{AXE.read_text(encoding='utf-8')};\n{run}",
            "contextId": world["executionContextId"],
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    assert "exceptionDetails" not in answer, answer
    found: list[str] = json.loads(answer["result"]["value"])
    return found
