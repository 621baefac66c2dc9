"""The status page in a real browser: no overflow at 320 and 1280 px, no error, and no finding of axe-core, in both schemes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from selenium.webdriver.common.by import By

from orchestrator.application.subscribers.endpoint import respond
from orchestrator.cli.actions.status_page.serve import SiteServer
from orchestrator.domain.subscribers.messages import Site, unsubscribe_link
from tests.browser import axe_findings, chromium, follow, show
from tests.fakes.status_pages import StatusWorld
from tests.fakes.subscribers import KEY, SubscriberWorld
from tests.fakes.subscribers import PAGE as PAGE_WITH_SUBSCRIBERS
from tests.unit.domain.status_page.pages import busy_page, decide

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

PAGES = {"busy": lambda: replace(busy_page(), takes_subscribers=True), "quiet": lambda: decide()[0]}
PATHS = [
    ("busy", "/"),
    ("busy", "/history.html"),
    ("busy", "/incidents/i-1.html"),
    ("busy", "/subscribe.html"),
    ("quiet", "/"),
    ("quiet", "/history.html"),
]


@pytest.fixture(scope="module")
def servers():
    pages = {name: make() for name, make in PAGES.items()}
    with SiteServer(lambda _: pages["busy"]) as busy, SiteServer(lambda _: pages["quiet"]) as quiet:
        yield {"busy": busy, "quiet": quiet}


@pytest.mark.parametrize(("name", "path"), PATHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_fits_any_screen_in_both_schemes_without_an_error(chromium, servers, name, path, scheme, width):
    show(chromium, f"{servers[name].url}{path}", scheme, width)
    widths = chromium.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[1] == width
    assert widths[0] <= width
    ground = chromium.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}[scheme]
    assert chromium.get_log("browser") == []
    assert axe_findings(chromium) == []


def test_nothing_of_another_host_is_loaded_and_no_script_runs(chromium, servers):
    show(chromium, f"{servers['busy'].url}/")
    loaded = chromium.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    assert loaded
    assert all(name.startswith(servers["busy"].url) for name in loaded)
    assert chromium.execute_script("return document.scripts.length") == 0


def test_the_bars_of_the_history_are_drawn_and_have_a_name(chromium, servers):
    show(chromium, f"{servers['busy'].url}/")
    bars = chromium.find_elements(By.CSS_SELECTOR, "svg.bars")
    assert [len(one.find_elements(By.TAG_NAME, "rect")) for one in bars] == [90, 90, 90]
    assert all("the last 90 days: uptime" in one.get_attribute("aria-label") for one in bars)
    colours = chromium.execute_script(
        "return [...new Set([...document.querySelectorAll('svg.bars rect')].map(one => getComputedStyle(one).fill))]"
    )
    assert len(colours) >= 3


@pytest.mark.strategy("Status Updates: Service status page")
def test_a_reader_sees_an_alarm_and_its_end(chromium):
    world = StatusWorld()
    from orchestrator.application.status_page.publish import read_page

    with SiteServer(lambda address: read_page(world.cloud, address)) as server:
        show(chromium, f"{server.url}/")
        assert chromium.find_element(By.TAG_NAME, "h1").text.endswith("All systems operational")
        world.alarms.ringing = {"ib-oauth-token-latency-test"}
        server.refresh()
        show(chromium, f"{server.url}/")
        assert chromium.find_element(By.TAG_NAME, "h1").text.endswith("Some systems are degraded")
        assert "Responses are slower than usual." in chromium.find_element(By.ID, "tokens").text
        world.alarms.ringing = set()
        server.refresh()
        show(chromium, f"{server.url}/")
        assert chromium.find_element(By.TAG_NAME, "h1").text.endswith("All systems operational")


def test_every_link_of_the_page_leads_somewhere(chromium, servers):
    show(chromium, f"{servers['busy'].url}/")
    links = {one.get_attribute("href") for one in chromium.find_elements(By.TAG_NAME, "a")}
    assert len(links) > 8
    for link in sorted(links):
        if link.endswith(".html"):
            show(chromium, link)
            assert chromium.find_elements(By.TAG_NAME, "h1")


class Endpoint:
    """The endpoint of subscriptions over fakes, at the address of the server that is tested."""

    def __init__(self):
        self.world = SubscriberWorld(page=PAGE_WITH_SUBSCRIBERS)

    def respond(self, request, address):
        self.world.cloud.settings["STATUS_ADDRESS"] = address
        return respond(request, self.world.cloud)

    def work(self, _announcements, _address):
        return 0


def accessible(browser):
    widths = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]
    assert [one for one in browser.get_log("browser") if "400" not in one["message"]] == []
    assert axe_findings(browser) == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_a_reader_subscribes_confirms_and_unsubscribes_without_a_script(chromium, scheme, width):
    endpoint = Endpoint()
    page = replace(busy_page(), takes_subscribers=True)
    with SiteServer(lambda _: page, subscriptions=endpoint) as server:
        show(chromium, f"{server.url}/", scheme, width)
        follow(chromium, By.LINK_TEXT, "Subscribe")
        chromium.find_element(By.ID, "mail-tokens").click()
        chromium.find_element(By.ID, "email").send_keys("reader@example.org")
        follow(chromium, By.XPATH, "//button[.='Subscribe by e-mail']")
        assert chromium.find_element(By.TAG_NAME, "h1").text == "Check your messages"
        accessible(chromium)
        endpoint.world.work()
        show(chromium, endpoint.world.confirm_link({"email": "reader@example.org"}), scheme, width)
        accessible(chromium)
        follow(chromium, By.XPATH, "//button[.='Confirm']")
        assert chromium.find_element(By.TAG_NAME, "h1").text == "You are subscribed"
        (one,) = endpoint.world.cloud.subscribers.list_subscribers()
        assert (one.address, one.components) == ("reader@example.org", ("login", "user-data"))
        site = Site("Example status", server.url, KEY.encode())
        show(chromium, unsubscribe_link(one.id, site, endpoint.world.clock.now()), scheme, width)
        accessible(chromium)
        follow(chromium, By.XPATH, "//button[.='Unsubscribe']")
        assert chromium.find_element(By.TAG_NAME, "h1").text == "You are unsubscribed"
        assert endpoint.world.cloud.subscribers.list_subscribers() == []
        accessible(chromium)


def test_the_owner_of_a_webhook_sees_its_signing_secret(chromium):
    endpoint = Endpoint()
    page = replace(busy_page(), takes_subscribers=True)
    with SiteServer(lambda _: page, subscriptions=endpoint) as server:
        show(chromium, f"{server.url}/subscribe.html")
        chromium.find_element(By.ID, "webhook").send_keys("https://hooks.example.net/x")
        follow(chromium, By.XPATH, "//button[.='Subscribe by webhook']")
        endpoint.world.work()
        show(chromium, endpoint.world.confirm_link({"webhook": "https://hooks.example.net/x"}), width=320)
        follow(chromium, By.XPATH, "//button[.='Confirm']")
        assert chromium.find_element(By.TAG_NAME, "code").text.startswith("whsec_")
        accessible(chromium)
