"""Managed clients, through the operator's command line and the service's own endpoints over real tables."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.aws.ledger.deployments import Ledger
from orchestrator.aws.oauth_tables.managed_clients import ClientItems, encode_item
from orchestrator.cli import main
from orchestrator.domain.clients import client as domain
from orchestrator.domain.clients.client import Change, Limits, Wanted
from orchestrator.domain.clients.redirects import allows, is_registrable
from orchestrator.domain.recovery.record import Role
from service.clients import managed, registry
from service.oauth import clients as service_clients
from service.storage import item_codec
from tests.unit.service.conftest import CLIENTS, Service

CALLBACK = "https://orders.example/callback"
REFUSED = 2
SECRET = re.compile(r"ibxs_[A-Za-z0-9_-]{43}")


@pytest.fixture
def managing(aws, variables):
    return Service(aws, {**variables, "MANAGED_CLIENTS": "on"})


@pytest.fixture
def ledger(aws, variables):
    name = f"ledger-{variables['STATE_TABLE']}"
    aws.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture
def command(managing, ledger, monkeypatch):
    """`orchestrator clients` over this service's tables, at the service's time. It returns the exit code and the JSON."""
    variables = managing.variables
    configured = [
        SimpleNamespace(
            client_id=one["client_id"], name=one["name"], redirect_uris=tuple(one["redirect_uris"]),
            scopes=tuple(one["scopes"]), resources=(), audience=one.get("audience"),
            secret_sha256=one.get("secret_sha256"), synthetic=one.get("synthetic", False),
        )
        for one in CLIENTS
    ]  # fmt: skip
    context = SimpleNamespace(
        name="local",
        standby_region=None,
        revocations_table=variables["REVOCATIONS_TABLE"],
        clients=lambda name: managing.aws.dynamodb,
        live_tables={Role.STATE: variables["STATE_TABLE"], Role.TOKENS: variables["TOKENS_TABLE"]},
        environment=SimpleNamespace(
            local=True, failover=None, standby=False,
            service=SimpleNamespace(
                clients=configured, managed_clients=True,
            ),
        ),
        cloud=SimpleNamespace(
            now=lambda: datetime.fromtimestamp(managing.now, UTC),
            client_records=ClientRecords(managing.aws.dynamodb, ledger),
            client_items=lambda table: ClientItems(managing.aws.dynamodb, table),
            ledger=Ledger(managing.aws.dynamodb, ledger),
        ),
    )  # fmt: skip
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda env: context)

    def run(*words, reason="a reason"):
        named = ["--requested-by", "ann", "--reason", reason] if words[0] not in {"list", "show"} else []
        answer = CliRunner().invoke(main.app, ["clients", *words, *named, "--json"])
        return SimpleNamespace(exit_code=answer.exit_code, json=json.loads(answer.stdout), output=answer.output)

    run.context = context
    return run


def added(command, client_id="app-orders", *more):
    answer = command(
        "add", client_id, "--name", "Orders", "--redirect-uri", CALLBACK, "--scope", "profile", "--contact",
        "team@orders.example", *more,
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    return answer.json.get("client_secret")


def log_in(service, secret, client_id="app-orders"):
    code = service.code(client=client_id, redirect=CALLBACK)
    return service.redeem(code, client_id=client_id, redirect_uri=CALLBACK, **with_secret(secret))


def with_secret(secret):
    return {} if secret is None else {"client_secret": secret}


def refresh(service, tokens, secret, client_id="app-orders"):
    return service.refresh(tokens.json["refresh_token"], client_id=client_id, **with_secret(secret))


def test_a_client_that_an_operator_added_logs_a_user_in_without_a_deployment(managing, command):
    secret = added(command)
    tokens = log_in(managing, secret)
    assert tokens.status == 200, tokens.body
    assert managing.userinfo(tokens.json["access_token"]).json["given_name"] == "Ada"
    assert refresh(managing, tokens, secret).status == 200
    assert "Orders" in managing.authorize(client="app-orders", redirect=CALLBACK).body


def test_a_public_client_has_no_secret_and_sends_none(managing, command):
    assert added(command, "app-orders", "--public") is None
    assert log_in(managing, None).status == 200
    assert log_in(managing, "a-secret").json["error"] == "invalid_client"


def test_the_secret_is_printed_once_and_only_its_hash_is_stored(managing, command, ledger):
    secret = added(command)
    assert SECRET.fullmatch(secret)
    stored = [
        json.dumps(managing.aws.items(table), default=repr)
        for table in (managing.variables["TOKENS_TABLE"], managing.variables["STATE_TABLE"], ledger)
    ]
    shown = [command("show", "app-orders").output, command("list").output]
    for text in (*stored, *shown):
        assert secret not in text
    hashed = re.compile(r"[0-9a-f]{64}")
    assert not [text for text in shown if hashed.search(text)]


def test_what_is_refused_is_refused_at_the_token_endpoint_too(managing, command):
    secret = added(command)
    code = managing.code(client="app-orders", redirect=CALLBACK)
    for wrong in (None, "", "x", f"{secret}x"):
        answer = managing.redeem(code, client_id="app-orders", redirect_uri=CALLBACK, **with_secret(wrong))
        assert (answer.status, answer.json["error"]) == (401, "invalid_client"), wrong
    other = "https://orders.example/callback/"
    assert "not registered" in managing.authorize(client="app-orders", redirect=other).body
    refused = managing.authorize(client="app-orders", redirect=CALLBACK, scope="email")
    assert refused.redirect["error"] == "invalid_scope"


def test_both_secrets_work_in_the_overlap_and_the_earlier_one_dies_with_it(managing, command):
    first = added(command)
    tokens = log_in(managing, first)
    second = command("rotate-secret", "app-orders", "--overlap", "2h").json["client_secret"]
    assert first != second
    for secret in (first, second, first):
        tokens = refresh(managing, tokens, secret)
        assert tokens.status == 200, tokens.body
    managing.now += 2 * 3600 - 1
    assert log_in(managing, first).status == 200
    managing.now += 1
    assert log_in(managing, first).json["error"] == "invalid_client"
    assert log_in(managing, second).status == 200


def test_a_rotation_without_overlap_ends_every_other_secret_at_once(managing, command):
    first = added(command)
    second = command("rotate-secret", "app-orders", "--overlap", "2h").json["client_secret"]
    third = command("rotate-secret", "app-orders", "--overlap", "0h").json["client_secret"]
    assert [log_in(managing, secret).status for secret in (first, second, third)] == [401, 401, 200]


def test_a_second_rotation_in_an_overlap_is_refused_because_it_would_end_the_secret_in_use(managing, command):
    first = added(command)
    command("rotate-secret", "app-orders", "--overlap", "2h")
    answer = command("rotate-secret", "app-orders", "--overlap", "2h")
    assert answer.exit_code == REFUSED
    assert "--discard-new" in answer.json["error"]["remedy"]
    third = command("rotate-secret", "app-orders", "--discard-new").json["client_secret"]
    assert [log_in(managing, secret).status for secret in (first, third)] == [200, 200]


@pytest.mark.strategy("Features: Client management")
def test_a_disabled_client_is_refused_everywhere_at_once_and_its_grants_are_dead(managing, command):
    secret = added(command)
    tokens, open_code = log_in(managing, secret), managing.code(client="app-orders", redirect=CALLBACK)
    waiting = managing.transaction(client="app-orders", redirect=CALLBACK)
    other = managing.redeem(managing.code()).json
    answer = command("disable", "app-orders")
    assert answer.json["ended"] == {"codes": 2, "families": 1}
    assert refresh(managing, tokens, secret).json["error"] == "invalid_client"
    assert managing.userinfo(tokens.json["access_token"]).status == 401
    assert managing.authorize(client="app-orders", redirect=CALLBACK).status == 400
    form = {"transaction": waiting, "platform": "demo", "decision": "allow"}
    assert managing.call("authorize", "POST", "/login", form=form, headers={"cookie": managing.cookie}).status == 400
    assert managing.redeem(open_code, client_id="app-orders", redirect_uri=CALLBACK, client_secret=secret).status == 401
    assert managing.refresh(other["refresh_token"]).status == 200, "a grant of another client ended"


def test_an_enabled_client_works_again_and_its_earlier_grants_stay_dead(managing, command):
    secret = added(command)
    tokens = log_in(managing, secret)
    command("disable", "app-orders")
    managing.now += 60
    assert command("enable", "app-orders").exit_code == 0
    assert refresh(managing, tokens, secret).json["error"] == "invalid_grant"
    assert managing.userinfo(tokens.json["access_token"]).status == 401
    assert log_in(managing, secret).status == 200


def test_a_grant_that_a_request_in_progress_created_after_the_scan_does_not_outlive_enable(managing, command):
    secret = added(command)
    before = dict(managing.aws.dynamodb.get_item(
        TableName=managing.variables["TOKENS_TABLE"], Key={"pk": {"S": "client#app-orders"}}
    )["Item"])  # fmt: skip
    command("disable", "app-orders")
    after = command.context.cloud.client_records.read_client("app-orders")
    managing.aws.dynamodb.put_item(TableName=managing.variables["TOKENS_TABLE"], Item=before)
    late = log_in(managing, secret)  # it read the client before the command wrote
    ClientItems(managing.aws.dynamodb, managing.variables["TOKENS_TABLE"]).apply(after)
    assert command("enable", "app-orders").exit_code == REFUSED, "a request may still be in progress"
    managing.now += 60
    assert command("enable", "app-orders").json["ended"]["families"] == 1
    assert refresh(managing, late, secret).json["error"] == "invalid_grant"


def test_revoked_grants_of_a_disabled_client_are_in_the_log_that_no_restore_replaces(managing, command):
    log_in(managing, added(command))
    command("disable", "app-orders")
    (entry,) = managing.aws.items(managing.variables["REVOCATIONS_TABLE"])
    (family,) = [
        item for item in managing.aws.items(managing.variables["TOKENS_TABLE"]) if item["pk"]["S"].startswith("family#")
    ]
    assert entry["pk"]["S"] == f"revoked#{family['pk']['S'].removeprefix('family#')}"
    assert family["revoked_because"] == {"S": "request"}


def test_a_removed_client_is_unknown_and_its_id_is_not_used_again(managing, command):
    secret = added(command)
    assert command("remove", "app-orders").exit_code == REFUSED
    command("disable", "app-orders")
    managing.now += 60
    assert command("remove", "app-orders").exit_code == 0
    assert managing.aws.items(managing.variables["TOKENS_TABLE"]) == []
    assert managing.authorize(client="app-orders", redirect=CALLBACK).status == 400
    again = command(
        "add", "app-orders", "--name", "O", "--redirect-uri", CALLBACK, "--scope", "profile", "--contact", "a@b.example"
    )
    assert again.exit_code == REFUSED
    assert "removed" in again.json["error"]["remedy"]
    assert secret not in command("list", "--removed").output


def test_a_restore_that_brings_back_an_enabled_client_is_corrected_by_reapply(managing, command):
    secret = added(command)
    table = managing.variables["TOKENS_TABLE"]
    items = [item for item in managing.aws.items(table) if item["pk"]["S"] == "client#app-orders"]
    command("disable", "app-orders")
    managing.aws.dynamodb.put_item(TableName=table, Item=items[0])
    assert log_in(managing, secret).status == 200, "this shows nothing: the restore did not enable it"
    assert command("reapply").json["changed"] == ["app-orders"]
    assert managing.authorize(client="app-orders", redirect=CALLBACK).status == 400
    assert command("reapply").json["changed"] == []


def test_an_item_that_was_written_by_hand_does_not_keep_a_client_from_being_disabled(managing, command):
    secret = added(command)
    table = managing.variables["TOKENS_TABLE"]
    (item,) = managing.aws.items(table)
    managing.aws.dynamodb.put_item(TableName=table, Item={**item, "revision": {"N": "999"}})
    command("disable", "app-orders")
    assert log_in_status(managing, secret) == 400


def log_in_status(service, secret):
    return service.authorize(client="app-orders", redirect=CALLBACK).status


def test_a_configured_client_wins_over_a_stored_one_of_its_id(managing, command):
    table = managing.variables["TOKENS_TABLE"]
    added(command)
    (item,) = managing.aws.items(table)
    managing.aws.dynamodb.put_item(TableName=table, Item={**item, "pk": {"S": "client#native"}})
    assert managing.authorize(client="native", redirect=CALLBACK).status == 400
    assert managing.authorize().status == 200
    configured = {
        "client_id": "app-orders",
        "name": "C",
        "redirect_uris": ["https://c.example/"],
        "scopes": ["profile"],
    }
    both = Service(managing.aws, {**managing.variables, "CLIENTS": json.dumps([*CLIENTS, configured])})
    assert both.authorize(client="app-orders", redirect=CALLBACK).status == 400
    assert both.authorize(client="app-orders", redirect="https://c.example/").status == 200
    assert (
        command("add", "native", "--name", "N", "--redirect-uri", CALLBACK, "--scope", "profile").exit_code == REFUSED
    )
    assert command("disable", "native").json["error"]["remedy"].startswith("remove it from environments.toml")


def test_where_managed_clients_are_off_a_stored_one_is_unknown(managing, command):
    added(command)
    off = Service(managing.aws, {**managing.variables, "MANAGED_CLIENTS": "off"})
    before = Service(managing.aws, {name: v for name, v in managing.variables.items() if name != "MANAGED_CLIENTS"})
    for service in (off, before):
        assert service.authorize(client="app-orders", redirect=CALLBACK).status == 400
    command.context.environment.service.managed_clients = False
    answer = command("add", "app-b", "--name", "N", "--redirect-uri", CALLBACK, "--scope", "profile")
    assert (answer.exit_code, answer.json["error"]["field"]) == (REFUSED, "local.service.managed_clients")


@pytest.mark.parametrize(
    "damage",
    [
        {"redirect_uris": {"S": "not json"}},
        {"redirect_uris": {"S": "[]"}},
        {"redirect_uris": {"S": '["http://evil.example/"]'}},
        {"secret_sha256": {"S": "short"}},
        {"client_name": {"S": "\u202eO"}},
        {"scope": {"N": "1"}},
        {"redirect_uris": {"S": "[1]"}},
        {"redirect_uris": {"S": "[null]"}},
        {"redirect_uris": {"S": f'[["{CALLBACK}"]]'}},
        {"redirect_uris": {"S": f'{{"{CALLBACK}": 1}}'}},
        {"redirect_uris": {"S": f'"{CALLBACK}"'}},
        {"redirect_uris": {"S": "1"}},
        {"redirect_uris": {"S": "[" * 100_000}},
        {"redirect_uris": {"L": []}},
        {"resources": {"S": "[1]"}},
        {"resources": {"S": "[" * 100_000 + "]" * 100_000}},
        {"client_name": {"N": "1"}},
        {"client_name": {"S": ""}},
        {"secret_sha256": {"N": "1"}},
        {"earlier_secret_until": {"S": "x"}},
        {"earlier_secret_until": {"N": "1.5"}},
        {"client_id": {"S": "app-another"}},
        {"client_id": {"S": "native"}},
        {"client_id": {"S": ""}},
        {"client_id": {"N": "1"}},
    ],
    ids=lambda damage: " ".join(f"{name}={value}"[:40] for name, value in damage.items()),
)
def test_an_invalid_item_is_no_client_and_no_failure_of_the_release(managing, command, damage, capsys):
    added(command)
    table = managing.variables["TOKENS_TABLE"]
    (item,) = managing.aws.items(table)
    managing.aws.dynamodb.put_item(TableName=table, Item={**item, **damage})
    assert managing.authorize(client="app-orders", redirect=CALLBACK).status == 400
    assert '"ServerErrors":1' not in capsys.readouterr().out


def test_an_item_gives_no_scope_and_no_resource_that_no_configured_client_has(managing):
    stored = managed.Managed("app-x", "X", (CALLBACK,), ("profile", "admin"), ("https://api.example/", "urn:other"))
    api = service_clients.Client(
        "api", "A", (CALLBACK,), ("profile",), "https://auth.example", resources=("https://api.example/",)
    )
    secret = service_clients.Client("s", "S", (CALLBACK,), ("admin",), "urn:other", synthetic=True)
    limits = managed.limits_of((api, secret), "https://auth.example")
    client = managed.to_client(stored, limits, 0)
    assert (client.scopes, client.resources) == (("profile",), ("https://api.example/",))
    assert (client.synthetic, client.identifies_as, client.self_described) == (False, (), False)


def test_an_unknown_id_of_managed_form_is_read_once_and_any_other_never(managing, command, monkeypatch):
    seen = []
    read = managing.client_store.read_managed
    monkeypatch.setattr(
        managing.client_store.__class__, "read_managed", lambda self, one: seen.append(one) or read(one)
    )
    for client_id in ("app-unknown", "app", "app-", "app-X", "app-" + "x" * 70, "unknown", "appx-y"):
        assert managing.authorize(client=client_id, redirect=CALLBACK).status == 400
    assert seen == ["app-unknown"]


def test_every_change_is_in_the_ledger_by_name_and_reason(managing, command):
    added(command)
    command("rotate-secret", "app-orders", reason="it leaked")
    command("contacts", "app-orders", "--contact", "new@orders.example", reason="they moved")
    command("disable", "app-orders", reason="it is attacked")
    managing.now += 60
    command("remove", "app-orders", reason="it is gone")
    command("reapply", reason="after a restore")
    events = command.context.cloud.ledger.read_events(20)
    assert {(event.name, event.why) for event in events} == {
        ("clients add app-orders by ann", "a reason"),
        ("clients rotate-secret app-orders by ann", "it leaked"),
        ("clients contacts app-orders by ann", "they moved"),
        ("clients disable app-orders by ann", "it is attacked"),
        ("clients remove app-orders by ann", "it is gone"),
        ("clients reapply by ann", "after a restore"),
    }


def test_two_operators_at_once_are_one_change_and_one_refusal(managing, command):
    added(command)
    records = command.context.cloud.client_records
    seen = records.read_client("app-orders")
    change = Change("bob", "at once", seen.created_at + timedelta(seconds=1))
    records.save_client(domain.with_contacts(seen, ("b@b.example",), change))
    records.save_client(domain.with_contacts(seen, ("b@b.example",), change))  # a retry of the same write
    with pytest.raises(domain.Refused, match="changed meanwhile"):
        records.save_client(domain.with_contacts(seen, ("c@c.example",), change))


def test_the_item_is_what_the_service_decodes_and_has_no_person(managing, command):
    added(command)
    command("rotate-secret", "app-orders")
    record = command.context.cloud.client_records.read_client("app-orders")
    item = encode_item(record)
    decoded = item_codec.decode_managed(item)
    assert decoded == managed.Managed(
        client_id="app-orders", name="Orders", redirect_uris=(CALLBACK,), scopes=("profile",), resources=(),
        secret_sha256=record.secret_sha256, earlier_secret_sha256=record.earlier_secret_sha256,
        earlier_secret_until=int(record.earlier_secret_until.timestamp()), disabled=False,
    )  # fmt: skip
    text = json.dumps(item)
    assert not [word for word in ("ann", "team@orders.example", "a reason") if word in text]
    assert item["schema"] == {"N": "1"}


URIS = [
    "https://a.example", "https://a.example/", "https://a.example/cb?x=1", "https://a.example:8443/cb",
    "https://a.example:99999/cb", "https://a.example:x/", "https://u@a.example/", "https://a.example/#f",
    "http://a.example/", "http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", "http://[::1]/cb", "http://localhost/cb",
    "http://127.0.0.1:65535/cb", "http://127.0.0.1:65536/cb", "http://[::1]:99999/cb", "http://localhost:99999",
    "http://localhost.evil.example/", "http://127.0.0.1@evil.example/", "com.example.app:/cb", "com.example.app://cb",
    "app:/cb", "javascript:alert(1)", "data:text/html,x", "", " ", "https://", "https:///x", "https://a.example/ x",
    "HTTPS://a.example/", "https://[::1]/cb", "https://[bad/", "ftp://a.example/", "https://a.example/%20",
]  # fmt: skip


@pytest.mark.parametrize("uri", URIS)
def test_the_command_line_and_the_service_have_one_rule_for_redirect_uris(uri):
    assert is_registrable(uri) == service_clients.is_registrable(uri)
    client = service_clients.Client("c", "C", ("http://127.0.0.1/cb", "https://a.example/"), (), "https://auth.example")
    assert allows(client.redirect_uris, uri) == client.allows_redirect(uri)


@pytest.mark.parametrize("name", ["Orders", "", " ", "\u202eO", "a\nb", "نرم\u200cافزار", "\u200b", "é", "x" * 64])  # noqa: RUF001 - Persian
def test_the_command_line_and_the_service_have_one_rule_for_names(name):
    assert domain.is_display_name(name) == service_clients.is_display_name(name)


@pytest.mark.parametrize(
    "client_id", ["app-a", "app-a-b2", "app", "app-", "app--a", "App-a", "app-a_b", "app-" + "a" * 61]
)
def test_the_command_line_and_the_service_have_one_form_of_ids(client_id):
    limits = Limits(frozenset(), frozenset({"profile"}), frozenset())
    wanted = Wanted(client_id, "N", (CALLBACK,), ("profile",), (), ())
    change = Change("ann", "r", datetime(2026, 12, 1, tzinfo=UTC))
    try:
        accepted = domain.new_client(wanted, limits, None, change).client_id == client_id
    except domain.Refused:
        accepted = False
    assert accepted == managed.is_managed_id(client_id)


def lines(capsys):
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in written if line.get("message") == "request"]


def test_the_log_names_the_client_and_why_it_was_refused_and_quotes_no_request(managing, command, capsys):
    first = added(command)
    command("rotate-secret", "app-orders")
    capsys.readouterr()
    log_in(managing, first)
    granted = lines(capsys)
    assert {line.get("client") for line in granted if line["route"] in {"GET /authorize", "POST /token"}} == {
        "app-orders"
    }
    assert granted[-1]["earlier_secret"] is True
    code = managing.code(client="app-orders", redirect=CALLBACK)
    managing.redeem(code, client_id="app-orders", redirect_uri=CALLBACK, client_secret="wrong")
    managing.authorize(client="app-orders", redirect="https://private.example/?token=t")
    managing.authorize(client="https://person.example/me", redirect=CALLBACK)
    managing.authorize(client="app-orders", redirect=CALLBACK, scope="email")
    found = lines(capsys)
    logged = [
        (line.get("client"), line.get("claimed_client"), line.get("refusal"), line.get("result")) for line in found[-4:]
    ]
    assert logged == [
        (None, "app-orders", None, "invalid_client"),
        (None, "app-orders", "redirect_mismatch", None),
        (None, None, "unknown_client", None),
        ("app-orders", None, "invalid_scope", None),
    ]
    text = json.dumps(found)
    assert not [word for word in ("private.example", "person.example", "wrong", first) if word in text]


def test_a_registered_client_s_id_is_never_logged():
    configured = {"native": None}
    assert registry.loggable_id("native", configured) == "native"
    assert registry.loggable_id("app-x", configured) == "app-x"
    for private in ("ibx_" + "a" * 22, "https://person.example/me", "x y", "", None):
        assert registry.loggable_id(private, configured) is None
