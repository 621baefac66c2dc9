"""Sending over loopback: time-outs, redirects, guarded addresses, and what is left of a secret afterwards: nothing."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from orchestrator.aws.provider_client import ProviderClient
from orchestrator.aws.public_http import PublicHttp
from orchestrator.domain.notifications.destinations import PAGERS, DestinationKind
from orchestrator.domain.notifications.notification import Transition
from orchestrator.domain.notifications.providers.requests import Result
from tests.fakes.notification_providers import CONFIDENTIAL, Providers
from tests.samples import NOW
from tests.unit.domain.notifications.test_delivery import notification

WHAT = notification(
    Transition.TRIGGER, title="test: it is broken", reason="<!channel> *x*", key="alarm:a", subject="d-1"
)
WEB = [kind for kind in DestinationKind if kind is not DestinationKind.EMAIL]
OTHERS = [kind for kind in DestinationKind if kind is not DestinationKind.GITHUB]


@pytest.fixture
def providers():
    return Providers(lambda: NOW)


def client(providers, *, local=True, timeout=2.0, resolver=None):
    web = PublicHttp(resolver) if resolver else PublicHttp()
    return ProviderClient(providers, web, lambda: NOW, local=local, timeout_seconds=timeout, mailer=providers.mailer)


def destination(providers, kind):
    (found,) = [one for one in providers.destinations() if one.kind is kind]
    return found


@pytest.mark.parametrize("kind", OTHERS)
def test_every_provider_takes_its_message_over_http(providers, kind):
    with providers.served():
        answer = client(providers).send(WHAT, destination(providers, kind))
    assert answer.result is Result.DELIVERED, answer
    assert len(providers[kind].accepted) == 1
    assert providers[kind].alerts == ({"ib-oauth:prod:alarm:a": True} if kind in PAGERS else {})


def test_github_takes_a_conversation(providers):
    from dataclasses import replace

    from orchestrator.domain.notifications.notification import EventKind
    from tests.fakes.notification_provider import SHA

    what = replace(WHAT, kind=EventKind.DEPLOYMENT, subject="d-1", commit=SHA, environment="test")
    with providers.served():
        answers = [client(providers).send(what, destination(providers, DestinationKind.GITHUB)) for _ in range(2)]
    assert [answer.result for answer in answers] == [Result.DELIVERED] * 2
    assert len(providers[DestinationKind.GITHUB].github["deployments"]) == 1


def test_a_provider_that_hangs_is_left_after_the_time_out(providers):
    hang = threading.Event()
    slack = providers[DestinationKind.SLACK]
    slack.hangs_until = NOW
    with providers.served(hang):
        answer = client(providers, timeout=0.2).send(WHAT, destination(providers, DestinationKind.SLACK))
    assert answer.result is Result.FAILED
    assert "timed out" in answer.text
    assert slack.accepted == []


def test_a_redirect_is_not_followed(providers):
    reached = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            reached.append(self.path)

        do_GET = do_POST  # noqa: N815 - the name in the standard library

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    providers[DestinationKind.SLACK].plan = [(302, {"Location": f"http://127.0.0.1:{server.server_port}/"}, b"")]
    with providers.served():
        answer = client(providers).send(WHAT, destination(providers, DestinationKind.SLACK))
    server.shutdown()
    server.server_close()
    assert (answer.result, answer.text, reached) == (Result.REFUSED, "HTTP 302", [])


PRIVATE = [
    "169.254.169.254",
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
]


@pytest.mark.parametrize("kind", WEB)
@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(providers, kind, address):
    answer = client(providers, local=False, resolver=lambda _host, _port: [address]).send(
        WHAT, destination(providers, kind)
    )
    assert answer.result is Result.REFUSED
    assert "not public" in answer.text


def test_one_address_that_is_not_public_among_others_is_enough(providers):
    resolver = lambda _host, _port: ["93.184.216.34", "10.0.0.1"]  # noqa: E731
    answer = client(providers, local=False, resolver=resolver).send(WHAT, destination(providers, DestinationKind.SLACK))
    assert answer.result is Result.REFUSED


def test_the_name_is_resolved_once_and_the_connection_goes_to_the_checked_address(providers, monkeypatch):
    """A name that changes its address after the check (DNS rebinding) leads nowhere else."""
    resolved, connected = [], []

    def resolver(host, _port):
        resolved.append(host)
        return ["93.184.216.34"] if len(resolved) == 1 else ["127.0.0.1"]

    def connect(address, _timeout):
        connected.append(address)
        raise OSError("no network in a test")

    monkeypatch.setattr("orchestrator.aws.public_http.socket.create_connection", connect)
    answer = client(providers, local=False, resolver=resolver).send(WHAT, destination(providers, DestinationKind.SLACK))
    assert (answer.result, len(resolved), connected) == (Result.FAILED, 1, [("93.184.216.34", 443)])


class OneSecret:
    def __init__(self, answer):
        self.answer = answer

    def get_secret_value(self, *, SecretId):  # noqa: N803 - botocore's
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1/x", "https://[::1]/x", "https://[::ffff:127.0.0.1]/x", "https://10.0.0.1/x",
        "https://2130706433/x", "https://0x7f000001/x", "https://127.1/x", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_an_address_in_a_secret_that_is_no_name_is_refused_before_anything_is_sent(providers, url, monkeypatch):
    monkeypatch.setattr("orchestrator.aws.public_http.socket.create_connection", None)
    sender = ProviderClient(OneSecret({"SecretString": url}), PublicHttp(), lambda: NOW, local=False)
    answer = sender.send(WHAT, destination(providers, DestinationKind.SLACK))
    assert answer.result is Result.REFUSED
    assert url not in answer.text


def test_an_http_address_in_the_settings_is_refused_outside_the_local_cloud(providers):
    with providers.served():
        answer = client(providers, local=False).send(WHAT, destination(providers, DestinationKind.PAGERDUTY))
    assert (answer.result, answer.text) == (Result.REFUSED, "the address is not https")
    assert providers[DestinationKind.PAGERDUTY].attempts == 0


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue"), Result.REFUSED),
        (ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue"), Result.REFUSED),
        ({"SecretBinary": b"x"}, Result.REFUSED),
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "GetSecretValue"), Result.FAILED),
        (EndpointConnectionError(endpoint_url="https://secretsmanager"), Result.FAILED),
    ],
)
def test_a_secret_that_cannot_be_read_is_refused_and_a_throttle_is_repeated(providers, failure, result):
    sender = ProviderClient(OneSecret(failure), PublicHttp(), lambda: NOW, local=False)
    assert sender.send(WHAT, destination(providers, DestinationKind.SLACK)).result is result


def test_an_answer_of_github_in_another_form_is_tried_again(providers):
    providers[DestinationKind.GITHUB].plan = [(200, {}, b"<html>")]
    with providers.served():
        answer = client(providers).send(WHAT, destination(providers, DestinationKind.GITHUB))
    assert answer.result is Result.FAILED


@pytest.mark.parametrize("kind", WEB)
@pytest.mark.parametrize("status", [200, 401, 500])
def test_no_answer_repeats_a_secret(providers, kind, status):
    with providers.served():
        providers[kind].plan = [(status, {}, providers[kind].secret.encode())] * 2
        answer = client(providers).send(WHAT, destination(providers, kind))
    assert [part for part in CONFIDENTIAL if part in repr(answer)] == []
