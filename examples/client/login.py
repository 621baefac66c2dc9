"""A client application of the OAuth service: it logs a person in, says who they are, and logs them out again.

    python examples/client/login.py --issuer https://api.oauth.example.com --client-id my-app

A public client on the person's own computer (RFC 8252): it listens on a loopback port for the answer and proves by PKCE that the
answer is its own. Needs `pip install authlib requests`.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session

TIMEOUT_SECONDS = 10


class Callback(BaseHTTPRequestHandler):
    """Takes the one request with which the browser comes back."""

    def do_GET(self) -> None:
        """Keep the address that the browser was sent to."""
        self.server.answered = self.path  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"You are logged in. You can close this window.")

    def log_message(self, *_: object) -> None:
        """Keep quiet: the address holds the code."""


def main() -> None:
    """Log in, use the tokens, log out."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--issuer", required=True)
    arguments.add_argument("--client-id", required=True)
    arguments.add_argument("--scope", default="profile email")
    arguments.add_argument("--no-browser", action="store_true", help="only print the address to open")
    given = arguments.parse_args()

    # 1. Where everything is. The issuer in the document must be the one we asked for (RFC 8414 §3.3).
    found = requests.get(f"{given.issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
    found.raise_for_status()
    service = found.json()
    if service["issuer"] != given.issuer:
        sys.exit(f"{given.issuer} says that it is {service['issuer']}: use that address, or trust neither.")

    # 2. Send the person there, with a challenge that only we can answer.
    listener = HTTPServer(("127.0.0.1", 0), Callback)
    session = OAuth2Session(
        given.client_id,
        scope=given.scope,
        redirect_uri=f"http://127.0.0.1:{listener.server_port}/callback",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",  # noqa: S106 - a public client has no secret
    )
    verifier = secrets.token_urlsafe(48)
    address, state = session.create_authorization_url(service["authorization_endpoint"], code_verifier=verifier)
    print(f"Open {address}", flush=True)
    if not given.no_browser:
        webbrowser.open(address)

    # 3. Wait for the browser to come back, and believe only the issuer that we sent it to (RFC 9207).
    listener.handle_request()
    answered = listener.answered  # type: ignore[attr-defined]
    answer = {name: values[0] for name, values in parse_qs(urlsplit(answered).query).items()}
    if answer.get("state") != state or answer.get("iss") != given.issuer:
        sys.exit("The answer is not for this login.")
    if "error" in answer:
        sys.exit(f"Not logged in: {answer['error']} ({answer.get('error_description', '')})")

    # 4. Change the code for tokens, use them, get new ones, and give the login back.
    tokens = session.fetch_token(service["token_endpoint"], code=answer["code"], code_verifier=verifier)
    person = session.get(service["userinfo_endpoint"], timeout=TIMEOUT_SECONDS).json()
    print(f"Logged in as {person['sub']} ({person.get('given_name', '')} {person.get('family_name', '')})")
    tokens = session.refresh_token(service["token_endpoint"], refresh_token=tokens["refresh_token"])
    print(f"Refreshed: the next access token lasts {tokens['expires_in']} s")
    gone = session.revoke_token(service["revocation_endpoint"], token=tokens["refresh_token"])
    print(f"Logged out: {gone.status_code}")


if __name__ == "__main__":
    main()
