"""`restore list` and `restore discard`: what is listed, what is shown and asked first, and what is never deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.application.restored_tables.discarding import TableNotRemoved
from orchestrator.aws.lambda_.versions import LATEST
from orchestrator.cli import context as cli_context
from orchestrator.cli.actions.restores import restored_tables
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import CheckResult, RecoveryOutcome
from orchestrator.domain.verdict import Verdict
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, execution_arn, machine_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.fakes.restorable_tables import RestorableTables, arn_of
from tests.fakes.scaling import FakeScaling
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import recovery
from tests.workflow.world import both

SOURCES = ("ib-oauth-state-prod", "ib-oauth-tokens-prod")
CUT_OVER = (CheckResult("cutover", Verdict.passed("d-dr-1")),)
RUN = CliRunner(env={"COLUMNS": "300", "ORCHESTRATOR_REQUESTED_BY": "bob"})
DAY = 24 * 3600


def target(name, role):
    return f"ib-oauth-restored-{name}-{role}-prod"


class Scene:
    """An environment with two tables in use, and a command line for it."""

    def __init__(self, monkeypatch):
        self.clock = SimulatedClock()
        self.tables, self.plane, self.scaling = RestorableTables(self.clock.now), LambdaControlPlane(), FakeScaling()
        self.variables = dict(zip(("STATE_TABLE", "TOKENS_TABLE"), SOURCES, strict=True))
        for function in environments.load("prod").service.functions:
            self.plane.add(f"ib-oauth-{function}-prod", Environment={"Variables": self.variables})
        for name in SOURCES:
            self.tables.add(name)
        self.states = FakeStepFunctions(self.clock.now, lambda _: None, lambda *_: False)
        clients = {
            "dynamodb": both(FakeDynamoDB(), self.tables),
            "stepfunctions": self.states,
            "events": FakeEvents(),
            "application-autoscaling": self.scaling,
            "lambda": self.plane,
        }
        self.context = Context(environments.load("prod"), clients.__getitem__)
        settings = {"ENVIRONMENT": "prod", "LEDGER_TABLE": "ib-oauth-ledger-prod", "EVENT_BUS": "ib-oauth-prod"}
        vars(self.context)["cloud"] = self.cloud = cloud_over(
            clients, self.clock.now, settings, sleep=self.clock.advance
        )
        vars(self.context)["account"] = machine_arn("restore").split(":")[4]
        monkeypatch.setattr(cli_context, "context_of", lambda _: self.context)

    def restored(self, name="dr-1", **changes):
        """A restore that died after it had restored both tables."""
        point = self.clock.now().replace(microsecond=0) - timedelta(minutes=10)
        planned = recovery(environment="prod").tables
        tables = tuple(
            replace(one, source=source, target=target(name, one.role), source_arn=arn_of(source))
            for one, source in zip(planned, SOURCES, strict=True)
        )
        fields = {
            "id": name, "kind": Kind.RESTORE, "environment": "prod", "tables": tables, "point": point,
            "requested_at": self.clock.now(), "outcome": RecoveryOutcome.FAILED, "ended_at": self.clock.now(),
        }  # fmt: skip
        record = self.cloud.restores.create_record(recovery(**{**fields, **changes}))
        for table in record.tables:
            self.tables.restore_table_to_point_in_time(
                SourceTableName=table.source, TargetTableName=table.target, RestoreDateTime=point
            )
        self.clock.advance(2 * 3600)
        for table in record.tables:
            self.tables.tables[table.target].description |= {"DeletionProtectionEnabled": True, "ItemCount": 7}
        return record

    def run(self, *arguments, **options):
        return RUN.invoke(app, ["restore", *arguments], catch_exceptions=False, **options)

    @property
    def copies(self):
        return set(self.tables.tables) - set(SOURCES)


@pytest.fixture
def scene(monkeypatch):
    return Scene(monkeypatch)


def test_the_tables_of_killed_restores_are_listed_with_their_age_and_price(scene):
    scene.restored()
    scene.clock.advance(3 * DAY)
    for table in scene.copies:
        scene.tables.tables[table].description["TableSizeBytes"] = 5_000_000_000
    listed = scene.run("list")
    assert listed.exit_code == 0
    lines = {line.split()[0]: line for line in listed.stdout.splitlines() if line}
    for role in ("state", "tokens"):
        assert lines[target("dr-1", role)].split()[1:6] == ["dr-1", "unused", "3", "d", "2"]
        assert lines[target("dr-1", role)].split()[-1] == "1.40"
    assert "2 are unused, for 2.80 US dollars a month; `orchestrator restore discard ID --env prod`" in listed.stdout
    assert not set(SOURCES) & lines.keys()
    answer = json.loads(scene.run("list", "--json").stdout)
    assert answer["usd_per_month"] == 2.8
    first = answer["tables"][0]
    assert (first["table"], first["restore"], first["use"]) == (target("dr-1", "state"), "dr-1", "unused")
    assert (first["age_seconds"], first["items"], first["bytes"]) == (3 * DAY + 7200, 7, 5_000_000_000)


def test_where_there_is_none_that_is_said(scene):
    assert "prod has no restored table" in scene.run("list").stdout
    assert json.loads(scene.run("list", "--json").stdout)["tables"] == []


def test_a_table_is_in_use_by_the_settings_of_any_environment_or_by_a_version(scene, monkeypatch):
    scene.restored()
    used = in_settings(monkeypatch, staging=target("dr-1", "state"))
    scene.plane.change(
        "ib-oauth-token-prod", "code-2", Environment={"Variables": {"TOKENS_TABLE": target("dr-1", "tokens")}}
    )
    answer = json.loads(scene.run("list", "--json").stdout)
    assert {one["table"]: one["used_by"] for one in answer["tables"]} == {
        used: "environments.toml (staging)",
        target("dr-1", "tokens"): f"token:{LATEST}",
    }


def in_settings(monkeypatch, **named):
    """Have the settings of environments name a table as their state table."""
    real = environments.load

    def load(name, *args):
        found = real(name, *args)
        changes = {"state_table": named[name]} if name in named else {}
        return replace(found, service=replace(found.service, **changes))

    monkeypatch.setattr(environments, "load", load)
    return next(iter(named.values()))


def test_a_discard_shows_what_it_deletes_and_asks(scene):
    record = scene.restored(check_results=CUT_OVER)
    scene.scaling.register_scalable_target(
        ServiceNamespace="dynamodb", ResourceId=f"table/{record.tables[0].target}", ScalableDimension="reads"
    )
    refused = scene.run("discard", "dr-1", input="n\n")
    assert refused.exit_code == 2
    assert "nothing was deleted" in refused.output
    assert {table.target for table in record.tables} == scene.copies
    for said in (*scene.copies, "The service used them after this restore", "Delete 2 tables of prod?"):
        assert said in refused.output
    done = scene.run("discard", "dr-1", "--requested-by", "ann", input="y\n")
    assert (done.exit_code, scene.copies, scene.scaling.targets) == (0, set(), {})
    assert done.stdout.count("deleted ib-oauth-restored-dr-1-") == 2
    assert set(SOURCES) == set(scene.tables.tables)
    (event,) = scene.cloud.ledger.read_events(5)
    assert (event.name, event.source) == ("discard dr-1 by ann", "person")
    assert event.why == f"deleted {', '.join(table.target for table in record.tables)}"
    again = scene.run("discard", "dr-1", "--yes")
    assert (again.exit_code, "dr-1 has no table any more: nothing was deleted" in again.stdout) == (0, True)


def test_with_json_only_yes_deletes(scene):
    record = scene.restored()
    refused = scene.run("discard", "dr-1", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["field"]) == (2, "confirmation")
    assert len(scene.copies) == 2
    done = scene.run("discard", "dr-1", "--json", "--yes")
    deleted = [table.target for table in record.tables]
    assert json.loads(done.stdout) == {"restore": "dr-1", "deleted": deleted, "left": []}


@pytest.mark.parametrize("role", ["state", "tokens"])
@pytest.mark.parametrize("environment", ["dev", "staging", "prod", "local"])
def test_a_table_that_the_settings_of_any_environment_name_is_never_deleted(scene, monkeypatch, environment, role):
    scene.restored()
    in_settings(monkeypatch, **{environment: target("dr-1", role)})
    refused = scene.run("discard", "dr-1", "--yes")
    assert refused.exit_code == 2
    assert f"is in use by environments.toml ({environment})" in refused.output
    assert len(scene.copies) == 2


@pytest.mark.parametrize("side", ["live", LATEST])
def test_a_table_that_a_version_uses_is_never_deleted(scene, side):
    scene.restored()
    variables = {"Variables": {**scene.variables, "TOKENS_TABLE": target("dr-1", "tokens")}}
    function = scene.plane.functions["ib-oauth-public-prod"]
    if side == "live":
        function.versions["1"]["Environment"] = variables
    else:
        function.latest["Environment"] = variables
    refused = scene.run("discard", "dr-1", "--yes")
    assert refused.exit_code == 2
    assert f"is in use by public:{'1' if side == 'live' else LATEST}" in refused.output
    assert len(scene.copies) == 2


def test_a_restore_that_runs_keeps_its_tables(scene):
    arn = execution_arn("restore", "dr-1")
    scene.restored(ended_at=None, outcome=None, execution=arn)
    refused = scene.run("discard", "dr-1", "--yes")
    assert (refused.exit_code, "it is in progress" in refused.output) == (2, True)
    assert len(scene.copies) == 2


def replaced_by_another(scene, role="tokens"):
    """Have a table that no restore of ours created take the name of a restored one."""
    name = target("dr-1", role)
    scene.tables.tables[name].description["RestoreSummary"]["SourceTableArn"] = arn_of("another")
    return name


def test_a_table_that_is_not_ours_is_listed_as_such_without_a_price(scene):
    scene.restored()
    foreign, own = replaced_by_another(scene), target("dr-1", "state")
    for table in scene.copies:
        scene.tables.tables[table].description["TableSizeBytes"] = 5_000_000_000
    listed = scene.run("list").stdout
    lines = {line.split()[0]: line for line in reversed(listed.splitlines()) if line}
    assert "not ours: left as it is" in lines[foreign]
    assert lines[foreign].split()[-1] == "-"
    assert f"{foreign} is not ours, and stays: it was restored from {arn_of('another')}; delete it by hand" in listed
    assert "1 are unused, for 1.40 US dollars a month; `orchestrator restore discard ID --env prod`" in listed
    answer = json.loads(scene.run("list", "--json").stdout)
    by = {one["table"]: one for one in answer["tables"]}
    assert (by[foreign]["use"], by[foreign]["usd_per_month"]) == ("not ours: left as it is", None)
    assert (by[foreign]["not_ours"], by[own]["not_ours"]) == (f"it was restored from {arn_of('another')}", "")
    assert answer["usd_per_month"] == by[own]["usd_per_month"] == 1.4

    del scene.tables.tables[own]
    assert "restore discard" not in scene.run("list").stdout


def test_a_table_that_is_not_ours_is_left_and_named_and_ours_are_deleted(scene):
    scene.restored()
    foreign, own = replaced_by_another(scene), target("dr-1", "state")
    before = dict(scene.tables.tables[foreign].description)
    refused = scene.run("discard", "dr-1", input="n\n")
    assert (refused.exit_code, scene.copies) == (2, {foreign, own})
    assert "Delete 1 table of prod?" in refused.output
    done = scene.run("discard", "dr-1", "--yes")
    assert (done.exit_code, scene.copies) == (0, {foreign})
    assert f"deleted {own}\nleft {foreign}, which is not ours\n" in done.stdout
    assert scene.tables.tables[foreign].description == before
    (event,) = scene.cloud.ledger.read_events(5)
    assert event.why == f"deleted {own}"
    again = scene.run("discard", "dr-1", "--yes")
    assert (again.exit_code, scene.copies) == (0, {foreign})
    assert "dr-1 has no table any more: nothing was deleted" in again.stdout
    assert f"left {foreign}, which is not ours" in again.stdout


def test_with_json_the_tables_that_are_left_have_their_reason(scene):
    scene.restored()
    foreign, reason = replaced_by_another(scene), f"it was restored from {arn_of('another')}"
    for deleted in ([target("dr-1", "state")], []):
        done = json.loads(scene.run("discard", "dr-1", "--json", "--yes").stdout)
        assert done == {"restore": "dr-1", "deleted": deleted, "left": [{"table": foreign, "reason": reason}]}


def test_a_table_that_is_replaced_between_the_answer_and_the_deletion_is_left(scene):
    record = scene.restored()

    def agree(_question):
        replaced_by_another(scene)
        return True

    restored_tables.discard(scene.context, record.id, "ann", agree, json=True)
    assert scene.copies == {target("dr-1", "tokens")}


def test_tables_without_a_record_are_not_offered_to_a_command_that_refuses_them(scene):
    name = target("failover-202611240300", "state")
    scene.tables.add(name)
    listed = scene.run("list").stdout
    assert "no record" in listed
    assert "delete them by hand if they are yours" in listed
    assert "restore discard" not in listed


def test_a_table_with_the_name_of_no_table_of_its_restore_is_not_ours(scene):
    record = scene.restored(tables=())
    scene.tables.add(target(record.id, "state"))
    (listed,) = json.loads(scene.run("list", "--json").stdout)["tables"]
    assert listed["not_ours"] == "dr-1 has no table of this name"


def test_a_restore_that_the_ledger_does_not_know_is_refused(scene):
    refused = scene.run("discard", "failover-202611240300", "--yes")
    assert (refused.exit_code, "there is no such recovery" in refused.output) == (2, True)


def test_what_changes_between_the_answer_and_the_deletion_is_seen(scene):
    record = scene.restored()

    def agree(_question):
        arn = execution_arn("restore", "dr-2")
        scene.cloud.restores.acquire_lock(
            scene.cloud.restores.read_lock(), arn, "dr-2", Kind.RESTORE, scene.clock.now()
        )
        return True

    with pytest.raises(Refused, match="dr-2 holds it and may switch tables"):
        restored_tables.discard(scene.context, record.id, "ann", agree, json=True)
    assert len(scene.copies) == 2


@pytest.mark.parametrize(
    ("code", "why"), [("AccessDeniedException", "AWS refuses"), ("ResourceInUseException", "in time")]
)
def test_a_table_that_aws_does_not_delete_is_an_error(scene, monkeypatch, code, why):
    record = scene.restored()

    def refuse(**_):
        raise client_error(code)

    monkeypatch.setattr(scene.tables, "delete_table", refuse)
    with pytest.raises(TableNotRemoved, match=why):
        restored_tables.discard(scene.context, record.id, "ann", lambda _: True, json=True)


@pytest.mark.parametrize(
    ("before", "field"), [(["--env", "prod"], "--env"), (["--yes"], "--yes"), (["--json"], "--json")]
)
def test_options_before_the_command_would_have_no_effect_and_are_refused(scene, before, field):
    scene.restored()
    refused = scene.run(*before, "discard", "dr-1", "--yes")
    assert refused.exit_code == 2
    assert f"{field}" in refused.output
    assert "give it after `orchestrator restore discard`" in refused.output
    assert len(scene.copies) == 2


def test_the_command_without_a_name_is_still_the_restore(scene, monkeypatch):
    questions = []
    monkeypatch.setattr(
        "orchestrator.cli.actions.restore.plan", lambda _context, request, json: questions.append((request, json))
    )
    done = scene.run("--plan", "--to", "2026-11-23T03:00:00Z", "--requested-by", "ann", "--env", "prod", "--json")
    assert done.exit_code == 0
    assert questions == [({"requested_by": "ann", "to": "2026-11-23T03:00:00Z"}, True)]
    assert scene.run("unknown").exit_code == 2
