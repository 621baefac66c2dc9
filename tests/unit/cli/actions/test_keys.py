"""``orchestrator keys`` names a key that KMS does not let us use."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from orchestrator.cli.actions import keys
from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
KEY = SigningKey("arn:aws:kms:us-west-1:000000000000:key/1", "kid", KeyPhase.SIGNING, SINCE)


class Ring:
    """A key ring whose one key has a state in KMS."""

    def __init__(self, state: str) -> None:
        self._state = state

    def read_ring(self) -> SigningKeyRing:
        return SigningKeyRing(1, SINCE, (KEY,))

    def read_states(self, ring: SigningKeyRing) -> dict[str, str]:
        return {key.key_id: self._state for key in ring.keys}


def context(state: str) -> SimpleNamespace:
    cloud = SimpleNamespace(key_ring=Ring(state), now=lambda: datetime(2026, 11, 30, tzinfo=UTC))
    return SimpleNamespace(name="local", cloud=cloud, environment=SimpleNamespace(key_rotation_days=90))


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_a_key_that_cannot_sign_is_named_with_its_runbook(capsys, state):
    keys.list_keys(context(state), json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{KEY.key_id} is {state}" in printed
    assert "docs/runbooks/rotate-signing-keys.md" in printed


def test_a_key_that_can_sign_needs_no_remark(capsys):
    keys.list_keys(context("Enabled"), json=False)
    assert KEY.key_id not in capsys.readouterr().out


def test_the_state_is_in_the_json(capsys):
    keys.list_keys(context("Disabled"), json=True)
    assert [key["state"] for key in json.loads(capsys.readouterr().out)["keys"]] == ["Disabled"]
