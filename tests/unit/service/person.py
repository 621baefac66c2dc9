"""Who the browser's tests are about: a client application with a page of its own, and a user with a keyboard."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from service.oauth import pkce
from tests.browser import heading, press, press_until_gone, sees, tab, wait

PICTURES = Path(__file__).resolve().parents[3] / "build" / "pages"
MOST_TABS = 12


class Ipv6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Application:
    """A client application: its first page has a link to log in, its callback redeems the code.

    onward: where its callback sends the browser on to; None for a page of its own.
    """

    def __init__(self, service_url, host="127.0.0.1", onward=None):
        self.service_url, self.answers, self.verifier, self.state = service_url, [], "", ""
        application = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                address = urlsplit(self.path)
                if address.path == "/callback":
                    application.answers.append({name: value[0] for name, value in parse_qs(address.query).items()})
                    if onward is not None:
                        self.send_response(302)
                        self.send_header("Location", onward)
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                body = b"<!doctype html><html lang=en><title>Application</title><h1>Back at the application</h1>"
                if address.path == "/":
                    link = application.link().replace("&", "&amp;")
                    body = (
                        f"<!doctype html><html lang=en><title>Application</title><a href='{link}'>Log in</a>".encode()
                    )
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Keep quiet: the address holds the code."""

        server = Ipv6Server if ":" in host else ThreadingHTTPServer
        self.server = server((host, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def link(self, **changes):
        self.verifier, self.state = secrets.token_urlsafe(48), secrets.token_urlsafe(8)
        query = {
            "response_type": "code", "client_id": "native", "redirect_uri": f"{self.url}/callback", "state": self.state,
            "code_challenge": pkce.challenge_of(self.verifier), "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        return f"{self.service_url}/authorize?{urlencode(query)}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def redeem(self, code):
        form = {
            "grant_type": "authorization_code", "client_id": "native", "code": code,
            "redirect_uri": f"{self.url}/callback", "code_verifier": self.verifier,
        }  # fmt: skip
        with urllib.request.urlopen(f"{self.service_url}/token", urlencode(form).encode()) as answer:
            return json.load(answer)

    def person(self, access_token):
        request = urllib.request.Request(
            f"{self.service_url}/userinfo", headers={"Authorization": f"Bearer {access_token}"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


class Person:
    """A user at the browser, who reads what it says and has a keyboard."""

    def __init__(self, browser, application, platform_url):
        self.browser, self.application, self.platform_url = browser, application, platform_url

    def open(self, address):
        self.browser.get(address)
        return self

    def begin(self):
        return self.open(self.application.link())

    def heading(self):
        return heading(self.browser)

    def sees(self, text):
        sees(self.browser, text)
        return self

    def press(self, name):
        """Press a button or link by keyboard alone: Tab until it has the focus, then Enter."""
        seen = []
        for _ in range(MOST_TABS):
            seen.append(tab(self.browser)[0])
            if name in seen[-1]:
                outline = "return getComputedStyle(document.activeElement).outlineStyle"
                assert self.browser.execute_script(outline) != "none"
                press(self.browser, Keys.ENTER)
                return self
        raise AssertionError(f"no way to {name} by keyboard; on the way were {seen}")

    def to_consent(self):
        return self.begin().sees("Log in to").press("Continue with Demo platform").sees("Share with")

    def to_login(self):
        return self.to_consent().press("Allow").sees("Log in at Demo platform")

    def log_in(self, account="ada"):
        return self.choose(account).sees("Back at the application")

    def choose(self, account):
        """Choose an account on the platform's page, which the login page shows in a frame."""
        self.browser.switch_to.frame(self.browser.find_element(By.TAG_NAME, "iframe"))
        wait(self.browser, lambda: self.browser.find_elements(By.CSS_SELECTOR, f"[value={account}]"))
        press_until_gone(self.browser, By.CSS_SELECTOR, f"[value={account}]")
        self.browser.switch_to.default_content()
        return self

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(PICTURES / f"{name}.png"))
        return self
