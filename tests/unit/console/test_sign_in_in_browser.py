"""Sign-in to the console in a real browser, by keyboard, with the OAuth service in a process of its own."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from orchestrator.aws.http_client import HttpClient
from orchestrator.console.app import Site
from orchestrator.console.guard import Guard
from orchestrator.console.live import Broadcast
from orchestrator.console.server import bound
from orchestrator.console.sign_in.entrance import Entrance
from orchestrator.console.sign_in.oauth_service import OAuthService
from tests.browser import axe_findings, chromium, go_to, heading, press, sees, show, wait
from tests.console_sign_in import ADA, SETTINGS, with_console
from tests.served_console import KEY, scene_in_flight, serving_site
from tests.unit.service.conftest import aws, keys, new_variables, platform_url, serving
from tests.unit.service.person import Person

__all__ = ["aws", "chromium", "keys", "platform_url"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service_url(aws, keys, platform_url, tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The console compares the issuer, so it has to be the address.
    address = {"PORT": str(port), "ISSUER": f"http://127.0.0.1:{port}"}
    variables = with_console({**new_variables(aws, keys, platform_url), **address})
    with serving(aws, variables, tmp_path_factory.mktemp("service")) as url:
        yield url


@contextmanager
def console_of(context, service_url, settings=SETTINGS):
    """Serve a console whose people sign in at the service; gives its address."""
    with bound(0) as listening:
        guard = Guard(KEY, listening.getsockname()[1])
        service = OAuthService(HttpClient(), service_url, settings, time.time)
        site = Site(context, guard, Broadcast(0.05), Entrance("local", guard, service, lambda: settings))
        with serving_site(site, listening):
            yield guard.address.rstrip("/")


@pytest.fixture
def browser(chromium):
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    return chromium


def sign_in(browser, account="ada"):
    """Sign in from the page that says so, with Tab and Enter alone."""
    assert heading(browser) == "Sign in"
    go_to(browser, "Sign in")
    press(browser, Keys.ENTER)
    person = Person(browser, None, None).sees("Log in to").press("Continue with Demo platform").sees("Share with")
    requested = browser.find_element(By.TAG_NAME, "ul").text
    assert "act on the deployment console" in requested
    person.press("Allow").sees("Log in at Demo platform").choose(account)


def test_a_person_signs_in_by_keyboard_acts_under_their_name_and_signs_out(browser, service_url):
    scene, _ = scene_in_flight()
    with console_of(scene.context, service_url) as url:
        show(browser, f"{url}/deployments/d-1", width=320)
        sign_in(browser)
        wait(browser, lambda: browser.current_url == f"{url}/deployments/d-1")
        assert browser.execute_script("return document.cookie") == ""
        wait(browser, lambda: browser.find_element(By.TAG_NAME, "main").get_attribute("data-at"))
        assert f"Ada Lovelace ({ADA}), operator" in browser.find_element(By.CLASS_NAME, "person").text
        is_read_in_both_schemes(browser)
        go_to(browser, "Promote…")
        press(browser, Keys.ENTER)
        sees(browser, "Promote d-1 now?")
        assert browser.find_elements(By.NAME, "requested by") == []
        go_to(browser, "Promote")
        press(browser, Keys.ENTER)
        sees(browser, "Done")
        assert scene.cloud.ledger.pending_command("d-1").by == f"Ada Lovelace ({ADA})"
        go_to(browser, "Sign out")
        press(browser, Keys.ENTER)
        sees(browser, "Sign out?")
        go_to(browser, "Sign out")  # in the line of the person
        go_to(browser, "Sign out")  # the button
        press(browser, Keys.ENTER)
        sees(browser, "Signed out")
        assert axe_findings(browser) == []
        browser.get(f"{url}/deployments/d-1")
        assert heading(browser) == "Sign in"


def is_read_in_both_schemes(browser):
    """Check the page that the browser shows, without loading it again."""
    widths = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert axe_findings(browser) == []


def test_a_viewer_who_wants_to_act_gets_a_page_that_says_who_may(browser, service_url):
    scene, _ = scene_in_flight()
    with console_of(scene.context, service_url) as url:
        show(browser, f"{url}/deployments/d-1", width=320)
        is_read_in_both_schemes(browser)
        sign_in(browser, "grace")
        wait(browser, lambda: browser.current_url == f"{url}/deployments/d-1")
        go_to(browser, "Promote…")
        press(browser, Keys.ENTER)
        sees(browser, "Not permitted")
        assert "only an operator may act" in browser.find_element(By.TAG_NAME, "main").text
        is_read_in_both_schemes(browser)
        assert scene.cloud.ledger.pending_command("d-1") is None


def test_a_person_who_is_not_listed_reads_what_to_add(browser, service_url):
    scene, _ = scene_in_flight()
    settings = replace(SETTINGS, operators=("demo:other",))
    with console_of(scene.context, service_url, settings) as url:
        show(browser, f"{url}/", width=320)
        sign_in(browser)
        sees(browser, "Sign-in failed")
        assert ADA in browser.find_element(By.TAG_NAME, "main").text
        is_read_in_both_schemes(browser)


def test_a_live_page_says_that_its_person_was_signed_out(browser, service_url):
    scene, _ = scene_in_flight()
    with console_of(scene.context, service_url) as url:
        show(browser, f"{url}/deployments/d-1")
        sign_in(browser)
        wait(browser, lambda: browser.current_url == f"{url}/deployments/d-1")
        wait(browser, lambda: browser.find_element(By.TAG_NAME, "main").get_attribute("data-at"))
        browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        # A page that is seen again opens its stream again.
        browser.execute_script("dispatchEvent(new Event('pagehide')); dispatchEvent(new Event('pageshow'))")
        connection = browser.find_element(By.ID, "connection")
        wait(browser, lambda: "load it again" in connection.text)
