"""`orchestrator grants revoke-all` over a real service: all that was issued before is rejected, and what follows is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.cli import main
from orchestrator.domain.recovery.record import Role

REASON = ("--reason", "a dump of the table was published")
REFUSED = 2


@pytest.fixture
def restores():
    return []


@pytest.fixture
def command(service, restores, monkeypatch):
    """The command over this service's tables. What it writes into the ledger is in `events`."""
    events = []
    context = SimpleNamespace(
        name="local",
        revocations_table=service.variables["REVOCATIONS_TABLE"],
        clients=lambda _name: service.aws.dynamodb,
        live_tables={Role.STATE: service.variables["STATE_TABLE"], Role.TOKENS: service.variables["TOKENS_TABLE"]},
        environment=SimpleNamespace(local=True),
        cloud=SimpleNamespace(
            now=lambda: datetime.fromtimestamp(service.now, UTC),
            ledger=SimpleNamespace(record_event=events.append),
            restores=SimpleNamespace(newest_records=lambda _limit: restores),
        ),
    )
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _env: context)

    def run(*words, text=""):
        answer = CliRunner().invoke(main.app, ["grants", "revoke-all", "--requested-by", "ann", *words], input=text)
        return SimpleNamespace(exit_code=answer.exit_code, output=answer.output, events=events)

    return run


def logged(service):
    items = service.aws.items(service.variables["REVOCATIONS_TABLE"])
    return [int(item["epoch"]["N"]) for item in items if item["pk"]["S"] == "epoch"]


def test_earlier_grants_are_rejected_and_later_ones_are_not(service, command):
    before, code = service.redeem(service.code()).json, service.code()
    answer = command(*REASON, "--yes")
    assert answer.exit_code == 0, answer.output
    assert "the revocation epoch of local is 1" in answer.output
    assert service.refresh(before["refresh_token"]).json["error"] == "invalid_grant"
    assert service.userinfo(before["access_token"]).status == 401
    assert service.redeem(code).json["error"] == "invalid_grant"
    after = service.redeem(service.code()).json
    assert service.refresh(after["refresh_token"]).status == 200
    assert logged(service) == [1]
    (event,) = answer.events
    assert "all grants revoked by ann: epoch 1" in event.why
    assert REASON[1] in event.why


def test_each_call_ends_what_was_issued_since_the_last(service, command):
    for epoch in (1, 2, 3):
        grants = service.redeem(service.code()).json
        answer = command(*REASON, "--yes", "--json")
        assert json.loads(answer.output)["epoch"] == epoch
        assert service.refresh(grants["refresh_token"]).json["error"] == "invalid_grant"
    assert logged(service) == [3]


def test_a_logged_epoch_that_is_higher_than_the_table_s_is_passed(service, command):
    item = {"pk": {"S": "epoch"}, "epoch": {"N": "7"}, "recovery": {"S": "r-1"}}
    service.aws.dynamodb.put_item(TableName=service.variables["REVOCATIONS_TABLE"], Item=item)
    assert json.loads(command(*REASON, "--yes", "--json").output)["epoch"] == 8
    assert logged(service) == [8]


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        (("--reason", " ", "--yes"), "", "--reason"),
        ((*REASON, "--json"), "", "--yes"),
        (REASON, "n\n", "all users log in again"),
        ((), "", "--reason"),
    ],
)
def test_without_a_reason_and_an_agreement_nothing_is_revoked(service, command, words, text, expected):
    grants = service.redeem(service.code()).json
    answer = command(*words, text=text)
    assert answer.exit_code != 0
    assert expected in answer.output
    assert service.refresh(grants["refresh_token"]).status == 200
    assert (logged(service), answer.events) == ([], [])


def test_a_restore_in_progress_is_named_because_its_tables_have_an_epoch_of_their_own(service, command, restores):
    restores[:] = [SimpleNamespace(id="rs-1", ended_at=None), SimpleNamespace(id="rs-0", ended_at=1)]
    shown = command(*REASON, text="y\n").output
    assert "Restore rs-1 is in progress" in shown
    assert "repeat this command after the cutover of restore rs-1" in shown
    assert json.loads(command(*REASON, "--yes", "--json").output)["repeat_after_restore"] == "rs-1"
