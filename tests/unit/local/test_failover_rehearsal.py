"""The checks after a rehearsed failover wait as a client does."""

from contextlib import contextmanager
from http import HTTPStatus
from types import SimpleNamespace

import pytest

from orchestrator.local import failover_rehearsal
from orchestrator.local.rehearsal_clients import RehearsalFailed

DISABLED = failover_rehearsal._DISABLED
OK = SimpleNamespace(observation=SimpleNamespace(status=HTTPStatus.OK))


class Client:
    """Is refused at its first logins, as by a process that read the lease before the region had one."""

    def __init__(self, refused: int, *, knows_disabled: bool = False) -> None:
        self.refused, self.knows_disabled = refused, knows_disabled

    def log_in(self, client):
        self.refused -= 1
        refused = client == "after" or (client == DISABLED and not self.knows_disabled)
        return None if self.refused >= 0 or refused else client

    def refresh(self, tokens):
        return (None if tokens == "old" else tokens), None

    def userinfo(self, _tokens):
        return OK


@pytest.fixture
def verify(monkeypatch):
    def verify(client: Client) -> None:
        @contextmanager
        def connect(*_):
            yield client

        monkeypatch.setattr(failover_rehearsal, "connect", connect)
        monkeypatch.setattr(failover_rehearsal, "_FIRST_LOGIN_SECONDS", 1)
        clients = SimpleNamespace(
            client_before_backup="before", client_after_backup="after", tokens_before_backup="old"
        )
        failover_rehearsal._verify(
            SimpleNamespace(clients=clients, home=SimpleNamespace(platform_url=""), say=lambda _: None), ""
        )

    return verify


def test_the_first_login_may_meet_a_process_that_still_has_no_lease(verify):
    verify(Client(refused=1))


def test_the_tokens_of_a_region_are_waited_for(monkeypatch):
    place = failover_rehearsal._Client("http://127.0.0.1:1", "")
    refused = iter([None, OK])
    monkeypatch.setattr(Client, "log_in", lambda *_: next(refused))

    @contextmanager
    def connect(*_):
        yield Client(refused=0)

    monkeypatch.setattr(failover_rehearsal, "connect", connect)
    place.wait_for_tokens()
    assert (place.refused, len(place.issued)) == (1, 1)


def test_a_region_that_never_issues_tokens_fails_the_rehearsal(verify):
    with pytest.raises(RehearsalFailed, match="a new login: not within 1 s"):
        verify(Client(refused=1000))


def test_a_client_that_was_disabled_after_the_copies_must_be_refused(verify):
    with pytest.raises(RehearsalFailed, match="a client that was disabled after the copies can log in"):
        verify(Client(refused=0, knows_disabled=True))
