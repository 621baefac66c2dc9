"""The logins of before a fault are tried at the end."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from orchestrator.local.oauth_client import Tokens
from orchestrator.local.rehearsal import monitor
from orchestrator.local.rehearsal.monitor import MOST_LOGINS, ServiceMonitor

FAULT = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Service:
    """Answers refreshes with a status by refresh token; 200 unless one is set."""

    def __init__(self, **statuses):
        self.statuses, self.tried = statuses, []

    def log_in(self, client):
        return Tokens(client, "access", f"login-{len(self.tried)}", 0)

    def userinfo(self, _tokens):
        return SimpleNamespace(observation=SimpleNamespace(status=200))

    def refresh(self, tokens):
        self.tried.append(tokens.refresh_token)
        status = self.statuses.get(tokens.refresh_token, 200)
        refreshed = Tokens(tokens.client, "access", f"{tokens.refresh_token}+", 0) if status == 200 else None
        return refreshed, SimpleNamespace(observation=SimpleNamespace(status=status))


@pytest.fixture
def kept(monkeypatch):
    def read(service, *ages_seconds):
        watching = ServiceMonitor(lambda: "", "")
        for number, age in enumerate(ages_seconds):
            token = Tokens(None, "access", f"token_{number}", 0)
            watching._logins.append((FAULT - timedelta(seconds=age), token))

        @contextmanager
        def connect(*_):
            yield service

        monkeypatch.setattr(monitor, "connect", connect)
        monkeypatch.setattr(monitor.time, "sleep", lambda _: None)
        return [login.alive for login in watching.read_logins_back(FAULT)]

    return read


def test_a_login_has_ended_if_its_refresh_token_is_rejected_and_later_logins_are_not_tried(kept):
    service = Service(token_1=400)
    assert kept(service, 3, 2, 1, 0, -5) == [True, False, True]
    assert service.tried == ["token_0", "token_1", "token_2"]


@pytest.mark.parametrize("status", [0, 503])
def test_a_login_for_which_the_service_did_not_answer_is_no_evidence(kept, status):
    assert kept(Service(token_1=status), 3, 2, 1) == [True]


def test_only_the_newest_logins_are_tried(kept):
    assert len(kept(Service(), *range(MOST_LOGINS + 5, 0, -1))) == MOST_LOGINS


def test_a_flow_keeps_the_login_that_it_refreshed():
    watching = ServiceMonitor(lambda: "", "")
    assert watching._flow(Service()) == ""
    assert [tokens.refresh_token for _, tokens in watching._logins] == ["login-0+"]
    assert watching._flow(Service(**{"login-0": 400})) == "refresh"
    assert len(watching._logins) == 1
