"""The clients of a context, as threads create them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import botocore.session

from orchestrator.cli import context as cli_context


def test_threads_create_clients_one_after_the_other_because_a_session_is_not_made_for_them(monkeypatch):
    inside, most = [], []

    def create_client(service, **_):
        inside.append(service)
        most.append(len(inside))
        time.sleep(0.005)
        inside.remove(service)
        return service

    monkeypatch.setattr(botocore.session, "get_session", lambda: SimpleNamespace(create_client=create_client))
    clients = cli_context._clients("us-west-1", {})
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(clients, [f"service-{number}" for number in range(8)]))
    assert len(set(made)) == 8
    assert set(most) == {1}
