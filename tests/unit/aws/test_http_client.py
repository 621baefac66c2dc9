"""What the orchestrator's own requests look like to their receiver."""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from orchestrator.aws.http_client import HttpClient
from orchestrator.domain.analysis.observations import HttpRequest
from orchestrator.domain.errors import Unreachable


@pytest.fixture
def heard():
    """A server that answers 204 and remembers the headers it got."""
    got = []

    class Hearing(BaseHTTPRequestHandler):
        def do_GET(self):
            got.append(dict(self.headers))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Hearing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()


def test_a_probe_says_who_it_is(heard):
    url, got = heard

    assert HttpClient().send(url, HttpRequest("GET", "/health")).status == 204
    assert got[0]["User-Agent"] == "ib-oauth-orchestrator"


def test_a_request_that_says_who_it_is_is_left_alone(heard):
    url, got = heard

    HttpClient().send(url, HttpRequest("GET", "/health", headers={"User-Agent": "somebody"}))

    assert got[0]["User-Agent"] == "somebody"


def test_a_request_without_a_connection_has_had_no_effect():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}", "http://does-not-exist.invalid"):
        with pytest.raises(Unreachable) as raised:
            HttpClient().send(url, HttpRequest("POST", "/token"))
        assert not raised.value.sent


def test_a_request_whose_connection_is_closed_before_the_answer_may_have_had_an_effect():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            connection, _ = server.accept()
            connection.recv(1000)
            connection.close()

        thread = Thread(target=hang_up)
        thread.start()
        with pytest.raises(Unreachable) as raised:
            HttpClient().send(f"http://127.0.0.1:{server.getsockname()[1]}", HttpRequest("POST", "/token"))
        thread.join()
    assert raised.value.sent


def test_a_connection_that_a_request_asks_to_close_carries_no_other_request():
    """RFC 9112 §9.6. The server closes it after its response, perhaps only when the next request is under way."""
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    lines = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def respond_twice():
            accepted = []
            for _ in range(2):
                connection, _ = server.accept()
                accepted.append(connection)
                lines.append(connection.recv(1000).split(b"\r\n")[0])
                connection.sendall(response)
            for connection in accepted:
                connection.close()

        thread = Thread(target=respond_twice, daemon=True)
        thread.start()
        client, url = HttpClient(), f"http://127.0.0.1:{server.getsockname()[1]}"
        client.send(url, HttpRequest("POST", "/token", headers={"connection": "close"}))
        assert client.send(url, HttpRequest("GET", "/keys")).status == 200
        thread.join(5)
    assert lines == [b"POST /token HTTP/1.1", b"GET /keys HTTP/1.1"]
