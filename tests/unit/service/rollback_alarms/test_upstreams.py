"""Identity providers and document hosts that fail, hang or are slow roll no release back."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator import environments
from orchestrator.domain.verdict import Outcome
from service.clients import metadata_documents
from service.login import identity_provider
from tests.unit.service.conftest import Service
from tests.unit.service.rollback_alarms.conftest import (
    BUSY,
    MINIMUM,
    QUICK,
    SLOW_MS,
    SLOW_SECONDS,
    firing,
    verdicts,
)

DOCUMENTS = {"CLIENT_DOCUMENTS": "on", "SELF_DESCRIBED_CLIENT_SCOPES": "profile"}


@contextmanager
def server(answer: bytes | None, delay_seconds: float = 0.0) -> Iterator[str]:
    """A host that answers every connection with these octets after a delay, or never."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(65536)
            time.sleep(delay_seconds)
            if answer is not None:
                connection.sendall(answer)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.close()


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(), len(body), body,
    )  # fmt: skip


BROKEN_PROVIDERS = {
    "answers 500": (http("500 Internal Server Error", b"{}"), 0.0),
    "answers no JSON": (http("200 OK", b"<html>"), 0.0),
    "answers a lone surrogate": (http("200 OK", rb'{"sid":"s","content":"\ud800","logintimeoutperiod":24}'), 0.0),
    "hangs up": (None, 0.0),
    "is slow and fails": (None, SLOW_SECONDS),
}


def login_form(service: Service, transaction: str):
    form = {"transaction": transaction, "platform": "demo", "decision": "allow"}
    return service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})


@pytest.mark.parametrize("name", BROKEN_PROVIDERS)
def test_an_identity_provider_that_fails_rolls_no_release_back(scene, impatient, name):
    answer, delay = BROKEN_PROVIDERS[name]
    statuses = set()

    def attack(service: Service, _turn: int) -> None:
        statuses.add(login_form(service, service.transaction()).status)

    with server(answer, delay) as url:
        platforms = json.dumps({"demo": {"url": url, "title": "Demo platform"}})
        errors = scene(attack, *((1, QUICK) if delay else (MINIMUM + 2, BUSY)), PLATFORMS=platforms)
    assert statuses == {503}, "users read that it is unavailable"
    assert errors == [], "a line with ERROR would be an error of the release"
    assert firing(impatient) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


def test_an_identity_provider_that_is_slow_fires_no_latency_alarm(scene, impatient):
    body = json.dumps({"sid": "s", "content": "c", "logintimeoutperiod": 24}).encode()
    with server(http("200 OK", body), SLOW_SECONDS) as url:
        platforms = json.dumps({"demo": {"url": url, "title": "Demo platform"}})
        errors = scene(lambda service, _: login_form(service, service.transaction()), 1, QUICK, PLATFORMS=platforms)
    assert firing(impatient) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


def test_a_document_host_that_hangs_fires_no_latency_alarm(scene, impatient, monkeypatch):
    limits = dataclasses.replace(metadata_documents.LIMITS, deadline_seconds=SLOW_SECONDS)
    monkeypatch.setattr(metadata_documents, "LIMITS", limits)
    statuses = set()

    def attack(service: Service, turn: int) -> None:
        statuses.add(service.authorize(client=f"{url}/client{turn}", redirect=f"{url}/cb").status)

    with server(None, 2 * SLOW_SECONDS) as url:
        errors = scene(attack, 1, QUICK, **DOCUMENTS)
    assert statuses == {400}
    assert firing(impatient) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


def test_the_time_of_others_is_logged_apart_from_ours(aws, variables, capsys):
    with server(None, SLOW_SECONDS) as url:
        service = Service(aws, {**variables, "PLATFORMS": json.dumps({"demo": {"url": url, "title": "Demo"}})})
        transaction = service.transaction()
        capsys.readouterr()
        assert login_form(service, transaction).status == 503
    failure, line = (json.loads(text) for text in capsys.readouterr().out.splitlines())
    assert (failure["level"], failure["error"]) == ("WARNING", "UpstreamUnavailable")
    assert line["waited_ms"] >= 1000 * SLOW_SECONDS
    assert line["Latency"] < SLOW_MS
    assert (line["ServerErrors"], line["UpstreamErrors"]) == (0, 1)


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_waiting_for_others_ends_before_a_function_does(name):
    """A function that Lambda ends at its timeout counts as one that failed; `Errors` has no way to say whose fault."""
    waits = identity_provider.DEADLINE_SECONDS + metadata_documents.LIMITS.deadline_seconds
    assert environments.load(name).service.functions["authorize"].timeout_seconds >= waits + 3
