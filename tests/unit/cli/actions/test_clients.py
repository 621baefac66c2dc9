"""`orchestrator clients` and `orchestrator contacts` on the command line: what a person reads, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.application.failover.managed_clients import copy_record
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.aws.ledger.failovers import FailoverStore, ReadAssignment, ReadFailover
from orchestrator.cli.actions.clients import changes
from orchestrator.cli.actions.incidents import contacts as contacts_action
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.clients.client import EndedGrants
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.failover.issuing_region import activate_assignment, first_assignment, take_assignment
from orchestrator.domain.failover.policy import read_failover
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.notifications.destinations import read_destinations
from orchestrator.domain.schema import SettingsReader
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.notification_queue import MovableClock
from tests.unit.domain.failover.world import failover
from tests.unit.domain.incidents.worlds import ROTA
from tests.workflow.failovers import POLICY

RUN = CliRunner(env={"COLUMNS": "250", "ORCHESTRATOR_REQUESTED_BY": "ann"})
ADD = ("add", "app-orders", "--name", "Orders", "--redirect-uri", "https://o.example/cb", "--scope", "profile")
REASON = ("--reason", "a reason")


class FakeLogs:
    """CloudWatch Logs with the lines of the function `token`."""

    def __init__(self, clock):
        self.clock, self.lines, self.calls, self.endless = clock, [], [], False

    def write(self, **fields):
        record = {"message": "request", "route": "POST /token", "status": 200, "request_id": "r", **fields}
        self.lines.append((self.clock.now(), json.dumps(record)))

    def filter_log_events(self, **params):
        self.calls.append(params)
        if "token" not in params["logGroupName"]:
            raise client_error("ResourceNotFoundException", "no such group")
        events = [
            {"timestamp": int(at.timestamp() * 1000), "logStreamName": "s", "message": text}
            for at, text in self.lines
        ]  # fmt: skip
        return {"events": events}


class Tables(FakeDynamoDB):
    """The ledger, and a tokens table with the items of clients by key."""

    def __init__(self):
        super().__init__()
        self.tokens = {}

    def _is_tokens(self, params):
        return "tokens" in params["TableName"]

    def get_item(self, **params):
        if not self._is_tokens(params):
            return super().get_item(**params)
        item = self.tokens.get(params["Key"]["pk"]["S"])
        return {"Item": item} if item else {}

    def put_item(self, **params):
        if not self._is_tokens(params):
            return super().put_item(**params)
        self.tokens[params["Item"]["pk"]["S"]] = params["Item"]
        return {}

    def delete_item(self, **params):
        assert self._is_tokens(params)
        self.tokens.pop(params["Key"]["pk"]["S"], None)
        return {}


class NoGrants:
    """A store without grants; it counts how often it was asked to end them."""

    def __init__(self, *_args, **_more):
        self.left = []

    def table_bytes(self):
        return 4096

    def end_grants(self, _client_id, _now):
        return EndedGrants()


class EndlessGrants(NoGrants):
    def end_grants(self, _client_id, _now):
        return EndedGrants(0, 1)


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def logs(clock):
    return FakeLogs(clock)


@pytest.fixture(autouse=True)
def context(clock, logs, monkeypatch):
    clients = {"dynamodb": Tables(), "logs": logs, "lambda": LambdaControlPlane()}
    context = Context(environments.load("local"), clients.__getitem__)
    vars(context)["cloud"] = cloud_over(clients, clock.now, SETTINGS)
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context)
    monkeypatch.setattr(changes, "ClientGrants", NoGrants)
    return context


def run(*words, code=0):
    answer = RUN.invoke(app, ["clients", *words])
    assert answer.exit_code == code, answer.output
    return answer.output


def test_a_client_is_added_shown_listed_and_its_secret_is_printed_once():
    text = run(*ADD, *REASON, "--contact", "a@o.example")
    secret = text.splitlines()[1]
    assert secret.startswith("ibxs_")
    shown = run("show", "app-orders")
    assert "app-orders: Orders (managed, enabled)" in shown
    assert "revision 1: add by ann" in shown
    assert "contacts: a@o.example" in shown
    listed = run("list")
    assert "app-orders" in listed
    assert "demo-client" in listed
    assert secret not in shown + listed


def test_a_public_client_is_added_without_a_secret():
    assert "it is public and has no secret" in run(*ADD, *REASON, "--public")
    assert "none (public)" in run("list")


def test_a_rotation_says_until_when_the_earlier_secret_is_accepted():
    run(*ADD, *REASON)
    assert "the earlier secret is accepted until" in run("rotate-secret", "app-orders", *REASON)
    assert "; the earlier until" in run("show", "app-orders")
    assert "the earlier" not in run("rotate-secret", "app-orders", "--overlap", "0h", *REASON)


def test_a_client_that_the_audit_trail_lacks_works_and_its_secret_is_printed(context, monkeypatch):
    def fail(_event):
        raise Unreachable("no route")

    monkeypatch.setattr(context.cloud.ledger, "record_event", fail)
    printed = run(*ADD, *REASON, code=1)
    assert "clients add app-orders by ann" in printed
    assert "this is done, but the ledger did not record its event" in printed
    assert "ibxs_" in printed
    assert "managed, enabled" in run("show", "app-orders")


def test_a_change_that_is_not_complete_is_never_said_to_be_done(context, monkeypatch):
    def fail(_event):
        raise Unreachable("no route")

    run(*ADD, *REASON)
    monkeypatch.setattr(changes, "ClientGrants", EndlessGrants)
    monkeypatch.setattr(context.cloud.ledger, "record_event", fail)
    printed = run("disable", "app-orders", *REASON, code=1)
    assert "new ones kept appearing" in printed
    assert "this is done" not in printed


def test_a_client_goes_from_enabled_to_removed(clock):
    run(*ADD, *REASON)
    assert "contacts are b@o.example" in run("contacts", "app-orders", "--contact", "b@o.example", *REASON)
    assert "contacts are none" in run("contacts", "app-orders", *REASON)
    assert "app-orders is disabled; 0 codes" in run("disable", "app-orders", *REASON)
    assert "app-orders is disabled" in run("disable", "app-orders", *REASON), "a repetition ends what is left"
    clock.advance(60)
    assert "app-orders is enabled" in run("enable", "app-orders", *REASON)
    run("disable", "app-orders", *REASON)
    clock.advance(60)
    assert "app-orders is removed" in run("remove", "app-orders", *REASON)
    assert "app-orders" not in run("list")
    assert "removed" in run("list", "--removed")
    assert "changed: none" in run("reapply", *REASON)


def test_grants_that_keep_appearing_are_an_error_and_the_client_stays_disabled(monkeypatch):
    run(*ADD, *REASON)
    monkeypatch.setattr(changes, "ClientGrants", EndlessGrants)
    assert "new ones kept appearing" in run("disable", "app-orders", *REASON, code=1)
    assert "managed, disabled" in run("show", "app-orders")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "app-x"), "CLIENT: 'app-x' is refused: name one that `orchestrator clients list` lists"),
        (("diagnose", "ibx_" + "a" * 22), "not logged by their ids"),
        (("disable", "app-x", *REASON), "name a managed client"),
        (("disable", "demo-client", *REASON), "remove it from environments.toml"),
        ((*ADD, "--reason", " "), "--reason: ' ' is refused"),
        ((*ADD, *REASON, "--resource", "urn:x"), "--resource: 'urn:x' is refused"),
        (("diagnose", "demo-client", "--since", "yesterday"), "--since: 'yesterday' is refused"),
        (("rotate-secret", "app-x", "--overlap", "1y", *REASON), "--overlap: '1y' is refused"),
    ],
)
def test_a_wrong_command_is_refused(words, message):
    assert message in run(*words, code=2)


@pytest.mark.strategy("Documentation: Support procedures")
def test_a_diagnosis_names_usage_errors_and_causes_without_secrets(logs, clock):
    secret = run(*ADD, *REASON).splitlines()[1]
    logs.write(client="app-orders", result="issued")
    logs.write(claimed_client="app-orders", result="invalid_client", status=401)
    logs.write(claimed_client="app-orders", refusal="redirect_mismatch", status=400, route="GET /authorize")
    logs.write(client="app-orders-2", result="issued")
    text = run("diagnose", "app-orders", "--redirect-uri", "https://o.example/cb/")
    assert "1 requests, 1 grants, errors: invalid_client (1), redirect_mismatch (1)" in text
    assert "1. https://o.example/cb/ is not registered: it differs from https://o.example/cb in a slash" in text
    assert "2. redirect_mismatch (1)" in text
    assert "3. invalid_client (1): the secret was wrong or missing" in text
    assert secret not in text
    assert {one["filterPattern"] for one in logs.calls} == {'"app-orders"'}
    assert {one["endTime"] - one["startTime"] for one in logs.calls} == {24 * 3_600_000 - 1}


def test_a_client_that_works_has_nothing_wrong(logs):
    logs.write(client="demo-client", result="issued")
    text = run("diagnose", "demo-client", "--since", "2h")
    assert "nothing is wrong with what the service knows of this client" in text
    assert "last used: " in text


def test_a_diagnosis_is_one_object_with_json(logs):
    run(*ADD, *REASON)
    found = json.loads(run("diagnose", "app-orders", "--json"))
    assert found["client"]["status"] == "enabled"
    assert found["usage"]["requests"] == 0
    assert found["complete"] is True
    assert [one["problem"][:10] for one in found["findings"]] == ["no request"]
    assert "sha256" not in json.dumps(found)
    configured = json.loads(run("show", "demo-client", "--json"))
    assert (configured["client"]["kind"], configured["in_effect"]["revision"]) == ("configured", None)
    assert json.loads(run("list", "--json"))["clients"][-1]["client_id"] == "app-orders"


def test_a_log_that_was_not_read_to_its_end_says_so(monkeypatch):
    from orchestrator.aws.cloudwatch.logs import Logs
    from orchestrator.domain.analysis.observations import LogPage

    monkeypatch.setattr(Logs, "read_lines", lambda *_: LogPage((), complete=False))
    assert "not read to its end" in run("diagnose", "demo-client")


PAGER = {
    "name": "on-call", "kind": "pagerduty", "minimum_severity": "warning", "audiences": ["operators"],
    "secret": "arn:aws:secretsmanager:us-west-1:123456789012:secret:pager",
}  # fmt: skip


@pytest.fixture
def emergency(monkeypatch, clock):
    environment = environments.load("prod")
    loaded = replace(
        environment,
        incidents=IncidentPolicy(rota=ROTA),
        contacts={**environment.contacts, "operators": ("ops@acme.example",)},
        notifications=read_destinations(SettingsReader("", {"notifications": [PAGER]})),
    )
    monkeypatch.setattr(environments, "load", lambda _name: loaded)
    monkeypatch.setattr(contacts_action, "now", clock.now)
    return loaded


def print_contacts(*words, code=0):
    answer = RUN.invoke(app, ["contacts", *words])
    assert answer.exit_code == code, answer.output
    return answer.output


@pytest.mark.strategy("Contact Information: Team contacts")
def test_the_emergency_page_says_whom_to_call_now_and_next_by_level(emergency, clock):
    page = json.loads(print_contacts("--env", "prod", "--json"))
    now, following = page["on_call"]["now"]["people"], page["on_call"]["next"]["people"]
    assert now == [ROTA.on_call(level, clock.now()) for level in (1, 2)][: len(now)]
    assert following[0] == ROTA.on_call(1, clock.now() + timedelta(days=7))
    assert page["pagers"] == ["on-call"]
    text = print_contacts("--env", "prod")
    assert "call now" in text
    assert now[0] in text
    assert "ops@acme.example" in text


def test_an_environment_without_a_rota_has_a_page_too(monkeypatch):
    assert "no rota: add [local.on_call]" in print_contacts("--env", "local")
    assert json.loads(print_contacts("--env", "local", "--json"))["on_call"] is None
    assert "env: 'moon' is refused" in print_contacts("--env", "moon", code=2)


STANDBY = "us-east-2"


class Region:
    """The standby region's ledger, which can be made to fail."""

    def __init__(self):
        self.ledger, self.broken, self.regions = Tables(), None, []

    def __call__(self, service, region):
        assert service == "dynamodb"
        self.regions.append(region)
        if self.broken:
            raise self.broken
        return self.ledger

    @property
    def records(self):
        return {client.client_id: client for client in ClientRecords(self.ledger, "ledger").list_clients()}


@pytest.fixture
def standby(context):
    policy = read_failover(SettingsReader("failover", {**POLICY, "region": STANDBY}))
    object.__setattr__(context, "environment", replace(context.environment, failover=policy))
    region = Region()
    object.__setattr__(context.cloud, "client_in", region)
    object.__setattr__(context.cloud, "brief_client_in", region)
    return region


def test_each_change_reaches_the_ledger_of_the_standby_region(context, standby, clock):
    for words in (
        ADD,
        ("contacts", "app-orders", "--contact", "b@o.example"),
        ("rotate-secret", "app-orders"),
        ("disable", "app-orders"),
        ("remove", "app-orders"),
    ):
        run(*words, *REASON)
        assert list(standby.records.values()) == context.cloud.client_records.list_clients()
        clock.advance(60)
    assert standby.records["app-orders"].removed
    assert standby.records["app-orders"].contacts == ()
    assert set(standby.regions) == {STANDBY}


@pytest.mark.parametrize(
    "broken",
    [
        Unreachable("no route"),
        client_error("AccessDeniedException", "not authorized", status=400),
        client_error("ResourceNotFoundException", "the stacks are not deployed", status=400),
    ],
)
def test_a_change_that_the_standby_region_does_not_have_is_in_effect_and_reported_with_the_remedy(standby, broken):
    secret = run(*ADD, *REASON).splitlines()[1]
    standby.broken = broken
    printed = run("disable", "app-orders", *REASON, code=1)
    assert "app-orders is disabled; 0 codes" in printed
    assert "clients disable app-orders: this is done and in effect" in printed
    assert f"the ledger in {STANDBY} does not have it ({type(broken).__name__}" in printed
    assert "`orchestrator clients reapply --reason … --env local`" in printed
    assert "managed, disabled" in run("show", "app-orders")
    assert standby.records["app-orders"].status == "enabled"
    assert secret not in printed

    standby.broken = None
    assert "app-orders is disabled" in run("disable", "app-orders", *REASON), "a repetition copies it"
    assert standby.records["app-orders"].status == "disabled"


def test_a_new_secret_is_printed_although_the_standby_region_does_not_answer(standby):
    standby.broken = Unreachable("no route")
    printed = run(*ADD, *REASON, code=1)
    assert "ibxs_" in printed
    assert "clients add app-orders: this is done" in printed


def test_what_is_missing_in_the_standby_region_is_reported_before_a_missing_event(context, standby, monkeypatch):
    def fail(_event):
        raise Unreachable("no route")

    standby.broken = Unreachable("no route")
    monkeypatch.setattr(context.cloud.ledger, "record_event", fail)
    assert f"the ledger in {STANDBY} does not have it" in run(*ADD, *REASON, code=1)
    assert f"the ledger in {STANDBY} does not have it" in run("reapply", *REASON, code=1)


def test_the_repair_copies_what_is_missing_and_replaces_what_only_the_standby_region_has(context, standby):
    standby.broken = Unreachable("no route")
    run(*ADD, *REASON, code=1)
    standby.broken = None
    assert f"records copied to {STANDBY}: app-orders" in run("reapply", *REASON)
    (client,) = context.cloud.client_records.list_clients()
    ClientRecords(standby.ledger, "ledger").copy_client(replace(client, revision=7, name="Of another time"))
    assert json.loads(run("reapply", *REASON, "--json"))["copied"] == ["app-orders"]
    assert standby.records == {"app-orders": client}
    assert f"records copied to {STANDBY}: none" in run("reapply", *REASON)


def test_a_repair_that_fails_is_an_error_after_what_was_done(standby):
    run(*ADD, *REASON)
    standby.broken = Unreachable("no route")
    printed = run("reapply", *REASON, code=1)
    assert "1 clients are as the ledger has them; changed: none" in printed
    assert "clients reapply: this is done and in effect" in printed


def test_a_newer_change_of_another_operator_in_the_standby_region_stays(context, standby):
    run(*ADD, *REASON)
    (client,) = context.cloud.client_records.list_clients()
    newer = replace(client, revision=2, name="Newer")
    context.cloud.client_records.save_client(newer)
    target = ClientRecords(standby.ledger, "ledger")
    target.copy_client(newer)
    copy_record(context.cloud.client_records, target, client, ReadAssignment(None))
    assert standby.records == {"app-orders": newer}


@pytest.fixture
def beyond(context, standby, clock, logs, monkeypatch):
    """The standby region with `--standby`."""
    clients = {"dynamodb": standby.ledger, "logs": logs, "lambda": LambdaControlPlane()}
    there = Context(context.environment.in_standby_region(), clients.__getitem__)
    vars(there)["cloud"] = cloud_over(clients, clock.now, {**SETTINGS, "AWS_REGION": STANDBY})
    monkeypatch.setattr("orchestrator.cli.actions.failovers.standby.standby_context", lambda _name: there)
    return there


def lose_home(context, monkeypatch):
    def lost(**_):
        raise Unreachable("us-west-1 is lost")

    for name in ("put_item", "get_item"):
        monkeypatch.setattr(context.clients("dynamodb"), name, lost)


def test_while_the_home_region_is_lost_a_client_is_disabled_and_removed_in_the_standby_regions_ledger(
    context, standby, beyond, clock, monkeypatch
):
    run(*ADD, *REASON)
    take_over(standby, context.environment.region, active=False)
    lose_home(context, monkeypatch)
    assert "us-west-1 is lost" in run("disable", "app-orders", *REASON, code=3)
    printed = run("disable", "app-orders", "--standby", *REASON)
    assert "app-orders is disabled by the ledger of us-east-2, from the next failover on" in printed
    assert "in us-west-1 nothing has changed" in printed
    assert run("disable", "app-orders", "--standby", *REASON) == printed, "a repetition changes nothing"
    assert (standby.records["app-orders"].status, standby.records["app-orders"].revision) == ("disabled", 2)
    assert standby.ledger.tokens == {}
    clock.advance(60)
    assert "app-orders is removed by the ledger" in run("remove", "app-orders", "--standby", *REASON)
    assert standby.records["app-orders"].removed
    events = [key for key in standby.ledger.items if key[0] == "events"]
    assert len(events) == 2


def test_after_the_takeover_a_client_is_disabled_at_once_although_the_settings_name_the_lost_region(
    context, standby, beyond, monkeypatch
):
    run(*ADD, *REASON)
    take_over(standby, context.environment.region)
    lose_home(context, monkeypatch)
    assert "app-orders is disabled; 0 codes" in run("disable", "app-orders", "--standby", *REASON)
    assert "disabled_at" in standby.ledger.tokens["client#app-orders"]


def test_a_home_region_whose_tokens_table_does_not_answer_gets_the_change_to_the_standby_region(
    context, standby, monkeypatch
):
    run(*ADD, *REASON)
    tables = context.clients("dynamodb")
    put = tables.put_item

    def put_ledger(**item):
        if "tokens" in item["TableName"]:
            raise client_error("InternalServerError", "no", status=500)
        return put(**item)

    monkeypatch.setattr(tables, "put_item", put_ledger)
    assert "does not have the change" not in run("disable", "app-orders", *REASON, code=3)
    assert standby.records["app-orders"].status == "disabled"
    ClientRecords(standby.ledger, "ledger").copy_client(replace(standby.records["app-orders"], revision=7))
    run("reapply", *REASON, code=3)
    assert standby.records["app-orders"].revision == 2

    standby.broken = Unreachable("no route")
    for words in (("disable", "app-orders"), ("reapply",)):
        printed = run(*words, *REASON, code=1)
        assert "Unreachable: An error occurred (InternalServerError)" in printed
        assert f"and the ledger in {STANDBY} does not have the change (Unreachable: no route)" in printed
        assert "in effect" not in printed


def test_grants_that_are_not_ended_hide_no_missing_copy(standby, monkeypatch):
    run(*ADD, *REASON)
    monkeypatch.setattr(changes, "ClientGrants", EndlessGrants)
    standby.broken = Unreachable("no route")
    printed = run("disable", "app-orders", *REASON, code=1)
    assert "new ones kept appearing" in printed
    assert f"and the ledger in {STANDBY} does not have the change (Unreachable: no route)" in printed


def take_over(standby, home, active=True):
    """A failover has taken the assignment, and has taken over unless it is not active."""
    store = FailoverStore(standby.ledger, "ledger")
    store.create_assignment(first_assignment(home))
    read = ReadFailover(failover(), 0)
    seen = store.read_assignment()
    taken = take_assignment(seen.assignment, STANDBY, "fo-1")
    read = store.commit(read, read.failover, (seen, taken))
    if active:
        store.commit(read, read.failover, (store.read_assignment(), activate_assignment(taken, STANDBY, "fo-1")))


@pytest.mark.parametrize(
    "words",
    [
        ("reapply",),
        ("contacts", "app-orders", "--contact", "b@o.example"),
        ("disable", "app-orders"),
        ("rotate-secret", "app-orders"),
    ],
)
def test_settings_from_before_a_failover_change_no_record(context, standby, clock, words):
    run(*ADD, *REASON)
    take_over(standby, context.environment.region)
    target = ClientRecords(standby.ledger, "ledger")
    disabled = replace(standby.records["app-orders"], revision=2, disabled_at=clock.now())
    target.save_client(disabled)
    printed = run(*words, *REASON, code=2)
    assert "local.region: 'us-west-1' is refused: by failover fo-1, clients are changed in us-east-2" in printed
    assert standby.records == {"app-orders": disabled}
    assert context.cloud.client_records.read_client("app-orders").revision == 1, "nothing was changed"


def test_settings_of_a_region_that_was_left_again_change_no_record(context, standby):
    take_over(standby, context.environment.region, active=False)
    object.__setattr__(context, "environment", replace(context.environment, region=STANDBY, lost_region="us-west-1"))
    context.clients("dynamodb").items |= standby.ledger.items
    assert "by failover fo-1, clients are changed in the other region" in run(*ADD, *REASON, code=2)
    assert context.cloud.client_records.list_clients() == []


def test_a_change_while_a_failover_runs_reaches_the_standby_region(context, standby):
    run(*ADD, *REASON)
    take_over(standby, context.environment.region, active=False)
    run("disable", "app-orders", *REASON)
    assert standby.records["app-orders"].status == "disabled"


def test_a_failover_that_takes_over_during_a_command_is_no_reason_to_replace_its_records(context, standby, monkeypatch):
    run(*ADD, *REASON)
    real = changes.copy_record

    def copy(*arguments):
        take_over(standby, context.environment.region)
        real(*arguments)

    monkeypatch.setattr(changes, "copy_record", copy)
    assert "a failover changed the assignment meanwhile" in run("disable", "app-orders", *REASON, code=1)
    assert standby.records["app-orders"].status == "enabled"


def test_after_a_failover_the_lost_region_gets_no_copy(context, standby):
    object.__setattr__(context, "environment", replace(context.environment, region=STANDBY, lost_region="us-west-1"))
    run(*ADD, *REASON)
    run("reapply", *REASON)
    assert standby.regions == []
