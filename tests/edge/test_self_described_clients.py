"""Clients without configuration, through API Gateway, while every role is held to its policies."""

import json
import random
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestrator.local.oauth_client import Connection, OAuthClient, TrafficClient

pytestmark = pytest.mark.timeout(200)
CALLBACK = "http://127.0.0.1:49152/callback"
TOKEN = "local-registration-token-not-for-accounts"


@pytest.fixture
def document():
    """The address of a client's document."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            client_id = f"http://127.0.0.1:{self.server.server_address[1]}{self.path}"
            body = json.dumps({"client_id": client_id, "client_name": "A client", "redirect_uris": [CALLBACK]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nothing is to be read here."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/client.json"
        server.shutdown()


def whole_flow(here, client):
    seen = []
    player = OAuthClient(Connection(here.api_url), Connection(here.platform_url), seen.append, random.Random(1))
    tokens = player.log_in(client)
    assert tokens is not None, seen
    refreshed, answer = player.refresh(tokens)
    assert refreshed is not None, answer.body
    userinfo = player.userinfo(refreshed)
    assert userinfo.observation.status == 200, userinfo.body


def register(here, metadata, token):
    request = urllib.request.Request(
        f"{here.api_url}/register",
        json.dumps(metadata).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def test_a_client_with_a_document_goes_the_whole_way(here, document):
    whole_flow(here, TrafficClient(document, CALLBACK))


@pytest.mark.parametrize("method", ["none", "client_secret_post"])
def test_a_client_that_registers_goes_the_whole_way(here, method):
    registered = register(here, {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method}, TOKEN)
    whole_flow(here, TrafficClient(registered["client_id"], CALLBACK, secret=registered.get("client_secret")))


def test_a_client_without_the_token_registers_nothing_and_learns_how_to_show_it(here):
    with pytest.raises(urllib.error.HTTPError) as refused:
        register(here, {"redirect_uris": [CALLBACK]}, "wrong")
    headers = {name.lower().removeprefix("x-amzn-remapped-"): value for name, value in refused.value.headers.items()}
    assert refused.value.code == 401
    assert headers["www-authenticate"].startswith("Bearer ")
