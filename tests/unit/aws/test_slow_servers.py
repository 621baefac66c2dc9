"""A server that sends one byte at a time, or that closes a connection that was kept, costs no more than it has to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic, sleep

import pytest

from orchestrator.aws import http_client
from orchestrator.aws.http_client import HttpClient
from orchestrator.aws.public_http import PublicHttp
from orchestrator.domain.analysis.observations import HttpRequest
from orchestrator.domain.errors import CheckNotReadable, Unreachable

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HEADERS = b"HTTP/1.1 200 OK\r\nX-Long: "
BODY = b"HTTP/1.1 200 OK\r\n\r\n"
TIMEOUT = 0.4


@contextmanager
def served(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the address of a server that treats one connection after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                with connected:
                    connected.recv(4096)
                    serve(connected)

        Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)


def dripping(start: bytes) -> Callable[[socket.socket], None]:
    """Send the start of a response, then a byte every 50 ms until the client hangs up, or for ten times its patience."""

    def serve(connected: socket.socket) -> None:
        connected.sendall(start)
        until = monotonic() + 10 * TIMEOUT
        while monotonic() < until:
            sleep(0.05)
            try:
                connected.sendall(b"x")
            except OSError:
                return

    return serve


def checked(url: str) -> None:
    PublicHttp().send("GET", url, TIMEOUT)


def probed(url: str) -> None:
    HttpClient().send(url, HttpRequest("GET", "/health"))


@pytest.mark.parametrize("start", [HEADERS, BODY], ids=["headers", "body"])
@pytest.mark.parametrize(("send", "error"), [(checked, CheckNotReadable), (probed, Unreachable)])
def test_a_server_that_drips_is_left_when_the_time_is_over(monkeypatch, send, error, start):
    monkeypatch.setattr(http_client, "TIMEOUT_SECONDS", TIMEOUT)
    with served(dripping(start)) as url, pytest.raises(error, match="timed out"):
        send(url)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def sends(octets: bytes) -> Callable[[socket.socket], None]:
    def serve(connected: socket.socket) -> None:
        with suppress(OSError):
            connected.sendall(octets)

    return serve


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-0", b"+5", b"0x5", b"5_0", b"", b"z", b"f" * 17])
def test_a_chunk_whose_size_is_no_hexadecimal_number_is_no_response(size):
    """A negative size made http.client read all that the server sent, whatever the limit."""
    with (
        served(sends(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n")) as url,
        pytest.raises(CheckNotReadable, match=r"chunk|IncompleteRead"),
    ):
        checked(url)


def test_a_response_that_ends_before_its_length_is_none():
    with (
        served(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")) as url,
        pytest.raises(CheckNotReadable, match=r"ended early|IncompleteRead"),
    ):
        checked(url)


def test_a_chunked_response_is_read():
    chunks = b"5;a=b\r\nhello\r\n00A\r\n, machines\r\n1 \r\n!\r\n0\r\nTrailer: x\r\n\r\n"
    with served(sends(CHUNKED + chunks)) as url:
        assert PublicHttp().send("GET", url, 5.0) == (200, b"hello, machines!")


def test_a_name_that_is_resolved_slowly_is_left_in_time():
    slow = Event()

    def resolver(_host: str, _port: int) -> list[str]:
        slow.wait(10 * TIMEOUT)
        return ["192.0.2.1"]

    with pytest.raises(CheckNotReadable, match="timed out"):
        PublicHttp(resolver).send("GET", "https://example.com/", TIMEOUT)
    slow.set()


def test_a_connection_that_the_server_closed_in_between_is_opened_again():
    """Also for a POST, which must not be sent twice."""
    requests = []

    def serve(connected: socket.socket) -> None:
        requests.append(1)
        connected.sendall(WHOLE)  # and the connection is closed, although the response did not say so

    with served(serve) as url:
        client = HttpClient()
        for number in (1, 2, 3):
            assert client.send(url, HttpRequest("POST", "/token", form={"a": "b"})).status == 200
            assert len(requests) == number
            sleep(0.1)
