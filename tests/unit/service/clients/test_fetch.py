"""The bounded call: whatever octets a server answers with, there is an answer or one error, and soon."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.clients.address_guard import Server
from service.clients.fetch import Fetched, FetchFailed, Limits, fetch

LIMITS = Limits(deadline_seconds=1.0, max_bytes=1024)


@pytest.fixture(scope="module")
def raw():
    """A server that writes the octets it was given last, then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    said = [b""]

    def run():
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(said[0])

    threading.Thread(target=run, daemon=True).start()

    def answering(octets):
        said[0] = octets
        return Server("127.0.0.1", listener.getsockname()[1], secure=False)

    yield answering
    listener.close()


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/9 ", b"200 OK\r\n", b"100 Continue\r\n\r\n", b"-1\r\n", b"99999\r\n", b"200\r\n",
        b"Content-Length: ", b"5\r\n", b"-5\r\n", b"99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Content-Type: application/json\r\n", b"Cache-Control: max-age=1\r\n", b": empty\r\n", b" folded\r\n",
        b"\r\n", b"\n", b"\r", b"\x00", b"\xff\xfe", b"{}", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"z\r\n",
        b"X: y\r\n" * 120, b"x" * 2000, b"H: " + b"x" * 70000,
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join), st.booleans())
def test_any_octets_are_an_answer_within_the_limits_or_the_one_error(raw, octets, begins_well):
    started = time.monotonic()
    answer = None
    with contextlib.suppress(FetchFailed):
        answer = fetch(raw((b"HTTP/1.1 200 OK\r\n" if begins_well else b"") + octets), "GET", "/x", LIMITS)
    assert time.monotonic() - started < LIMITS.deadline_seconds + 2
    if answer is not None:
        assert isinstance(answer, Fetched)
        assert len(answer.body) <= LIMITS.max_bytes
        assert 100 <= answer.status <= 999


def test_an_answer_has_what_its_readers_need(raw):
    body = json.dumps({"a": 1}).encode()
    head = b"HTTP/1.1 404 Nope\r\nContent-Type: Application/JSON; charset=utf-8\r\nCache-Control: max-age=9\r\n"
    server = raw(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    assert fetch(server, "GET", "/x", LIMITS) == Fetched(404, "application/json", "max-age=9", body)


def test_exactly_as_much_as_was_wanted_is_an_answer_and_one_octet_more_is_not(raw):
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert len(fetch(raw(head + b"x" * 1024), "GET", "/", LIMITS).body) == 1024
    with pytest.raises(FetchFailed, match="more than 1024 bytes"):
        fetch(raw(head + b"x" * 1025), "GET", "/", LIMITS)


def test_an_answer_that_ends_before_it_said_it_would_is_no_answer(raw):
    with pytest.raises(FetchFailed, match="ended early"):
        fetch(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"), "GET", "/", LIMITS)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "size",
    [b"-5", b"-1", b"-0", b"+5", b"0x5", b"5_0", b" 5", b"", b"z", b"5 5", b"f" * 16, b"f" * 17, b"-" + b"f" * 500],
)
def test_a_chunk_whose_size_is_no_hexadecimal_number_or_more_than_it_holds_is_no_answer(raw, size):
    for body in (b"hello", b"x" * 1000):
        with pytest.raises(FetchFailed):
            fetch(raw(CHUNKED + size + b"\r\n" + body + b"\r\n0\r\n\r\n"), "GET", "/", LIMITS)


@pytest.mark.parametrize("size", [b"-1", b"-5", b"ffffffff", b"fffffffffffffffe"])
def test_no_more_is_read_of_a_chunk_than_an_answer_may_have(raw, size):
    """A negative size made http.client read all that the server had."""
    read = []

    class Counting(io.BufferedReader):
        def read(self, size=-1):
            found = super().read(size)
            read.append(len(found))
            return found

    with pytest.MonkeyPatch.context() as patch:
        makefile = socket.socket.makefile
        patch.setattr(socket.socket, "makefile", lambda one, *_, **__: Counting(makefile(one, "rb", 0)))
        with pytest.raises(FetchFailed):
            fetch(raw(CHUNKED + size + b"\r\n" + b"x" * 1_000_000), "GET", "/", LIMITS)
    assert sum(read) <= LIMITS.max_bytes + 1


def test_a_chunked_answer_is_read_with_its_extensions(raw):
    chunks = b"5;a=b\r\nhello\r\n00A\r\n, machines\r\n1 \r\n!\r\n0\r\nTrailer: x\r\n\r\n"
    assert fetch(raw(CHUNKED + chunks), "GET", "/", LIMITS).body == b"hello, machines!"
    whole = b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n"
    assert len(fetch(raw(CHUNKED + whole), "GET", "/", LIMITS).body) == 1024
    with pytest.raises(FetchFailed, match="more than 1024 bytes"):
        fetch(raw(CHUNKED + b"401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n"), "GET", "/", LIMITS)


def test_the_deadline_holds_for_all_of_it_together(monkeypatch):
    """A name that is slow to resolve leaves less for the rest."""
    resolve = socket.getaddrinfo
    listener = socket.create_server(("127.0.0.1", 0))
    released = threading.Event()

    def slowly(*arguments, **names):
        released.wait(0.3)
        return resolve(*arguments, **names)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    server = Server("127.0.0.1", listener.getsockname()[1], secure=False)
    started = time.monotonic()
    with pytest.raises(FetchFailed):
        fetch(server, "GET", "/", Limits(deadline_seconds=0.7, max_bytes=10))
    assert 0.6 < time.monotonic() - started < 3
    listener.close()
