"""Webhooks of strangers: guarded addresses, and answers that name none."""

from __future__ import annotations

import pytest

from orchestrator.aws.public_http import PublicHttp
from orchestrator.aws.subscribers.webhooks import SubscriberWebhooks
from orchestrator.domain.notifications.providers.requests import ProviderRequest, Result
from tests.samples import NOW


def send(url, *, resolver=lambda _host, _port: ["127.0.0.1"], local=False):
    webhooks = SubscriberWebhooks(PublicHttp(resolver), timeout_seconds=0.2)
    return webhooks.send(ProviderRequest(url, b"{}"), NOW, local=local)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1"])
def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(address):
    answer = send("https://hooks.example.net/private-path", resolver=lambda _host, _port: [address])
    assert answer.result is Result.REFUSED
    assert "private-path" not in answer.text


def test_http_is_for_the_local_cloud_alone():
    assert send("http://127.0.0.1:9001/").result is Result.REFUSED
    assert send("http://127.0.0.1:1/private-path", local=True).result is Result.FAILED, "nothing listens there"


def test_a_server_that_cannot_be_reached_is_tried_again_and_its_address_is_not_in_the_answer():
    def unknown(_host, _port):
        raise OSError("private-path is unknown")

    answer = send("https://hooks.example.net/private-path", resolver=unknown)
    assert answer.result is Result.FAILED
    assert "private-path" not in answer.text
