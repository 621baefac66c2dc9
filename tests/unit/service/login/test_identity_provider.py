"""The platform as an adversary: hangs, drips, floods, lies and redirects end in one bounded error."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import urllib.request
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qs

import pytest

from service.clients import address_guard
from service.clients.address_guard import AddressRefused, Platform, parse_platform
from service.endpoints import authorize
from service.login import identity_provider
from service.login.identity_provider import MAX_TEXT_BYTES, LoginContext, UpstreamUnavailable
from tests.unit.service.conftest import Service


@pytest.fixture
def hostile():
    """Serve one connection with what a function writes to its socket."""
    sockets = []

    def serve(answer, heard=None):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def run():
            try:
                connection, _ = listener.accept()
                with connection:
                    request = connection.recv(65536)
                    while heard is not None and not _is_whole(request):
                        request += connection.recv(65536)
                    if heard is not None:
                        heard.append(request)
                    answer(connection)
            except OSError:
                return

        threading.Thread(target=run, daemon=True).start()
        port = listener.getsockname()[1]
        return Platform("hostile", "Hostile", f"http://127.0.0.1:{port}", "127.0.0.1", port, secure=False)

    yield serve
    for listener in sockets:
        listener.close()


def _is_whole(request):
    head, end, body = request.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(re.search(rb"(?i)content-length: (\d+)", head)[1])


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


UNFIT = {
    "surrogate": "\ud800", "surrogates in the wrong order": "a\udc00\ud800", "NUL": "a\x00", "line break": "a\r\nX: 1",
    "tab": "a\tb", "delete": "\x7f", "C1 control": "\x85", "line separator": "\u2028", "paragraph separator": "\u2029",
    "too long": "x" * (MAX_TEXT_BYTES + 1), "too long in UTF-8": "語" * (MAX_TEXT_BYTES // 3 + 1),
    "too long when escaped": '"' * (MAX_TEXT_BYTES // 2 + 1), "no text": 7, "a list": ["s"], "an object": {"s": 1}, "null": None,
}  # fmt: skip
"""Texts that cannot be stored, sent on, or encrypted together."""
SURROGATE_BYTES = b'{"sid":"s","content":"\xed\xa0\x80","logintimeoutperiod":24}'


@pytest.mark.parametrize("text", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("member", ["sid", "content"])
def test_a_login_with_a_text_that_is_not_fit_is_a_broken_answer(hostile, member, text):
    with pytest.raises(UpstreamUnavailable, match=member):
        identity_provider.open_login(hostile(_says({**GOOD, member: text})))


@pytest.mark.parametrize("text", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize(
    ("part", "member"),
    [("session", "userUuid"), ("info", "firstname"), ("info", "lastname"), ("info", "email"), ("info", "apiV3url")],
)
def test_a_profile_with_a_text_that_is_not_fit_is_a_broken_answer(hostile, part, member, text):
    answer = {**INFO, part: {**INFO[part], member: text}}
    with pytest.raises(UpstreamUnavailable, match=member):
        identity_provider.profile(hostile(_says(answer)), "c")


@pytest.mark.parametrize("subject", ["ü", "a b", "x" * (identity_provider.MAX_SUBJECT_CHARACTERS + 1)])
def test_a_subject_that_no_token_could_carry_is_a_broken_answer(hostile, subject):
    with pytest.raises(UpstreamUnavailable, match="userUuid"):
        identity_provider.profile(hostile(_says({**INFO, "session": {"userUuid": subject}})), "c")


def test_octets_that_are_no_utf_8_are_a_broken_answer(hostile):
    with pytest.raises(UpstreamUnavailable):
        identity_provider.open_login(hostile(_says(SURROGATE_BYTES)))


@pytest.mark.parametrize(
    "name",
    [
        "Ada",
        "\u0646\u0631\u0645\u200c\u0627\u0641\u0632\u0627\u0631",
        "\u200e\u05e9\u05e8\u05d4",
        "李小龍",
        "O'Brien-Ñandú",
        "\U0001f469\u200d\U0001f52c",
    ],
)
def test_names_of_every_script_are_read_as_they_are(hostile, name):
    answer = {**INFO, "info": {**INFO["info"], "firstname": name}}
    assert identity_provider.profile(hostile(_says(answer)), "c").given_name == name


@pytest.mark.parametrize("character", ["x", "語", '"', "\U0001f469"])
def test_the_longest_texts_together_fit_into_one_encryption(service, hostile, character):
    longest = character * (MAX_TEXT_BYTES // (len(json.dumps(character, ensure_ascii=False).encode()) - 2))
    opened = identity_provider.open_login(hostile(_says({**GOOD, "sid": longest})))
    info = dict.fromkeys(("firstname", "lastname", "email", "apiV3url"), longest)
    subject = "u" * identity_provider.MAX_SUBJECT_CHARACTERS
    person = identity_provider.profile(hostile(_says({"session": {"userUuid": subject}, "info": info})), "c")
    session = {"platform": "demo", "sid": opened.sid, "given_name": person.given_name, "family_name": person.family_name,
               "email": person.email, "api_url": person.api_url}  # fmt: skip
    assert (
        service.vault.decrypt(
            service.vault.encrypt(session, "session", f"demo:{subject}"), "session", f"demo:{subject}"
        )
        == session
    )


@pytest.mark.parametrize(
    "body", [{**GOOD, "content": "\ud800"}, {**GOOD, "sid": "\ud800"}, {**GOOD, "content": "a\nb"}]
)
def test_a_platform_with_a_text_that_is_not_fit_is_503_for_the_person(service, hostile, body):
    transaction = service.transaction()
    service.functions["authorize"] = _with_platform(service, hostile(_says(body)))
    form = {"transaction": transaction, "platform": "hostile", "decision": "allow"}
    answer = service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})
    assert (answer.status, answer.header("retry-after")) == (503, "1")


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "x" * 600])
def test_a_profile_with_a_text_that_is_not_fit_is_503_for_the_page(service, monkeypatch, text):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    fetch = identity_provider.fetch

    def fetched(*arguments):
        answer = fetch(*arguments)
        return replace(answer, body=json.dumps({**json.loads(answer.body), "info": {"firstname": text}}).encode())

    monkeypatch.setattr(identity_provider, "fetch", fetched)
    answer = service.poll(transaction)
    assert (answer.status, answer.header("retry-after")) == (503, "1")


def _with_platform(service, platform):
    """The function authorize, with one more platform."""
    endpoint = service.functions["authorize"].routes._endpoints["POST", "/login"].__self__
    flow = replace(endpoint.flow, platforms={**endpoint.flow.platforms, platform.name: platform})
    return authorize.build(service.settings, flow, clock=lambda: service.now)


# What a login page can show (RFC 8628 §5.4)


def test_a_platform_that_shows_for_whom_a_login_is_gets_client_host_and_code(hostile):
    heard = []
    context = LoginContext("An app & more", "app.example", "BCDF-GHJK")
    identity_provider.open_login(hostile(_says(GOOD), heard), context)
    (request,) = heard
    head, _, body = request.partition(b"\r\n\r\n")
    assert b"content-type: application/x-www-form-urlencoded" in head.lower()
    assert parse_qs(body.decode()) == {
        "client_name": ["An app & more"], "client_host": ["app.example"], "user_code": ["BCDF-GHJK"]
    }  # fmt: skip


def test_a_platform_that_shows_nothing_gets_an_empty_body(hostile):
    heard = []
    identity_provider.open_login(hostile(_says(GOOD), heard))
    assert heard[0].partition(b"\r\n\r\n")[2] == b""


def _waiting_page(service, transaction):
    form = {"transaction": transaction, "platform": "demo", "decision": "allow"}
    return service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie}).body


def _code_on(page):
    return re.search(r'<strong class="code">([B-Z]{4}-[B-Z]{4})</strong>', page)[1]


def test_the_code_of_a_login_is_on_its_page_and_on_the_platform_s_which_names_the_client(aws, variables, platform_url):
    shown = {"demo": {"url": platform_url, "title": "Demo platform", "shows_login_context": True}}
    service = Service(aws, {**variables, "PLATFORMS": json.dumps(shown)})
    codes = []
    for _ in range(2):
        page = _waiting_page(service, service.transaction())
        codes.append(_code_on(page))
        address = unescape(re.search(r'data-login-url="([^"]+)"', page)[1])
        with urllib.request.urlopen(address) as answer:
            theirs = answer.read().decode()
        assert codes[-1] in theirs
        assert "Native &lt;app&gt;" in theirs
        assert "127.0.0.1" in theirs
        assert "shows the same code" in page
    assert codes[0] != codes[1]


def test_where_the_platform_shows_no_code_the_page_says_who_is_logged_in_by_a_login_s_address(service):
    transaction = service.transaction()
    page = _waiting_page(service, transaction)
    assert _code_on(page) == _code_on(_waiting_page(service, transaction)), "a login has one code"
    assert "shows the same code" not in page
    assert "only if you began this login yourself" in page


def test_a_login_is_opened_and_its_profile_read(hostile):
    opened = identity_provider.open_login(hostile(_says(GOOD)))
    assert (opened.sid, opened.content, opened.session_hours) == ("s", "c", 24)
    assert identity_provider.profile(hostile(_says(INFO)), "c").given_name == "Ada"
    assert identity_provider.profile(hostile(_says({}, "404 Not Found")), "c") is None
    assert "'c'" not in repr(opened)
    assert "Ada" not in repr(identity_provider.profile(hostile(_says(INFO)), "c"))


@pytest.mark.parametrize(
    "answer",
    [
        _says(b"x" * (identity_provider.MAX_BYTES + 1)),
        _says(b"no json"),
        _says(b"[" * 60000),
        _says([]),
        _says({}),
        _says({**GOOD, "logintimeoutperiod": 0}),
        _says({**GOOD, "logintimeoutperiod": 121}),
        _says({**GOOD, "logintimeoutperiod": "24"}),
        _says({**GOOD, "logintimeoutperiod": True}),
        _says({**GOOD, "logintimeoutperiod": 24.0}),
        _says(b'{"sid":"s","content":"c","logintimeoutperiod":NaN}'),
        _says(b'{"sid":"s","content":"c","logintimeoutperiod":1' + b"0" * 5000 + b"}"),
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
        identity_provider.open_login(hostile(answer))


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
        identity_provider.profile(hostile(_says(body)), "c")


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
    monkeypatch.setattr(identity_provider, "DEADLINE_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(UpstreamUnavailable):
        identity_provider.open_login(hostile(answer))
    assert time.monotonic() - started < 2


def test_a_platform_that_does_not_listen_is_an_error():
    with pytest.raises(UpstreamUnavailable):
        identity_provider.open_login(Platform("p", "P", "http://127.0.0.1:1", "127.0.0.1", 1, secure=False))


def test_a_platform_without_tls_where_there_must_be_is_an_error(hostile, monkeypatch):
    plain = hostile(_says(GOOD))
    monkeypatch.setattr(address_guard, "is_public", lambda _: True)
    with pytest.raises(UpstreamUnavailable):
        identity_provider.open_login(Platform("p", "P", "https://localhost", "127.0.0.1", plain.port))


def test_the_login_address_carries_the_token_escaped():
    place = Platform("p", "P", "https://p.example", "p.example", 443)
    assert (
        identity_provider.login_url(place, "a&b=c") == "https://p.example/auth/?login=0&token=a%26b%3Dc&display=iframe"
    )


# Addresses


@pytest.mark.parametrize(
    "url", ["https://platform.example", "https://platform.example/", "https://platform.example:443"]
)
def test_https_on_its_port_is_a_platform(url):
    assert parse_platform("p", url, "P", loopback_allowed=False).port == 443


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
        parse_platform("p", url, "P", loopback_allowed=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:9"])
def test_the_local_cloud_alone_may_name_loopback(url):
    assert not parse_platform("p", url, "P", loopback_allowed=True).secure


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://platform.example", "https://127.0.0.1"])
def test_even_the_local_cloud_may_name_nothing_else_without_tls(url):
    with pytest.raises(AddressRefused):
        parse_platform("p", url, "P", loopback_allowed=True)


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
    assert not address_guard.is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_an_address_outside_is_public(address):
    assert address_guard.is_public(address)


def _resolver(monkeypatch, *answers):
    def getaddrinfo(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_with_one_private_address_is_not_trusted_with_any(monkeypatch):
    place = parse_platform("p", "https://platform.example", "P", loopback_allowed=False)
    _resolver(monkeypatch, "93.184.215.14", "169.254.169.254")
    with pytest.raises(AddressRefused):
        address_guard.resolve(place.server)
    with pytest.raises(UpstreamUnavailable):
        identity_provider.open_login(place)
    _resolver(monkeypatch, "93.184.215.14")
    assert address_guard.resolve(place.server) == "93.184.215.14"


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    """A name that changes its answer between check and use gains nothing: it is asked once."""
    resolved = []

    def getaddrinfo(host, port, **_):
        resolved.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14" if len(resolved) == 1 else "127.0.0.1", port))
        ]

    connected = []

    def create_connection(address, **_):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(UpstreamUnavailable):
        identity_provider.open_login(parse_platform("p", "https://platform.example", "P", loopback_allowed=False))
    assert (resolved, connected) == (["platform.example"], [("93.184.215.14", 443)])


def test_a_platform_that_does_not_answer_is_503_for_the_person(service, monkeypatch):
    transaction = service.transaction()

    def unavailable(_):
        raise UpstreamUnavailable("answered 500")

    monkeypatch.setattr(identity_provider, "open_login", unavailable)
    form = {"transaction": transaction, "platform": "demo", "decision": "allow"}
    answer = service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})
    assert (answer.status, answer.header("retry-after")) == (503, "1")
