"""Clients that describe themselves in a document: whole flows, what is asked how often, and hosts that mean harm."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.clients import address_guard, metadata_documents, registry
from service.clients.fetch import FetchFailed, Limits
from service.clients.metadata_documents import ClientDocuments, DocumentUnusable

CALLBACK = "http://127.0.0.1:5000/callback"
LIMITS = Limits(deadline_seconds=0.4, max_bytes=10 * 1024)


class Site:
    """A host of documents: by path, what it answers; `asked` counts."""

    def __init__(self):
        self.answers = {}
        self.paths = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.paths.append(self.path)
                site.answers[self.path](self)

            def log_message(self, *_):
                """Tests count what was asked."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def publish(self, path, *, status=200, content_type="application/json", headers=(), raw=None, **changes):
        client_id = self.url + path
        document = {"client_id": client_id, "client_name": "An <app>", "redirect_uris": [CALLBACK], **changes}
        body = json.dumps(document).encode() if raw is None else raw

        def answer(request):
            request.send_response(status)
            request.send_header("Content-Type", content_type)
            request.send_header("Content-Length", str(len(body)))
            for name, value in headers:
                request.send_header(name, value)
            request.end_headers()
            with contextlib.suppress(OSError):  # the client has read enough
                request.wfile.write(body)

        self.answers[path] = answer
        return client_id


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def variables(variables):
    return {**variables, "CLIENT_DOCUMENTS": "on", "SELF_DESCRIBED_CLIENT_SCOPES": "profile email"}


def _page(service, client_id, **extra):
    return service.authorize(client=client_id, redirect=CALLBACK, **extra)


def _begins(service, client_id):
    page = _page(service, client_id)
    assert page.status == 200, page.body


def _refused(service, client_id):
    """The page that refuses; it is never a redirect and never this service's fault."""
    page = _page(service, client_id)
    assert (page.status, page.header("location")) == (400, None)
    assert page.header("content-type").startswith("text/html")
    return page.body


def test_a_person_logs_in_for_a_client_without_configuration(service, site):
    client_id = site.publish("/client.json", scope="profile")
    code = service.code(client=client_id, redirect=CALLBACK)
    tokens = service.redeem(code, client_id=client_id)
    assert tokens.status == 200, tokens.body
    assert tokens.json["scope"] == "profile"
    assert service.userinfo(tokens.json["access_token"]).json["given_name"] == "Ada"
    refreshed = service.refresh(tokens.json["refresh_token"], client_id=client_id)
    assert refreshed.status == 200, refreshed.body
    assert site.paths == ["/client.json"]


def test_the_consent_page_shows_the_host_that_the_client_is_known_by(service, site):
    site.url = site.url.replace("127.0.0.1", "localhost")  # apart from the host that the answer goes to
    transaction = service.transaction(
        client=site.publish("/client.json", client_name="Your bank"), redirect=CALLBACK, scope="profile"
    )
    form = {"transaction": transaction, "platform": "demo"}
    page = service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})
    assert "<strong>Your bank</strong>, as localhost describes it, asks to know:" in page.body
    assert '<strong class="host">127.0.0.1</strong>' in page.body


def test_neither_token_nor_userinfo_asks_the_client_s_host(service, site):
    client_id = site.publish("/client.json")
    tokens = service.redeem(service.code(client=client_id, redirect=CALLBACK), client_id=client_id)
    service.now += 3600  # what was kept is of no use any more
    refreshed = service.refresh(tokens.json["refresh_token"], client_id=client_id)
    assert service.userinfo(refreshed.json["access_token"]).status == 200
    assert len(site.paths) == 1


def test_a_code_is_redeemed_under_its_exact_client_id_alone(service, site):
    client_id = site.publish("/client.json")
    code = service.code(client=client_id, redirect=CALLBACK)
    for other in (client_id + "x", client_id.replace("127.0.0.1", "localhost"), client_id + "/"):
        answer = service.redeem(code, client_id=other)
        assert (answer.status, answer.json["error"]) == (400, "invalid_grant"), other
    assert service.redeem(code, client_id=client_id, client_secret="x").json["error"] == "invalid_client"
    assert service.redeem(code, client_id=client_id).status == 200


def test_an_address_that_can_name_no_document_is_no_client_of_any_grant(service):
    for client_id in ("https://app.example", "http://app.example/client.json", "https://app.example/../x"):
        answer = service.refresh("any", client_id=client_id)
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")


def test_a_store_that_is_gone_is_503_and_not_the_client_s_fault(service, site):
    client_id = site.publish("/client.json")
    service.aws.dynamodb.delete_table(TableName=service.variables["STATE_TABLE"])
    page = _page(service, client_id)
    assert (page.status, page.header("retry-after")) == (503, "1")
    assert site.paths == []


def test_a_document_is_requested_once_while_it_is_fresh_and_again_after_that(service, site):
    client_id = site.publish("/client.json", headers=[("Cache-Control", "max-age=1000")])
    _begins(service, client_id)
    service.now += 999
    _begins(service, client_id)
    assert len(site.paths) == 1
    service.now += 1
    _begins(service, client_id)
    assert len(site.paths) == 2


def test_a_login_ends_as_it_began_though_the_document_has_changed_or_gone(service, site):
    client_id = site.publish("/client.json")
    transaction = service.transaction(client=client_id, redirect=CALLBACK)
    service.now += 301
    site.publish("/client.json", redirect_uris=["https://elsewhere.example/cb"])
    service.log_in_upstream(service.login_page(transaction))
    assert service.poll(transaction).json["redirect"].startswith(CALLBACK)
    assert "not registered" in _refused(service, client_id)


def test_what_is_kept_is_no_longer_used_after_its_end(service, site):
    client_id = site.publish("/client.json")
    _begins(service, client_id)
    service.now += 300 + 600
    site.publish("/client.json", status=404)
    assert "200" in _refused(service, client_id)
    kept = registry.for_login(service.settings, service.client_store, lambda: service.now)
    assert kept.get(client_id) is None


def test_a_client_asks_for_no_more_than_such_clients_may(service, site):
    client_id = site.publish("/client.json", scope="profile admin")
    answer = _page(service, client_id, scope="admin")
    assert (answer.status, answer.header("location")) == (400, None)
    assert "<code>invalid_scope</code>" in answer.body


def test_a_redirect_that_the_document_does_not_have_is_never_redirected_to(service, site):
    client_id = site.publish("/client.json", redirect_uris=["https://app.example/cb"])
    assert "not registered" in _refused(service, client_id)


def test_a_document_is_json_by_any_of_its_names(service, site):
    _begins(service, site.publish("/a", content_type="application/json; charset=utf-8"))
    _begins(service, site.publish("/b", content_type="application/client-metadata+json"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"client_id": "https://app.example/client.json"}, "client_id"),
        ({"raw": b"{"}, "not JSON"),
        ({"raw": b"\xff\xfe"}, "not JSON"),
        ({"raw": b"[" * 9000}, "not JSON"),
        ({"raw": b"[]"}, "object"),
        ({"raw": b'{"x":' + b"1" * 5000 + b"}"}, "not JSON"),
        ({"client_secret": "x"}, "client_secret"),
        ({"redirect_uris": ["http://app.example/cb"]}, "redirect_uris"),
        ({"content_type": "text/html"}, "as JSON"),
        ({"status": 404}, "with 200"),
        ({"status": 500}, "with 200"),
        ({"status": 302, "headers": [("Location", "http://127.0.0.1:1/")]}, "without a redirect"),
        ({"raw": b" " * (10 * 1024 + 1)}, "cannot be fetched"),
        ({"raw": b" " * (50 * 1024 * 1024)}, "cannot be fetched"),
    ],
)
def test_a_document_that_cannot_be_believed_is_a_page_that_says_why(service, site, answer, said):
    body = _refused(service, site.publish("/client.json", **answer))
    assert said in body
    assert site.paths == ["/client.json"]
    assert service.aws.items(service.variables["STATE_TABLE"]) == []  # nothing of it is kept


def _hang(request):
    request.connection.recv(1)


def _drip(request):
    with contextlib.suppress(OSError):
        request.wfile.write(b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"a":1}')
        while True:
            request.wfile.write(b" ")
            time.sleep(0.02)


def _drip_headers(request):
    with contextlib.suppress(OSError):
        request.wfile.write(b"HTTP/1.0 200 OK\r\n")
        while True:
            request.wfile.write(b"x: y\r\n")
            time.sleep(0.02)


@pytest.mark.parametrize("answer", [_hang, _drip, _drip_headers])
def test_a_host_that_takes_its_time_costs_a_person_little(service, site, monkeypatch, answer):
    monkeypatch.setattr(metadata_documents, "LIMITS", LIMITS)
    site.answers["/client.json"] = answer
    started = time.monotonic()
    assert "cannot be fetched" in _refused(service, f"{site.url}/client.json")
    assert time.monotonic() - started < 2


def test_a_failure_is_remembered_for_a_while_so_that_the_host_is_left_in_peace(service, site):
    client_id = site.publish("/client.json", status=500)
    first = _refused(service, client_id)
    site.publish("/client.json")
    service.now += metadata_documents.FAILURE_SECONDS - 1
    assert "with 200" in first
    assert "with 200" in _refused(service, client_id)
    assert len(site.paths) == 1
    service.now += 1
    _begins(service, client_id)


def test_no_client_can_have_one_process_call_a_host_again_and_again(service, site):
    for number in range(metadata_documents.HOST_BURST):
        _begins(service, site.publish(f"/{number}.json"))
    assert "too many" in _refused(service, site.publish("/one-more.json"))
    assert len(site.paths) == metadata_documents.HOST_BURST
    service.now += 1 / metadata_documents.HOST_PER_SECOND
    _begins(service, site.publish("/later.json"))


def test_no_client_is_shut_out_by_naming_others_at_its_host(service, site):
    good = site.publish("/good.json")
    _begins(service, good)
    service.now += 86400
    for number in range(metadata_documents.HOST_BURST + 5):
        _refused(service, site.publish(f"/{number}.json", status=404))
    _begins(service, good)


@pytest.mark.parametrize(
    "client_id",
    [
        "https://app.example",
        "https://app.example/?x",
        "https://user@app.example/a",
        "https://app.example:8443/a",
        "https://-.example/a",
        "https://10.0.0.1/a",
        "https://0x7f.1/a",
        "https://127.1/a",
        "http://app.example/a",
        "ftp://app.example/a",
    ],
)
def test_an_address_that_can_be_no_client_s_is_refused_before_any_request(service, monkeypatch, client_id):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    assert "client_id" in _refused(service, client_id)


def _resolver(monkeypatch, *answers):
    resolved = []

    def getaddrinfo(host, port, *_, **__):
        resolved.append(host)
        found = answers[min(len(resolved), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return resolved


@pytest.fixture
def documents(service):
    """Documents as in an account: loopback is no client's address."""
    return ClientDocuments(
        service.client_store, ("profile",), "https://auth.example", lambda: service.now, loopback_allowed=False
    )


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["93.184.215.14", "::ffff:10.0.0.1"],
        ["64:ff9b::a9fe:a9fe"],
        ["fd00:ec2::254"],
    ],
)
def test_a_name_that_leads_inside_is_not_connected_to(documents, monkeypatch, found):
    _resolver(monkeypatch, found)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(DocumentUnusable, match="cannot be fetched"):
        documents.get("https://app.example/client.json")


def test_a_name_that_changes_its_answer_is_resolved_once_and_gains_nothing(documents, monkeypatch):
    resolved = _resolver(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    connected = []

    def create_connection(address, **_):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(DocumentUnusable):
        documents.get("https://app.example/client.json")
    assert (resolved, connected) == (["app.example"], [("93.184.215.14", 443)])


def test_a_resolver_that_hangs_is_left_behind_at_the_deadline(documents, monkeypatch):
    monkeypatch.setattr(metadata_documents, "LIMITS", LIMITS)
    released = threading.Event()

    def getaddrinfo(*_, **__):
        released.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    started = time.monotonic()
    with pytest.raises(DocumentUnusable, match="cannot be fetched"):
        documents.get("https://app.example/client.json")
    assert time.monotonic() - started < 2
    released.set()


def test_only_the_local_environment_has_clients_on_loopback(documents, site):
    with pytest.raises(DocumentUnusable, match="https"):
        documents.get(site.publish("/client.json"))
    assert site.paths == []


def test_failures_are_forgotten_in_their_order_when_there_are_too_many(documents, monkeypatch):
    monkeypatch.setattr(metadata_documents, "_FAILURES_KEPT", 2)
    looked_up = _resolver(monkeypatch, ["127.0.0.1"])
    for name in ("a", "b", "c", "c", "b", "a"):
        with pytest.raises(DocumentUnusable):
            documents.get(f"https://{name}.example/x")
    assert looked_up == ["a.example", "b.example", "c.example", "a.example"]


def test_documents_can_be_off_and_then_such_a_client_is_unknown_everywhere(aws, variables, site):
    from tests.unit.service.conftest import Service

    client_id = site.publish("/client.json")
    on = Service(aws, variables)
    refresh_token = on.redeem(on.code(client=client_id, redirect=CALLBACK), client_id=client_id).json["refresh_token"]
    off = Service(aws, {**variables, "CLIENT_DOCUMENTS": "off"})
    assert "unknown" in _refused(off, client_id)
    assert off.refresh(refresh_token, client_id=client_id).json["error"] == "invalid_client"
    assert on.refresh(refresh_token, client_id=client_id).status == 200


def test_a_configured_client_comes_first_and_an_unknown_one_is_none(service):
    known = registry.for_authorize(service.settings, service.client_store, lambda: service.now)
    assert known.get("native") is service.settings.clients["native"]
    assert known.get("nobody") is None
    assert known.get("ibx_" + "a" * 22) is None


# By TLS


def _served_by_tls(tmp_path, name):
    """Serve one answer over TLS with a certificate of that name; return the port and what to trust."""
    import datetime as dt
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(1)).not_valid_after(today + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        with contextlib.suppress(OSError), listener:
            connection, _ = listener.accept()
            with server.wrap_socket(connection, server_side=True) as secured:
                head = secured.recv(65536).decode()
                body = json.dumps({"host": head.partition("Host: ")[2].partition("\r\n")[0]}).encode()
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1], ssl.create_default_context(cafile=str(pem))


@pytest.mark.parametrize(("certified", "believed"), [("app.example", True), ("evil.example", False)])
def test_a_server_is_believed_by_the_requested_name(tmp_path, monkeypatch, certified, believed):
    from service.clients import fetch

    port, trusted = _served_by_tls(tmp_path, certified)
    _resolver(monkeypatch, ["127.0.0.1"])
    monkeypatch.setattr(address_guard, "is_public", lambda _: True)
    monkeypatch.setattr(fetch, "_tls", lambda: trusted)
    server = address_guard.Server("app.example", port)
    if believed:
        assert json.loads(fetch.fetch(server, "GET", "/", LIMITS).body) == {"host": "app.example"}
    else:
        with pytest.raises(FetchFailed, match="SSLCertVerificationError"):
            fetch.fetch(server, "GET", "/", LIMITS)
