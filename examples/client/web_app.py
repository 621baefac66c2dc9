"""A web application with a client secret: users log in, see who they are, and log out.

    export CLIENT_SECRET=…
    python examples/client/web_app.py --issuer https://api.oauth.example.com --client-id my-web-app --redirect-uri …

It is a confidential client: the secret and the tokens stay on the server, and a browser has only a cookie. It listens
on a loopback port without TLS; a proxy in front of it serves the redirect URI's host. Sessions are in memory: a real
application stores them, and encrypts the tokens. Needs `pip install authlib requests`.
"""

from __future__ import annotations

import argparse
import html
import os
import secrets
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

COOKIE = "app-session"
TIMEOUT_SECONDS = 10


@dataclass
class Session:
    """The session of one browser. lock: a refresh token must never be used twice at the same time."""

    state: str = ""
    verifier: str = ""
    tokens: dict[str, Any] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class OAuthClient:
    """The OAuth side of the application."""

    def __init__(self, issuer: str, client_id: str, secret: str, redirect_uri: str) -> None:
        self.issuer, self._client_id, self._secret, self._redirect_uri = issuer, client_id, secret, redirect_uri
        response = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        self._service = response.json()
        if self._service["issuer"] != issuer:  # RFC 8414 §3.3
            sys.exit(
                f"The metadata of {issuer} names the issuer {self._service['issuer']}: use that URL, or trust neither."
            )

    def start(self, session: Session) -> str:
        """Return the address to which the browser goes; state and verifier stay in its session."""
        session.verifier = secrets.token_urlsafe(48)
        with self._client() as client:
            address, session.state = client.create_authorization_url(
                self._service["authorization_endpoint"], code_verifier=session.verifier
            )
        return address

    def finish(self, session: Session, answer: dict[str, str]) -> str | None:
        """Exchange the code for tokens. Return why the user is not logged in; None if the user is."""
        state, session.state = session.state, ""  # a state is valid once
        if not state or not secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
            return "The response does not belong to this browser. Start again."
        if answer.get("iss") != self.issuer:  # RFC 9207
            return "The response does not come from the service."
        if "error" in answer:
            return f"{answer['error']}: {answer.get('error_description', '')}"
        with self._client() as client:
            try:
                session.tokens = client.fetch_token(
                    self._service["token_endpoint"], code=answer["code"], code_verifier=session.verifier
                )
            except OAuthError as error:
                return str(error)
        return None

    def person(self, session: Session) -> dict[str, Any] | None:
        """Return the user's claims, after a refresh if the access token has expired; None if the login has ended."""
        with session.lock:
            if session.tokens is None:
                return None
            response = self._userinfo(session.tokens)
            if response.status_code == requests.codes.unauthorized:
                session.tokens = self._refreshed(session.tokens)
                if session.tokens is None:
                    return None
                response = self._userinfo(session.tokens)
        response.raise_for_status()
        claims: dict[str, Any] = response.json()
        return claims

    def end(self, session: Session) -> None:
        """Log the user out: revoke all tokens of the login."""
        with session.lock:
            tokens, session.tokens = session.tokens, None
        if tokens is not None:
            with self._client() as client:
                client.revoke_token(self._service["revocation_endpoint"], token=tokens["refresh_token"])

    def _userinfo(self, tokens: dict[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        return requests.get(self._service["userinfo_endpoint"], headers=headers, timeout=TIMEOUT_SECONDS)

    def _refreshed(self, tokens: dict[str, Any]) -> dict[str, Any] | None:
        """Return the next tokens; None if the login has ended. Another error may be temporary: the tokens are kept."""
        with self._client() as client:
            try:
                next_tokens: dict[str, Any] = client.refresh_token(
                    self._service["token_endpoint"], refresh_token=tokens["refresh_token"]
                )
            except OAuthError as error:
                if error.error == "invalid_grant":
                    return None
                raise
        return next_tokens

    def _client(self) -> OAuth2Session:
        return OAuth2Session(
            self._client_id,
            self._secret,
            scope="profile email",
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - the method's name
        )


class Application(BaseHTTPRequestHandler):
    """The application's four addresses: `/`, `/login`, `/callback` and `/logout`."""

    client: OAuthClient
    sessions: dict[str, Session]
    callback_path: str

    def do_GET(self) -> None:
        """Show the user, or send the browser to the service and receive it again."""
        address = urlsplit(self.path)
        session = self._session()
        if address.path == "/" and session is not None and (person := self.client.person(session)):
            name = f"{person.get('given_name', '')} {person.get('family_name', '')} ({person['sub']})"
            self._page(f'{html.escape(name)}<form method="post" action="/logout"><button>Log out</button></form>')
        elif address.path == "/":
            self._page('<a href="/login">Log in</a>')
        elif address.path == "/login":
            key = secrets.token_urlsafe(32)  # a new session at each login: no one can choose another's
            self.sessions[key] = Session()
            self._redirect(self.client.start(self.sessions[key]), cookie=key)
        elif address.path == self.callback_path and session is not None:
            answer = {name: values[0] for name, values in parse_qs(address.query).items()}
            problem = self.client.finish(session, answer)
            if problem is None:
                self._redirect("/")
            else:
                self._page(html.escape(problem), 400)
        else:
            self._page("This page does not exist.", 404)

    def do_POST(self) -> None:
        """Log the user out."""
        session = self._session()
        if self.path == "/logout" and session is not None:
            self.client.end(session)
            self._redirect("/")
        else:
            self._page("This page does not exist.", 404)

    def log_message(self, *_: object) -> None:
        """Log nothing: the URL of the callback contains the code."""

    def _session(self) -> Session | None:
        # By hand: http.cookies drops all cookies if another application of the host has set one that it cannot read.
        cookies = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return next(
            (self.sessions[value] for name, _, value in cookies if name == COOKIE and value in self.sessions), None
        )

    def _page(self, content: str, status: int = 200) -> None:
        body = f"<!doctype html><title>App</title><body>{content}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, address: str, *, cookie: str | None = None) -> None:
        self.send_response(303)
        self.send_header("Location", address)
        if cookie is not None:
            # Lax: the browser sends it when the service sends the browser back.
            self.send_header("Set-Cookie", f"{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax")
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    """Serve the application."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--issuer", required=True)
    arguments.add_argument("--client-id", required=True)
    arguments.add_argument("--redirect-uri", required=True)
    arguments.add_argument("--port", type=int, default=0, help="of 127.0.0.1; any free one by default")
    options = arguments.parse_args()
    secret = os.environ.get("CLIENT_SECRET")
    if not secret:
        sys.exit("CLIENT_SECRET is not set: put the client's secret there, not in an argument that others can see.")

    Application.client = OAuthClient(options.issuer, options.client_id, secret, options.redirect_uri)
    Application.sessions = {}
    Application.callback_path = urlsplit(options.redirect_uri).path
    with ThreadingHTTPServer(("127.0.0.1", options.port), Application) as server:
        print(f"Listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
