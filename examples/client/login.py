"""A client application of the OAuth service: logs a user in, prints their claims, and logs them out again.

    python examples/client/login.py --issuer https://api.oauth.example.com --client-id my-app

It is a public client on the user's own computer (RFC 8252). It listens on a loopback port for the response and proves
by PKCE that the response is its own. Needs `pip install authlib requests`.
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
    """Receives the one request with which the browser returns."""

    def do_GET(self) -> None:
        """Store the URL that the browser requests."""
        self.server.callback_url = self.path  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"You are logged in. You can close this window.")

    def log_message(self, *_: object) -> None:
        """Log nothing: the URL contains the code."""


def main() -> None:
    """Log in, use the tokens, log out."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--issuer", required=True)
    arguments.add_argument("--client-id", required=True)
    arguments.add_argument("--scope", default="profile email")
    arguments.add_argument("--no-browser", action="store_true", help="only print the address to open")
    options = arguments.parse_args()

    # 1. Read the metadata. Its issuer must be the requested one (RFC 8414 §3.3).
    response = requests.get(f"{options.issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    service = response.json()
    if service["issuer"] != options.issuer:
        sys.exit(
            f"The metadata of {options.issuer} names the issuer {service['issuer']}: use that URL, or trust neither."
        )

    # 2. Send the user to the authorization endpoint, with a PKCE challenge.
    listener = HTTPServer(("127.0.0.1", 0), Callback)
    session = OAuth2Session(
        options.client_id,
        scope=options.scope,
        redirect_uri=f"http://127.0.0.1:{listener.server_port}/callback",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",  # noqa: S106 - a public client has no secret
    )
    verifier = secrets.token_urlsafe(48)
    address, state = session.create_authorization_url(service["authorization_endpoint"], code_verifier=verifier)
    print(f"Open {address}", flush=True)
    if not options.no_browser:
        webbrowser.open(address)

    # 3. Wait for the browser to return, and accept only the issuer that it was sent to (RFC 9207).
    listener.handle_request()
    callback_url = listener.callback_url  # type: ignore[attr-defined]
    result = {name: values[0] for name, values in parse_qs(urlsplit(callback_url).query).items()}
    if result.get("state") != state or result.get("iss") != options.issuer:
        sys.exit("The response does not belong to this login.")
    if "error" in result:
        sys.exit(f"Not logged in: {result['error']} ({result.get('error_description', '')})")

    # 4. Exchange the code for tokens, use them, refresh them, and revoke the grant.
    tokens = session.fetch_token(service["token_endpoint"], code=result["code"], code_verifier=verifier)
    person = session.get(service["userinfo_endpoint"], timeout=TIMEOUT_SECONDS).json()
    sys.stdout.reconfigure(errors="replace")  # a name may have characters that the terminal lacks
    print(f"Logged in as {person['sub']} ({person.get('given_name', '')} {person.get('family_name', '')})")
    tokens = session.refresh_token(service["token_endpoint"], refresh_token=tokens["refresh_token"])
    print(f"Refreshed: the next access token is valid for {tokens['expires_in']} s")
    revocation = session.revoke_token(service["revocation_endpoint"], token=tokens["refresh_token"])
    print(f"Logged out: {revocation.status_code}")


if __name__ == "__main__":
    main()
