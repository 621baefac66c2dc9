"""The platform as an adversary: hangs, drips, floods, lies and redirects end in one bounded error."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from service import addresses, upstream
from service.addresses import AddressRefused, Platform, platform
from service.upstream import UpstreamUnavailable


@pytest.fixture
def hostile():
    """Serve one connection with what a function writes to its socket."""
    sockets = []

    def serve(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def run():
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    answer(connection)
            except OSError:
                return

        threading.Thread(target=run, daemon=True).start()
        port = listener.getsockname()[1]
        return Platform("hostile", "Hostile", f"http://127.0.0.1:{port}", "127.0.0.1", port, secure=False)

    yield serve
    for listener in sockets:
        listener.close()


def _says(body, status="200 OK", headers=""):
    def answer(connection):
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(octets)}\r\n{headers}\r\n".encode()
        connection.sendall(head + octets)

    return answer


GOOD = {"sid": "s", "content": "c", "logintimeoutperiod": 24}
INFO = {
    "session": {"userUuid": "u"},
    "info": {"firstname": "Ada", "lastname": "L", "email": "a@b", "apiV3url": "https://x"},
}


def test_a_login_is_opened_and_its_profile_read(hostile):
    opened = upstream.open_login(hostile(_says(GOOD)))
    assert (opened.sid, opened.content, opened.session_hours) == ("s", "c", 24)
    assert upstream.profile(hostile(_says(INFO)), "c").given_name == "Ada"
    assert upstream.profile(hostile(_says({}, "404 Not Found")), "c") is None
    assert "'c'" not in repr(opened)
    assert "Ada" not in repr(upstream.profile(hostile(_says(INFO)), "c"))


@pytest.mark.parametrize(
    "answer",
    [
        _says(b"x" * (upstream.MAX_BYTES + 1)),
        _says(b"no json"),
        _says(b"[" * 60000),
        _says([]),
        _says({}),
        _says({**GOOD, "logintimeoutperiod": 0}),
        _says({**GOOD, "logintimeoutperiod": 121}),
        _says({**GOOD, "logintimeoutperiod": "24"}),
        _says({**GOOD, "sid": ""}),
        _says({**GOOD, "content": "c" * 600}),
        _says({**GOOD, "content": 7}),
        _says(GOOD, "302 Found", "Location: http://127.0.0.1:1/\r\n"),
        _says(GOOD, "500 Oops"),
        lambda connection: connection.sendall(b"this is no HTTP\r\n\r\n"),
        lambda connection: None,
    ],
)
def test_a_platform_that_breaks_its_protocol_is_one_bounded_error(hostile, answer):
    with pytest.raises(UpstreamUnavailable):
        upstream.open_login(hostile(answer))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"session": {}},
        {"session": {"userUuid": "u"}},
        {"session": [], "info": {}},
        {"session": {"userUuid": ""}, "info": {}},
    ],
)
def test_a_profile_without_what_we_need_is_an_error(hostile, body):
    with pytest.raises(UpstreamUnavailable):
        upstream.profile(hostile(_says(body)), "c")


def _drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1000):
        connection.sendall(b"X")
        time.sleep(0.02)


def _hang(connection):
    connection.recv(1)


def _drip_the_body(connection):
    connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"sid":"s","content":"c","logintimeoutperiod":24}')
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.02)


@pytest.mark.parametrize("answer", [_drip, _drip_the_body, _hang])
def test_a_platform_that_takes_its_time_is_cut_off_at_the_deadline(hostile, monkeypatch, answer):
    monkeypatch.setattr(upstream, "DEADLINE_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(UpstreamUnavailable):
        upstream.open_login(hostile(answer))
    assert time.monotonic() - started < 2


def test_a_platform_that_does_not_listen_is_an_error():
    with pytest.raises(UpstreamUnavailable):
        upstream.open_login(Platform("p", "P", "http://127.0.0.1:1", "127.0.0.1", 1, secure=False))


def test_a_platform_without_tls_where_there_must_be_is_an_error(hostile, monkeypatch):
    plain = hostile(_says(GOOD))
    monkeypatch.setattr(addresses, "is_public", lambda _: True)
    with pytest.raises(UpstreamUnavailable):
        upstream.open_login(Platform("p", "P", "https://localhost", "127.0.0.1", plain.port))


def test_the_login_address_carries_the_token_escaped():
    place = Platform("p", "P", "https://p.example", "p.example", 443)
    assert upstream.login_url(place, "a&b=c") == "https://p.example/auth/?login=0&token=a%26b%3Dc&display=iframe"


# Addresses


@pytest.mark.parametrize(
    "url", ["https://platform.example", "https://platform.example/", "https://platform.example:443"]
)
def test_https_on_its_port_is_a_platform(url):
    assert platform("p", url, "P", loopback_allowed=False).port == 443


@pytest.mark.parametrize(
    "url",
    [
        "http://platform.example",
        "https://platform.example:8443",
        "https://user@platform.example",
        "https://user:pass@platform.example",
        "https://platform.example/path",
        "https://platform.example/?x",
        "https://platform.example/#f",
        "https://127.0.0.1",
        "https://[::1]",
        "https://2130706433",
        "https://127.1",
        "https://0x7f000001",
        "https://platform.example:99999",
        "http://127.0.0.1:8000",
        "http://localhost",
        "ftp://platform.example",
        "platform.example",
        "",
    ],
)
def test_anything_else_is_none_outside_the_local_cloud(url):
    with pytest.raises(AddressRefused):
        platform("p", url, "P", loopback_allowed=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:9"])
def test_the_local_cloud_alone_may_name_loopback(url):
    assert not platform("p", url, "P", loopback_allowed=True).secure


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://platform.example", "https://127.0.0.1"])
def test_even_the_local_cloud_may_name_nothing_else_without_tls(url):
    with pytest.raises(AddressRefused):
        platform("p", url, "P", loopback_allowed=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "2002:7f00:1::", "::127.0.0.1",
        "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "192.0.2.1", "198.18.0.1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public(address):
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_an_address_outside_is_public(address):
    assert addresses.is_public(address)


def _resolver(monkeypatch, *answers):
    def getaddrinfo(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_with_one_private_address_is_not_trusted_with_any(monkeypatch):
    place = platform("p", "https://platform.example", "P", loopback_allowed=False)
    _resolver(monkeypatch, "93.184.215.14", "169.254.169.254")
    with pytest.raises(AddressRefused):
        addresses.resolve(place.server)
    with pytest.raises(UpstreamUnavailable):
        upstream.open_login(place)
    _resolver(monkeypatch, "93.184.215.14")
    assert addresses.resolve(place.server) == "93.184.215.14"


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    """A name that changes its answer between check and use gains nothing: it is asked once."""
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14" if len(asked) == 1 else "127.0.0.1", port))
        ]

    connected = []

    def create_connection(address, **_):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(UpstreamUnavailable):
        upstream.open_login(platform("p", "https://platform.example", "P", loopback_allowed=False))
    assert (asked, connected) == (["platform.example"], [("93.184.215.14", 443)])


def test_a_platform_that_does_not_answer_is_503_for_the_person(service, monkeypatch):
    transaction = service.transaction()

    def unavailable(_):
        raise UpstreamUnavailable("answered 500")

    monkeypatch.setattr(upstream, "open_login", unavailable)
    form = {"transaction": transaction, "platform": "demo", "decision": "allow"}
    answer = service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})
    assert (answer.status, answer.header("retry-after")) == (503, "1")
