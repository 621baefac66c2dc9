"""What a person meets, in a real browser: headless Chromium, a client application, the platform, and the service between them.

Runs where Chromium and its driver are (`make browser` installs Debian's, as root); with BROWSER_REQUIRED=1 a machine without them
fails instead of skipping.
"""

from __future__ import annotations

import contextlib
import json
import time
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By

from tests.browser import AXE, WAIT_SECONDS, chromium, is_complete, new_page, wait
from tests.unit.service.conftest import new_variables, serving
from tests.unit.service.person import Application, Person
from tests.unit.service.story import SELF_DESCRIBED, document_site

__all__ = ["chromium"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def variables(aws, keys, platform_url):
    variables = new_variables(aws, keys, platform_url)
    native, *others = json.loads(variables["CLIENTS"])
    native["redirect_uris"] += ["http://[::1]/callback", "com.example.app:/callback"]
    shown = {"demo": {**json.loads(variables["PLATFORMS"])["demo"], "shows_login_context": True}}
    return {**variables, **SELF_DESCRIBED, "CLIENTS": json.dumps([native, *others]), "PLATFORMS": json.dumps(shown)}


@pytest.fixture(scope="module")
def service_url(aws, variables, tmp_path_factory):
    with serving(aws, variables, tmp_path_factory.mktemp("service")) as url:
        yield url


@pytest.fixture
def expire_logins(aws, variables):
    """Make all logins as old as can be."""

    def expire():
        for item in aws.items(variables["STATE_TABLE"]):
            aws.dynamodb.update_item(
                TableName=variables["STATE_TABLE"],
                Key={"pk": item["pk"]},
                UpdateExpression="SET expires_at = :past",
                ExpressionAttributeValues={":past": {"N": "1"}},
            )

    return expire


@pytest.fixture
def application(service_url):
    application = Application(service_url)
    yield application
    application.close()


@pytest.fixture
def person(chromium, application, platform_url):
    for kind in ("performance", "browser"):
        chromium.get_log(kind)
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    # A tab of its own: a browser that was sent to a scheme without an application asks about it, and keeps the keyboard.
    first = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    chromium.set_window_size(900, 900)
    yield Person(chromium, application, platform_url)
    for tab in set(chromium.window_handles) - {first}:
        chromium.switch_to.window(tab)
        chromium.close()
    chromium.switch_to.window(first)


def of_a_stranger(person, **changes):
    """A request of a client that no operator configured."""
    client_id = document_site().publish("/browser", redirect_uris=["http://127.0.0.1/callback"])
    return person.open(person.application.link(client_id=client_id, **changes))


PAGES = {
    "choice": lambda person: person.begin().sees("Log in to"),
    "consent": lambda person: person.to_consent(),
    "login": lambda person: person.to_login(),
    "error": lambda person: person.open(person.application.link(client_id="nobody")).sees("This did not work"),
    "error of a stranger": lambda person: of_a_stranger(person, response_type="x").sees("This did not work"),
    "cancelled": lambda person: (
        person.open(person.application.link(redirect_uri="com.example.app:/callback"))
        .press("Cancel")
        .sees("Nothing was")
    ),
    "cancelled at a stranger's": lambda person: of_a_stranger(person).press("Cancel").sees("Nothing was shared"),
}


def test_a_person_logs_in_by_keyboard_and_lands_back_with_a_code_that_works(person, application):
    person.open(application.url).press("Log in").sees("Log in to").press("Continue with Demo platform")
    person.sees("Share with Native <app>?").press("Allow").sees("Log in at").log_in()
    (answer,) = application.answers
    assert (answer["state"], answer["iss"]) == (application.state, "https://auth.example")
    tokens = application.redeem(answer["code"])
    assert application.person(tokens["access_token"])["given_name"] == "Ada"


def test_no_other_host_gets_a_request_and_no_policy_is_broken(person, application):
    person.to_login().log_in()
    sent = [json.loads(entry["message"])["message"] for entry in person.browser.get_log("performance")]
    requested = {
        urlsplit(message["params"]["request"]["url"]).netloc
        for message in sent
        if message["method"] == "Network.requestWillBeSent" and message["params"]["request"]["url"].startswith("http")
    }
    known = {urlsplit(url).netloc for url in (application.url, application.service_url, person.platform_url)}
    assert requested == known
    assert complaints(person) == []


def complaints(person):
    """What the browser refused to do, or complained of."""
    return [entry["message"] for entry in person.browser.get_log("browser") if "favicon.ico" not in entry["message"]]


@pytest.mark.parametrize("page", ["choice", "consent", "login"])
def test_on_every_page_a_person_can_go_back_without_sharing_anything(person, application, page):
    PAGES[page](person).press("Cancel").sees("Back at the application")
    (answer,) = application.answers
    assert (answer["error"], answer["state"]) == ("access_denied", application.state)
    assert "code" not in answer


@contextlib.contextmanager
def without_scripts(browser):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.fixture(params=["IPv6", "IPv6, on to another origin", "on to another origin", "on to a scheme"])
def chain(request, service_url, application):
    """Where a browser ends, and the application that it passes: one that no policy has a notation for, or that sends it on."""
    onward = {"on to another origin": f"{application.url}/", "on to a scheme": "claude://callback?x=1"}
    where = next((address for name, address in onward.items() if name in request.param), None)
    passed = Application(service_url, "::1" if "IPv6" in request.param else "127.0.0.1", where)
    yield passed, where
    passed.close()


def arrives(person, chain):
    passed, onward = chain
    wait(person.browser, lambda: passed.answers, "the application heard nothing")
    if onward is None:
        person.sees("Back at the application")
    elif onward.startswith("http"):
        wait(person.browser, lambda: person.browser.current_url == onward)
    assert not [one for one in complaints(person) if "Content Security Policy" in one]
    (answer,) = passed.answers
    assert answer["state"] == passed.state
    return answer


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_who_cancels_comes_back_whatever_way_back_the_application_has(person, chain, scripts):
    person.application = chain[0]
    with contextlib.nullcontext() if scripts else without_scripts(person.browser):
        person.to_consent().press("Cancel")
        assert arrives(person, chain)["error"] == "access_denied"


def continue_until(person, ended):
    """Press the button of a page without scripts until the login has ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not ended():
        assert time.monotonic() < deadline, "the login does not end"
        time.sleep(1.1)  # the platform gets one request a second at most
        with new_page(person.browser, ended):
            person.press("Continue")


def test_who_logs_in_without_scripts_comes_back_whatever_way_back_the_application_has(person, chain):
    person.application = chain[0]
    with without_scripts(person.browser):
        person.to_login().choose("ada")
        continue_until(person, lambda: chain[0].answers)
        code = arrives(person, chain)["code"]
    assert chain[0].redeem(code)["access_token"]


def test_who_cancels_at_a_stranger_s_is_sent_nowhere_but_may_go(person, application):
    of_a_stranger(person).press("Cancel").sees("Nothing was shared")
    time.sleep(1)  # a page that moves on would have
    assert application.answers == []
    person.press("Return to 127.0.0.1").sees("Back at the application")
    assert application.answers[0]["error"] == "access_denied"


def test_where_the_browser_cannot_move_on_by_itself_there_is_a_link(person, application):
    person.open(application.link(redirect_uri="com.example.app:/callback")).press("Cancel")
    person.sees("Nothing was shared")
    link = person.browser.find_element(By.LINK_TEXT, "Continue to com.example.app")
    assert link.get_attribute("href").startswith("com.example.app:/callback?error=access_denied")


def test_an_answer_that_is_lost_on_its_way_is_requested_again(person, application, aws, variables):
    person.to_login()
    # The page's first answer of a completed login never arrives: it is the network's, not the service's.
    person.browser.execute_script(
        "const asked = window.fetch; let lost = false;"
        "window.fetch = async (...how) => { const answer = await asked(...how); const told = await answer.clone().json();"
        " if (told.phase === 'complete' && !lost) { lost = true; throw new TypeError('lost'); } return answer; }"
    )
    person.log_in()
    (answer,) = application.answers
    assert application.redeem(answer["code"])["access_token"]
    codes = [
        item for item in aws.items(variables["STATE_TABLE"]) if "code#" in item["pk"]["S"] and "redeemed_by" in item
    ]
    assert codes


def test_the_login_page_and_the_platform_s_show_the_same_code_and_the_client(person):
    person.to_login()
    code = person.browser.find_element(By.CSS_SELECTOR, ".code").text
    person.browser.switch_to.frame(person.browser.find_element(By.TAG_NAME, "iframe"))
    wait(person.browser, lambda: person.browser.find_elements(By.TAG_NAME, "h1"))
    theirs = person.browser.find_element(By.TAG_NAME, "body").text
    person.browser.switch_to.default_content()
    assert code in theirs
    assert "Native <app>" in theirs


@pytest.mark.parametrize("page", PAGES)
def test_every_page_keeps_to_the_rules_of_accessibility_in_both_colour_schemes(person, page):
    PAGES[page](person)
    # Run as the browser itself would: the page's own policy lets no foreign script in.
    person.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    grounds = set()
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        person.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        grounds.add(person.browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        checked = _looked_at(person.picture(f"{page}-{scheme}").browser)
        violations = {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in checked["violations"]}
        assert violations == {}
        rules = {rule["id"] for rule in checked["passes"]}
        assert {"color-contrast", "document-title", "html-has-lang"} <= rules, "the rules were looked at"
    assert len(grounds) == 2, "two schemes were looked at"


def _looked_at(browser):
    """Have axe look at the page; returns what it found."""
    looking = {
        "expression": "axe.run(document, {iframes: false}).then(found => JSON.stringify(found))",
        "awaitPromise": True,
        "returnByValue": True,
    }
    return json.loads(browser.execute_cdp_cmd("Runtime.evaluate", looking)["result"]["value"])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_fits_a_screen_of_320_pixels(person, page):
    person.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        PAGES[page](person).picture(f"{page}-320")
        assert person.browser.execute_script("return document.documentElement.scrollWidth") == 320
    finally:
        person.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_page_that_is_older_than_its_login_says_so_and_where_to_go(person):
    person.to_consent()
    person.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    person.press("Allow").sees("This did not work")
    assert "start again" in person.browser.find_element(By.CSS_SELECTOR, "[role=alert]").text


def test_a_login_that_takes_too_long_ends_with_a_page_that_says_so(person, application, expire_logins):
    person.to_consent()
    expire_logins()
    person.press("Allow").sees("This did not work")
    assert application.answers == []


def test_a_page_that_waits_says_that_the_login_has_ended(person, application, expire_logins):
    person.to_login()
    expire_logins()
    status = (By.CSS_SELECTOR, "[role=status]")
    wait(person.browser, lambda: "has ended" in person.browser.find_element(*status).text)
    assert application.answers == []


def test_without_scripts_a_person_goes_on_by_a_button(person, application):
    with without_scripts(person.browser):
        person.to_login().choose("ada")
        continue_until(person, lambda: application.answers)
        person.sees("Back at the application")
    (answer,) = application.answers
    assert application.person(application.redeem(answer["code"])["access_token"])["given_name"] == "Ada"


def test_two_logins_in_two_tabs_end_each_where_it_began(person, application):
    person.to_consent()
    first, first_state, first_verifier = person.browser.current_window_handle, application.state, application.verifier
    person.browser.switch_to.new_window("tab")
    person.to_login().log_in("grace")
    assert application.answers[-1]["state"] == application.state
    assert (
        application.person(application.redeem(application.answers[-1]["code"])["access_token"])["given_name"] == "Grace"
    )
    person.browser.close()
    person.browser.switch_to.window(first)
    person.press("Allow").sees("Log in at").log_in("ada")
    assert application.answers[-1]["state"] == first_state
    application.verifier = first_verifier
    assert (
        application.person(application.redeem(application.answers[-1]["code"])["access_token"])["given_name"] == "Ada"
    )


def test_going_back_after_the_end_offers_nothing_to_use_again(person, application):
    person.to_login()
    page = person.browser.page_source
    person.log_in()
    person.browser.back()
    wait(person.browser, lambda: is_complete(person.browser) and "Back at" not in person.browser.page_source)
    assert "ibl_" in page
    assert "ibl_" not in person.browser.page_source, "no page was kept, and no form is sent twice"
    assert len(application.answers) == 1


def test_the_cookie_is_out_of_scripts_reach_and_of_this_host_alone(person):
    person.begin()
    (cookie,) = person.browser.get_cookies()
    assert cookie["name"] == "__Host-ib-oauth-browser"
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Lax", "/")
    assert person.browser.execute_script("return document.cookie") == ""


def test_another_site_cannot_put_the_login_in_a_frame(person, application):
    person.open(application.url)
    person.browser.execute_script(
        "const frame = document.createElement('iframe'); frame.src = arguments[0]; document.body.append(frame)",
        application.link(),
    )
    log = person.browser.get_log
    wait(person.browser, lambda: any("frame-ancestors" in entry["message"] for entry in log("browser")))
