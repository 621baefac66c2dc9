"""Whole flows of clients that others wrote, through API Gateway: Authlib's, and the Model Context Protocol's."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

from tests.edge.person import TIMEOUT_SECONDS, Person, answered
from tests.openid_client import OpenIDClient

pytestmark = pytest.mark.timeout(200)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "client"
RESOURCE = "https://demo-api.example/"
MCP_SERVER = f"{RESOURCE}mcp"
SERVER = ("demo-server", "local-demo-server-secret-not-for-accounts")
RESOURCE_SERVER = ("demo-api", "local-demo-api-secret-not-for-accounts")
CALLBACK = "https://demo-server.example/callback"
VERIFIER = "v" * 64


def get(address):
    answer = requests.get(address, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def service(api):
    """What the service says of itself."""
    return get(f"{api}/.well-known/openid-configuration")


@pytest.fixture
def session(monkeypatch):
    """Authlib's client, as a web application has it."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the local cloud is on loopback, without TLS
    with OAuth2Session(
        *SERVER,
        scope="profile email",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
    ) as session:
        yield session


def logged_in(session, service, **params):
    address, state = session.create_authorization_url(
        service["authorization_endpoint"], code_verifier=VERIFIER, **params
    )
    back = Person().goes_to(address)
    assert answered(back).keys() == {"code", "iss", "state"}
    assert answered(back)["iss"] == service["issuer"]
    return session.fetch_token(
        service["token_endpoint"], authorization_response=back, state=state, code_verifier=VERIFIER
    )


def verified(token, service, audience):
    """Return the claims of an access token, verified by joserfc as RFC 9068 §4 has it. Raises JoseError."""
    keys = KeySet.import_key_set(get(service["jwks_uri"]))
    read = jwt.decode(token, keys, algorithms=["ES256"])
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": service["issuer"]},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        sub={"essential": True},
    ).validate(read.claims)
    assert read.header["typ"] == "at+jwt"
    return read.claims


def introspected(service, token):
    answer = requests.post(
        service["introspection_endpoint"], {"token": token}, auth=RESOURCE_SERVER, timeout=TIMEOUT_SECONDS
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


# Authlib


@pytest.mark.strategy("Documentation: Integration guides")
def test_authlib_logs_a_user_in_asks_who_it_is_and_logs_them_out(session, service):
    tokens = logged_in(session, service)
    claims = verified(tokens["access_token"], service, service["issuer"])
    userinfo = session.get(service["userinfo_endpoint"]).json()
    assert userinfo["sub"] == claims["sub"]
    assert (userinfo["given_name"], userinfo["family_name"], userinfo["email"]) == (
        "Ada",
        "Lovelace",
        "ada@example.com",
    )

    refreshed = session.refresh_token(service["token_endpoint"], refresh_token=tokens["refresh_token"])
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    assert session.get(service["userinfo_endpoint"]).json() == userinfo

    gone = session.revoke_token(
        service["revocation_endpoint"], token=refreshed["refresh_token"], token_type_hint="refresh_token"
    )
    assert (gone.status_code, gone.json()) == (200, {})
    assert session.get(service["userinfo_endpoint"]).status_code == 401


def test_a_resource_server_learns_whether_a_token_that_is_for_it_lives(session, service):
    tokens = logged_in(session, service, resource=RESOURCE)
    claims = verified(tokens["access_token"], service, RESOURCE)
    introspection = introspected(service, tokens["access_token"])
    assert introspection["active"] is True
    assert {introspection[name] for name in ("sub", "aud", "client_id", "jti")} == {
        claims[name] for name in ("sub", "aud", "client_id", "jti")
    }
    session.revoke_token(service["revocation_endpoint"], token=tokens["refresh_token"])
    assert introspected(service, tokens["access_token"]) == {"active": False}
    verified(tokens["access_token"], service, RESOURCE)  # by its signature alone it lives on: that is why one asks


def test_a_token_that_is_for_an_api_does_not_open_userinfo(session, service):
    logged_in(session, service, resource=RESOURCE)
    assert session.get(service["userinfo_endpoint"]).status_code == 401


def test_authlib_s_openid_client_finds_everything_by_the_issuer_and_verifies_who_logged_in(api, service, monkeypatch):
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the local cloud is on loopback, without TLS
    client = OpenIDClient(api, *SERVER)
    kept = client.create_authorization_url(CALLBACK)
    back = Person().goes_to(kept["url"])
    tokens = client.fetch_access_token(CALLBACK, code=answered(back)["code"], code_verifier=kept["code_verifier"])
    person = client.parse_id_token(tokens, kept["nonce"])
    assert (person["iss"], person["aud"]) == (service["issuer"], SERVER[0])
    assert client.userinfo(token=tokens)["sub"] == person["sub"]
    with pytest.raises(JoseError):
        client.parse_id_token(tokens, "the nonce of another login")


def test_a_request_in_a_form_reaches_the_same_login(api):
    sent = {"client_id": SERVER[0], "redirect_uri": CALLBACK, "scope": "openid", "prompt": "none"}
    first = requests.post(f"{api}/authorize", sent, timeout=TIMEOUT_SECONDS, allow_redirects=False)
    assert (first.status_code, first.headers["location"].partition("?")[0]) == (303, f"{api}/authorize")


# The examples that docs/guides/integration.md explains


def test_the_example_client_logs_a_user_in_and_out_as_it_stands(api):
    program = subprocess.Popen(
        [
            sys.executable,
            "-u",
            str(EXAMPLES / "login.py"),
            "--issuer",
            api,
            "--client-id",
            "demo-client",
            "--no-browser",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with program:
        try:
            first = program.stdout.readline()
            assert first.startswith("Open http"), first + program.stdout.read()
            back = Person("grace").goes_to(first.removeprefix("Open ").strip())
            assert requests.get(back, timeout=TIMEOUT_SECONDS).text == "You are logged in. You can close this window."
            lines = program.communicate(timeout=60)[0].splitlines()
        finally:
            program.terminate()
    assert program.returncode == 0, lines
    assert re.fullmatch(r"Logged in as demo:\S+ \(Grace Hopper\)", lines[0])
    assert re.fullmatch(r"Refreshed: the next access token is valid for [1-9][0-9]* s", lines[1])
    assert lines[2:] == ["Logged out: 200"]


@pytest.fixture
def web_app(api):
    """The address of the example with a secret, as it stands. What a proxy would bring from its host is sent there."""
    arguments = ["--issuer", api, "--client-id", SERVER[0], "--redirect-uri", CALLBACK]
    program = subprocess.Popen(
        [sys.executable, "-u", str(EXAMPLES / "web_app.py"), *arguments],
        env={**os.environ, "CLIENT_SECRET": SERVER[1]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with program:
        try:
            first = program.stdout.readline()
            assert first.startswith("Listening on http"), first + program.stdout.read()
            yield first.removeprefix("Listening on ").strip()
        finally:
            program.terminate()


def test_the_example_with_a_secret_logs_a_user_in_and_out_as_it_stands(web_app):
    def visit(path, method="GET", cookie=None):
        headers = {"Cookie": f'consent={{"analytics":true}}; {cookie}'} if cookie else {}
        return requests.request(
            method, f"{web_app}{path}", headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )

    assert "Log in" in visit("/").text
    begun = visit("/login")
    cookie = begun.headers["set-cookie"].partition(";")[0]
    back = Person("grace").goes_to(begun.headers["location"])
    came = back.removeprefix(CALLBACK.removesuffix("/callback"))
    stranger = visit("/login").headers["set-cookie"].partition(";")[0]
    assert visit(came, cookie=stranger).status_code == 400, "the response belongs to the browser that began"
    assert (visit(came, cookie=cookie).status_code, visit(came, cookie=cookie).status_code) == (303, 400)
    assert "Grace Hopper" in visit("/", cookie=cookie).text
    assert "Grace" not in visit("/", cookie=stranger).text
    assert visit("/logout", "POST", cookie).status_code == 303
    assert "Log in" in visit("/", cookie=cookie).text


# The Model Context Protocol: a client that knows nothing but the address of a resource (RFC 9728), and a resource that knows
# nothing but the service's address.


@pytest.fixture
def resource_server(service):
    """A protected resource on loopback; the port at which it listens, and the tokens that it was shown."""
    shown = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/.well-known/oauth-protected-resource":
                self.tell(200, {"resource": RESOURCE, "authorization_servers": [service["issuer"]]})
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if token:
                shown.append(token)
            try:
                self.tell(200, {"hello": verified(token, service, RESOURCE)["sub"]})
            except (JoseError, ValueError):
                metadata = f"{RESOURCE}.well-known/oauth-protected-resource"
                self.tell(401, {}, {"WWW-Authenticate": f'Bearer resource_metadata="{metadata}"'})

        def tell(self, status, body, headers=None):
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Nothing is to be read here."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1], shown
        server.shutdown()


class Names(httpx2.AsyncHTTPTransport):
    """Finds the demo API on loopback, as a resolver of names would. Keeps the addresses that were asked."""

    def __init__(self, port):
        super().__init__()
        self.port, self.requested = port, []

    async def handle_async_request(self, request):
        self.requested.append(str(request.url))
        if request.url.host == "demo-api.example":
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self.port)
        return await super().handle_async_request(request)


class Storage:
    """Where the client keeps its tokens, and as whom it was registered with the service beforehand."""

    def __init__(self, client):
        self.tokens, self.client = None, client

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def provider(storage):
    """The SDK's client, whose person logs in without being asked twice."""
    back = []

    async def redirect(address):
        back.append(await asyncio.to_thread(Person().goes_to, address))

    async def callback():
        return AuthorizationCodeResult(**answered(back[-1]))

    metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="An MCP client")
    return OAuthClientProvider(MCP_SERVER, metadata, storage, redirect, callback)


def test_an_mcp_client_finds_the_service_by_the_resource_and_gets_in_and_stays_in(resource_server, service):
    port, shown = resource_server
    storage = Storage(
        OAuthClientInformationFull(
            client_id=SERVER[0],
            client_secret=SERVER[1],
            redirect_uris=[CALLBACK],
            token_endpoint_auth_method="client_secret_post",
        )
    )
    names, known = Names(port), provider(storage)

    async def visit():
        async with httpx2.AsyncClient(transport=names, auth=known, timeout=TIMEOUT_SECONDS) as client:
            first = await client.get(MCP_SERVER)
            known.context.token_expiry_time = 1  # long ago
            return first, await client.get(MCP_SERVER)

    first, second = asyncio.run(visit())
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert len(set(shown)) == 2
    # An issuer with a path: RFC 8414 puts the well-known segment before it, where no stage answers. OpenID's place is after it.
    assert f"{service['issuer']}/.well-known/openid-configuration" in names.requested
    assert [address for address in names.requested if address.endswith("/token")] == [service["token_endpoint"]] * 2
    assert not [address for address in names.requested if address.endswith("/register")]
