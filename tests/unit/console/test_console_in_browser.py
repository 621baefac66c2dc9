"""The console in a real browser: by keyboard alone, in both schemes, from 320 px on, without a finding of axe-core."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser import axe_findings, chromium, focused, go_to, press, sees, show, wait
from tests.served_console import HOSTILE, PAGES, append_decision, busy_scene, scene_in_flight, served

__all__ = ["chromium"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def console():
    with served(busy_scene(HOSTILE).context) as console:
        yield console


@pytest.fixture
def browser(chromium, console):
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.get(console.guard.first_address)
    return chromium


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_any_screen_in_both_schemes_without_an_error(browser, console, path, scheme):
    for width in (320, 1280):
        show(browser, f"{console.url}{path}", scheme, width)
        widths = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[1] == width
        assert widths[0] <= width
        assert browser.get_log("browser") == []
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}[scheme]
    assert axe_findings(browser) == []


def test_the_key_is_not_left_in_the_address(browser, console):
    assert browser.current_url == f"{console.url}/"
    assert browser.execute_script("return document.cookie") == ""


def test_nothing_of_another_host_is_loaded(browser, console):
    show(browser, f"{console.url}/deployments/d-1")
    wait(browser, lambda: browser.find_element(By.TAG_NAME, "main").get_attribute("data-at"))
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    assert loaded
    assert all(name.startswith(console.url) for name in loaded)


def test_a_person_with_a_keyboard_gets_from_the_first_page_to_a_deployment_and_its_report(browser, console):
    show(browser, f"{console.url}/")
    wait(browser, lambda: browser.find_element(By.TAG_NAME, "main").get_attribute("data-at"))
    press(browser, Keys.TAB)
    assert focused(browser).text == "Skip to the content"
    press(browser, Keys.ENTER)
    assert focused(browser).tag_name == "main"
    for link, path in (("d-1", "/deployments/d-1"), ("Report with every evaluation", "/deployments/d-1/report")):
        for _ in range(60):
            press(browser, Keys.TAB)
            if focused(browser).tag_name == "a" and link in focused(browser).text:
                break
        assert link in focused(browser).text
        outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px"
        press(browser, Keys.ENTER)
        wait(browser, lambda address=f"{console.url}{path}": browser.current_url == address)
        wait(browser, lambda: browser.execute_script("return document.readyState") == "complete")
        wait(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, "main[data-events]:not([data-at])"))


def test_a_person_with_a_keyboard_promotes_a_deployment_after_a_confirmation(chromium):
    scene, _ = scene_in_flight()
    with served(scene.context) as console:
        chromium.get(console.guard.first_address)
        show(chromium, f"{console.url}/deployments/d-1", width=320)
        wait(chromium, lambda: chromium.find_element(By.TAG_NAME, "main").get_attribute("data-at"))
        go_to(chromium, "Promote…")
        press(chromium, Keys.ENTER)
        sees(chromium, "Promote d-1 now?")
        assert scene.cloud.ledger.pending_command("d-1") is None
        assert axe_findings(chromium) == []
        go_to(chromium, "requested by")
        press(chromium, Keys.CONTROL + "a", Keys.DELETE, Keys.ENTER)
        # The browser itself asks for the name.
        assert chromium.find_element(By.TAG_NAME, "h1").text == "Promote d-1 now?"
        press(chromium, "bob", Keys.ENTER)
        sees(chromium, "Done")
        assert scene.cloud.ledger.pending_command("d-1").by == "bob"
        assert axe_findings(chromium) == []
        go_to(chromium, "Continue")
        press(chromium, Keys.ENTER)
        wait(chromium, lambda: chromium.current_url == f"{console.url}/deployments/d-1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_refusal_is_a_page_that_fits_and_is_read_in_both_schemes(browser, console, scheme):
    show(browser, f"{console.url}/actions/freeze/local", scheme, 320)
    browser.find_element(By.NAME, "reason").send_keys("again", Keys.ENTER)
    wait(browser, lambda: browser.find_elements(By.ID, "error"))
    assert "frozen" in browser.find_element(By.ID, "error").text
    widths = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]
    assert axe_findings(browser) == []


def test_another_page_of_the_same_machine_cannot_act(chromium):
    scene, _ = scene_in_flight()
    with served(scene.context) as console, served(scene.context) as other:
        chromium.get(console.guard.first_address)
        chromium.get(other.guard.first_address)
        target = f"{console.url}/actions/promote/d-1"
        token = console.guard.token("promote", "d-1")
        script = (
            "return fetch(arguments[0], {method: 'POST', mode: 'no-cors', credentials: 'include',"
            " headers: {'Content-Type': 'application/x-www-form-urlencoded'},"
            " body: new URLSearchParams({token: arguments[1], 'requested by': 'eve'})})"
            ".then(() => 'sent').catch(() => 'not sent')"
        )
        assert chromium.execute_script(script, target, token) == "not sent"
        assert scene.cloud.ledger.pending_command("d-1") is None


def test_a_live_page_changes_without_being_loaded_again_and_the_keyboard_stays_where_it_was(chromium):
    scene, record = scene_in_flight()
    with served(scene.context) as console:
        chromium.get(console.guard.first_address)
        show(chromium, f"{console.url}/deployments/d-1")
        main = chromium.find_element(By.TAG_NAME, "main")
        wait(chromium, lambda: main.get_attribute("data-at"))
        assert chromium.find_element(By.ID, "connection").text == "SHIFTING, step 1 of 2, 10 % to canary"
        rows = len(chromium.find_elements(By.CSS_SELECTOR, "#timeline tbody tr"))
        link = chromium.find_element(By.CSS_SELECTOR, "#more a")
        link.send_keys("")
        chromium.execute_script("arguments[0].focus(); window.marked = 1", link)
        append_decision(scene, record, 4)
        wait(chromium, lambda: len(chromium.find_elements(By.CSS_SELECTOR, "#timeline tbody tr")) == rows + 1)
        assert chromium.execute_script("return window.marked") == 1
        assert focused(chromium).text == "Report with every evaluation"
        assert axe_findings(chromium) == []


def test_what_a_page_had_when_it_was_loaded_is_not_written_again(browser, console):
    show(browser, f"{console.url}/recoveries/dr-9")
    browser.execute_script("document.querySelector('#more a').marked = 1")
    wait(browser, lambda: browser.find_element(By.TAG_NAME, "main").get_attribute("data-at"))
    assert browser.execute_script("return document.querySelector('#more a').marked") == 1


def test_a_page_that_is_not_seen_keeps_no_connection(browser, console):
    show(browser, f"{console.url}/deployments/d-1")
    wait(browser, lambda: "d-1" in console.console.broadcast.watched)
    browser.get(f"{console.url}/deployments")
    wait(browser, lambda: not console.console.broadcast.watched)


def test_without_scripts_a_live_page_is_complete_and_loads_itself_again(browser, console):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{console.url}/deployments/d-1")
        assert browser.find_element(By.CSS_SELECTOR, "#traffic tbody tr")
        assert browser.find_elements(By.CSS_SELECTOR, "meta[http-equiv=refresh]")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_console_that_stops_is_said_on_its_live_pages(chromium):
    with served(scene_in_flight()[0].context) as console:
        chromium.get(console.guard.first_address)
        show(chromium, f"{console.url}/deployments/d-1")
        main = chromium.find_element(By.TAG_NAME, "main")
        wait(chromium, lambda: main.get_attribute("data-at"))
    connection = chromium.find_element(By.ID, "connection")
    wait(chromium, lambda: "does not answer" in connection.text)
