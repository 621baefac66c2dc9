"""Erasing a person from the service's own tables, over real flows: all of theirs, nothing of another person's, as often as one likes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from orchestrator.aws.oauth_tables import owned_items
from orchestrator.aws.oauth_tables.user_data import UserDataStore
from orchestrator.cli import main
from orchestrator.cli.actions.grants import erase_user
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.user_erasure import ErasureCounts, parse_subject
from orchestrator.local.identity_provider import ACCOUNTS
from service.login.flow import SYNTHETIC_SUBJECT
from service.oauth.families import Cause
from service.storage import item_codec
from tests.fakes.pages import Pages

ADA, GRACE = (f"demo:{ACCOUNTS[name].user_uuid}" for name in ("ada", "grace"))

FAILED, REFUSED = 1, 2
"""Exit codes."""


@pytest.fixture
def tables(service):
    return service.variables["STATE_TABLE"], service.variables["TOKENS_TABLE"]


@pytest.fixture
def log(service):
    return service.variables["REVOCATIONS_TABLE"]


@pytest.fixture
def paused():
    return []


@pytest.fixture
def people_of(service, tables, log, paused):
    def of(client=None, pace=100.0):
        return UserDataStore(client or service.aws.dynamodb, *tables, log, units_per_second=pace, sleep=paused.append)

    return of


def subjects(service, tables):
    """(subject, kind) of every item that names a person."""
    found = [item for table in tables for item in service.aws.items(table)]
    return sorted((item["subject"]["S"], item["pk"]["S"].split("#")[-2]) for item in found if "subject" in item)


def lived(service):
    """Two people: Ada with a redeemed and an open code and two families, Grace with a family; and the synthetic identity."""
    ada = [service.redeem(service.code()).json for _ in range(2)]
    open_code = service.code()
    grace = service.redeem(service.code(account="grace")).json
    service.redeem(service.synthetic_code(), client_id="synthetic", redirect_uri="https://synthetic.invalid/callback")
    return ada, open_code, grace


class Dies:
    """A DynamoDB client that is throttled from its nth write on."""

    def __init__(self, client, after):
        self.client, self.left = client, after

    def __getattr__(self, name):
        if name == "get_paginator":
            return lambda operation: Pages(getattr(self, operation))
        operation = getattr(self.client, name)

        def call(**arguments):
            if name in {"put_item", "update_item", "delete_item"}:
                self.left -= 1
                if self.left < 0:
                    raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "m"}}, name)
            return operation(**arguments)

        return call


class OneItemAPage:
    """A DynamoDB client whose scans give one item a page."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        if name == "get_paginator":
            return lambda operation: Pages(getattr(self, operation))
        operation = getattr(self.client, name)
        return (lambda **arguments: operation(**{**arguments, "Limit": 1})) if name == "scan" else operation


def test_counting_changes_nothing(service, tables, people_of):
    lived(service)
    before = [service.aws.items(table) for table in tables]
    assert people_of().count_items(parse_subject(ADA)) == ErasureCounts(codes=3, families=2)
    assert [service.aws.items(table) for table in tables] == before


def test_all_of_a_person_s_is_gone_and_nothing_of_another_s(service, tables, people_of):
    ada, open_code, grace = lived(service)
    assert people_of().erase_items(parse_subject(ADA), int(service.now)) == ErasureCounts(codes=3, families=2)
    assert subjects(service, tables) == [
        (GRACE, "code"), (GRACE, "family"), (SYNTHETIC_SUBJECT, "code"), (SYNTHETIC_SUBJECT, "family"),
    ]  # fmt: skip
    for tokens in ada:
        assert service.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
        assert service.userinfo(tokens["access_token"]).status == 401
    assert service.redeem(open_code).json["error"] == "invalid_grant"
    assert service.refresh(grace["refresh_token"]).status == 200


def test_it_can_be_repeated(service, people_of):
    lived(service)
    people_of().erase_items(parse_subject(ADA), int(service.now))
    assert people_of().erase_items(parse_subject(ADA), int(service.now)) == ErasureCounts()


@pytest.mark.parametrize("writes", range(9))
def test_wherever_it_stops_what_was_reached_is_dead_and_repeating_it_finishes(service, tables, people_of, writes):
    lived(service)
    with pytest.raises(Throttled):
        people_of(Dies(service.aws.dynamodb, writes)).erase_items(parse_subject(ADA), int(service.now))
    families = [item for item in service.aws.items(tables[1]) if item.get("subject", {}).get("S") == ADA]
    revoked = [item for item in families if "revoked_because" in item]
    assert len(revoked) == (
        1 if writes in {5, 8} else 0
    )  # three codes first; then each family, logged, revoked and deleted
    people_of().erase_items(parse_subject(ADA), int(service.now))
    assert ADA not in {subject for subject, _ in subjects(service, tables)}


def test_every_page_is_read(service, people_of):
    lived(service)
    assert people_of(OneItemAPage(service.aws.dynamodb)).count_items(parse_subject(ADA)) == ErasureCounts(
        codes=3, families=2
    )
    assert people_of(OneItemAPage(service.aws.dynamodb)).erase_items(
        parse_subject(ADA), int(service.now)
    ) == ErasureCounts(3, 2)


def test_reading_and_writing_are_paced_by_what_they_consume(service, people_of, paused):
    lived(service)

    class Consumes:
        def __getattr__(self, name):
            if name == "get_paginator":
                return lambda operation: Pages(getattr(self, operation))
            operation = getattr(service.aws.dynamodb, name)
            return lambda **arguments: {**operation(**arguments), "ConsumedCapacity": {"CapacityUnits": 50.0}}

    people_of(Consumes(), pace=100.0).erase_items(parse_subject(ADA), int(service.now))
    assert paused == [0.5] * (2 + 3 + 2 * 3)  # a page of each table, three codes, two families thrice


def test_an_item_that_became_another_person_s_meanwhile_is_left(service, tables, people_of):
    """Its key is taken from the scan; who it is is compared again by the write."""
    lived(service)

    class Changes:
        def __getattr__(self, name):
            if name == "get_paginator":
                return lambda operation: Pages(getattr(self, operation))
            operation = getattr(service.aws.dynamodb, name)

            def call(**arguments):
                if name == "delete_item":
                    service.aws.dynamodb.update_item(
                        TableName=arguments["TableName"], Key=arguments["Key"], UpdateExpression="SET subject = :other",
                        ExpressionAttributeValues={":other": {"S": GRACE}},
                    )  # fmt: skip
                return operation(**arguments)

            return call

    assert people_of(Changes()).erase_items(parse_subject(ADA), int(service.now)) == ErasureCounts()


@pytest.mark.parametrize(("pace", "items"), [(0.5, 1), (20, 20), (5000, 1000)])
def test_a_page_takes_no_more_at_once_than_a_second_may(people_of, pace, items):
    """A page of a megabyte is 256 units: more than a table with few units has for its clients in seconds."""
    limits = []

    class Table:
        def scan(self, **params):
            limits.append(params["Limit"])
            return {"Items": [], "ConsumedCapacity": {"CapacityUnits": 1}}

        def get_paginator(self, operation):
            return Pages(getattr(self, operation))

    people_of(Table(), pace).count_items(parse_subject(ADA))
    assert limits == [items, items]


def test_tables_that_are_not_there_are_a_refusal_that_says_what_to_do(service, paused):
    away = UserDataStore(
        service.aws.dynamodb, "no-state", "no-tokens", "no-log", units_per_second=1, sleep=paused.append
    )
    with pytest.raises(Refused, match="deploy the service stack first"):
        away.table_bytes()


def test_the_names_are_those_of_the_service(service, tables):
    service.redeem(service.code())
    (code,) = [item for item in service.aws.items(tables[0]) if "subject" in item]
    (family,) = [item for item in service.aws.items(tables[1]) if "subject" in item]
    assert code["pk"]["S"].startswith(owned_items.CODE)
    assert family["pk"]["S"].startswith(owned_items.FAMILY)
    service.store.revoke(family["pk"]["S"].removeprefix(owned_items.FAMILY), Cause.REQUEST, 1, synthetic=False)
    (revoked,) = [item for item in service.aws.items(tables[1]) if "subject" in item]
    assert (revoked["revoked_because"], revoked["revoked_at"]) == ({"S": "request"}, {"N": "1"})
    assert item_codec.decode_family("f", revoked, synthetic=False).revoked_because is Cause.REQUEST


def test_a_family_is_logged_as_revoked_before_it_is_deleted_in_the_words_of_the_service(service, people_of, log):
    lived(service)
    of_ada = {
        key.removeprefix(owned_items.FAMILY) for key in people_of()._keys(people_of()._tokens, owned_items.FAMILY, ADA)
    }
    people_of().erase_items(parse_subject(ADA), int(service.now))
    logged = sorted(service.aws.items(log), key=lambda item: item["pk"]["S"])
    assert len(of_ada) == 2
    assert logged == [
        item_codec.encode_revocation(family, Cause.REQUEST, int(service.now), synthetic=False)
        for family in sorted(of_ada)
    ]


@pytest.fixture
def command(service, tables, log, monkeypatch):
    """The command over this service's tables. What it writes into the ledger is in `signals`."""
    signals = []
    context = SimpleNamespace(
        revocations_table=log,
        clients=lambda name: service.aws.dynamodb,
        live_tables={Role.STATE: tables[0], Role.TOKENS: tables[1]},
        environment=SimpleNamespace(local=True),
        cloud=SimpleNamespace(
            now=lambda: datetime.fromtimestamp(service.now, UTC), ledger=SimpleNamespace(record_event=signals.append)
        ),
    )
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda env: context)

    def run(*arguments, text=""):
        answer = CliRunner().invoke(main.app, ["erase", *arguments], input=text)
        return SimpleNamespace(exit_code=answer.exit_code, output=answer.output, signals=signals)

    return run


def test_without_yes_the_command_says_what_it_takes_and_what_there_is(service, tables, command):
    lived(service)
    before = subjects(service, tables)
    answer = command("--subject", ADA)
    assert answer.exit_code == 0
    assert "read units" in answer.output
    assert "3 codes and 2 refresh token families found; nothing was changed, add --yes to erase" in answer.output
    assert subjects(service, tables) == before
    assert answer.signals == []


def test_with_yes_it_erases_and_the_ledger_knows_that_by_the_subject_s_hash(service, tables, command):
    lived(service)
    answer = command("--subject", ADA, "--yes", "--json")
    output = json.loads(answer.output)
    assert (output["erased"], output["codes"], output["families"]) == (True, 3, 2)
    assert ADA not in {subject for subject, _ in subjects(service, tables)}
    (signal,) = answer.signals
    assert signal.why == "3 codes and 2 families"
    for kept in (answer.output, repr(signal)):
        assert parse_subject(ADA).hash in kept
        assert ADA not in kept
        assert ADA.partition(":")[2] not in kept


def test_a_subject_can_come_by_standard_input_so_that_no_shell_keeps_it(service, command):
    lived(service)
    answer = command("--subject", "-", "--json", text=f"{ADA}\n")
    assert json.loads(answer.output)["codes"] == 3


def test_a_login_that_ends_meanwhile_is_erased_by_the_next_pass(service, tables, command, monkeypatch):
    lived(service)
    erase = UserDataStore.erase_items
    meanwhile = iter([lambda: service.redeem(service.code())])

    def once_more(self, subject, now):
        counts = erase(self, subject, now)
        next(meanwhile, lambda: None)()
        return counts

    monkeypatch.setattr(UserDataStore, "erase_items", once_more)
    assert "4 codes and 3 refresh token families erased" in command("--subject", ADA, "--yes").output
    assert ADA not in {subject for subject, _ in subjects(service, tables)}


def test_a_person_who_keeps_logging_in_is_reported_instead_of_chased_for_ever(service, command, monkeypatch):
    monkeypatch.setattr(UserDataStore, "erase_items", lambda self, subject, now: ErasureCounts(1, 0))
    answer = command("--subject", ADA, "--yes")
    assert answer.exit_code == FAILED
    assert f"{erase_user.MAX_PASSES} codes" in answer.output
    assert answer.signals == []


@pytest.mark.parametrize("subject", ["", "synthetic", "ada"])
def test_an_empty_subject_and_the_synthetic_identity_are_refused(service, tables, command, subject):
    lived(service)
    before = subjects(service, tables)
    assert command("--subject", subject, "--yes").exit_code == REFUSED
    assert subjects(service, tables) == before
