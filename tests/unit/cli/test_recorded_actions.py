"""A command whose event the ledger does not record says what it has done all the same."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.cli import actions
from orchestrator.cli.actions import keys
from orchestrator.cli.recorded_actions import record_action
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.errors import NotRecorded, Unreachable
from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing
from tests.fakes.errors import client_error

NOW = datetime(2026, 11, 30, tzinfo=UTC)
OLD, NEW = (
    SigningKey(f"arn:{kid}", kid, phase, NOW) for kid, phase in (("old", KeyPhase.SIGNING), ("new", KeyPhase.PUBLISHED))
)


class Ledger:
    """Records events, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.events = error, []

    def record_event(self, event: EventRecord) -> None:
        if self.error:
            raise self.error
        self.events.append(event)


def context(ledger: Ledger) -> SimpleNamespace:
    return SimpleNamespace(name="local", cloud=SimpleNamespace(ledger=ledger, now=lambda: NOW, key_ring=None))


@pytest.mark.parametrize("error", [Unreachable("no route"), client_error("AccessDeniedException")])
def test_a_change_that_was_made_is_named_when_its_event_is_not_recorded(error):
    with pytest.raises(NotRecorded, match="kid was revoked: this is done, but the ledger did not record") as raised:
        record_action(context(Ledger(error)), "keys-1", "revoke by ann", "kid was revoked")
    assert raised.value.at == NOW


def test_an_event_has_the_time_of_the_change():
    ledger, earlier = Ledger(), datetime(2026, 11, 29, tzinfo=UTC)
    record_action(context(ledger), "keys-1", "rotate by ann", "kid is published")
    record_action(context(ledger), "keys-0", "rotate by ann", "kid is published", at=earlier)
    assert [(event.id, event.at, event.source, event.acted) for event in ledger.events] == [
        ("keys-1", NOW, "person", True),
        ("keys-0", earlier, "person", True),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda context: keys.rotate(context, "ann", watch=False, json=False), "rotate by ann: new is published"),
        (
            lambda context: keys.revoke(context, "new", "ann", confirmed=True, json=False),
            "revoke by ann: new was revoked",
        ),
    ],
)
def test_keys_that_were_changed_are_not_reported_as_a_failure_of_the_change(monkeypatch, change, words):
    monkeypatch.setattr(keys.key_rotation, "publish_new_key", lambda *_: SigningKeyRing(2, NOW, (OLD, NEW)))
    monkeypatch.setattr(keys.key_rotation, "remove_key", lambda *_: SigningKeyRing(2, NOW, (OLD,)))
    with pytest.raises(NotRecorded, match=f"{words}.*: this is done"):
        change(context(Ledger(Unreachable("no route"))))


def test_no_command_records_its_event_in_another_way():
    sources = sorted(Path(actions.__path__[0]).rglob("*.py"))
    assert len(sources) > 50
    assert [str(source) for source in sources if ".record_event(" in source.read_text()] == []
