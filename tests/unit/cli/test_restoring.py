"""Restoring from the command line: what is shown, asked and refused before anything starts, and the settings file afterwards."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace

import pytest

import environments
from orchestrator.cli import freezing, restoring, shipping
from orchestrator.cli.context import Context
from orchestrator.domain.cut_over import closed
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Ending, Kind
from orchestrator.domain.recovery import Finding, RecoveryEnding
from orchestrator.domain.verdict import Verdict
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, machine_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import NOW, cut_over, deployment, recovery, restored_tables
from tests.workflow.world import both

STATE, TOKENS = "ib-oauth-state-prod", "ib-oauth-tokens-prod"
GIVEN = {"requested_by": "ann"}
CUT_OVER = (Finding("cut_over", Verdict.passed("d-dr-1")),)


@pytest.fixture
def tables():
    return RestorableTables(SimulatedClock().now)


@pytest.fixture
def states():
    return FakeStepFunctions(SimulatedClock().now, lambda _: None, lambda *_: False)


def plane():
    """Functions of which clients get what `$LATEST` holds."""
    made = LambdaControlPlane()
    for function in environments.load("prod").service.functions:
        made.add(f"ib-oauth-{function}-prod")
    return made


@pytest.fixture
def context(tables, states):
    for name in (STATE, TOKENS):
        tables.add(name)
    clients = {
        "dynamodb": both(FakeDynamoDB(), tables),
        "stepfunctions": states,
        "events": FakeEvents(),
        "application-autoscaling": None,
        "lambda": plane(),
    }
    context = Context(environments.load("prod"), clients.__getitem__)
    vars(context)["cloud"] = cloud_over(clients, SimulatedClock().now)
    vars(context)["account"] = machine_arn("restore").split(":")[4]
    return context


def restored(context, **changes):
    given = {
        "id": "dr-1",
        "kind": Kind.RESTORE,
        "tables": restored_tables("dr-1"),
        "findings": CUT_OVER,
        "ended_at": NOW,
    }
    kept = recovery(**{**given, **changes})
    context.cloud.restores.open(kept)


def test_the_plan_says_what_is_lost_and_that_the_service_is_closed_for_a_moment(context, states, capsys):
    restoring.plan(context, GIVEN, json=False)
    told = " ".join(capsys.readouterr().out.split())
    assert "What was written in the 300 s since then is not in the copies." in told
    assert "the service answers 503" in told
    assert "ib-oauth-restored-dr-planned-state-prod" in told
    assert states.executions == {}


def test_a_table_that_is_gone_is_named_in_the_plan(context, tables, capsys):
    tables.lose(STATE)
    restoring.plan(context, GIVEN, json=False)
    assert f"restored from what they left: {STATE}." in " ".join(capsys.readouterr().out.split())


def test_nothing_starts_unless_somebody_agrees(context, states):
    asked = []
    with pytest.raises(Refused, match="nothing was started; agree, or give --yes"):
        restoring.restore(context, GIVEN, "k", lambda question: bool(asked.append(question)), watch=False, json=True)
    assert asked == ["Have the OAuth service of prod use these copies?"]
    assert states.executions == {}


def test_an_agreed_restore_is_started_once_under_its_name(context, states, capsys):
    for started in (True, True):
        assert restoring.restore(context, GIVEN, "k", lambda _: True, watch=False, json=True) == 0
        assert json.loads(capsys.readouterr().out) == {"recovery": "dr-k", "started": started}
    ((arn, execution),) = states.executions.items()
    assert arn.endswith("ib-oauth-restore-prod:dr-k")
    assert json.loads(execution.given) == GIVEN


def test_a_frozen_environment_is_restored_only_by_saying_so(context, states):
    freezing.freeze(context, "the auditors are here", "bob", json=True)
    with pytest.raises(Refused, match="frozen by bob"):
        restoring.restore(context, GIVEN, "k", lambda _: True, watch=False, json=True)
    restoring.restore(context, {**GIVEN, "through_freeze": True}, "k", lambda _: True, watch=False, json=True)
    assert len(states.executions) == 1


@pytest.mark.parametrize("given", [{"to": "yesterday"}, {"to": "2020-01-01T00:00:00Z"}, {"backup": "none-such"}])
def test_what_the_machine_would_refuse_is_refused_before_it_starts(context, states, given):
    with pytest.raises(Refused):
        restoring.restore(context, {**GIVEN, **given}, "k", lambda _: True, watch=False, json=True)
    assert states.executions == {}


def test_the_settings_file_names_the_copies_and_nothing_else_in_it_changes(context, tmp_path):
    restored(context, ending=RecoveryEnding.GREEN, least_epoch=2)
    file = tmp_path / "environments.toml"
    before = environments.FILE.read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8")
    restoring.write_settings(context, "dr-1", file)
    added = file.read_text(encoding="utf-8").replace(before.rstrip(), "", 1)
    assert tomllib.loads(added)["prod"]["service"]["tables"] == {
        "state": "ib-oauth-restored-dr-1-state-test",
        "tokens": "ib-oauth-restored-dr-1-tokens-test",
        "least_epoch": 2,
    }
    service = environments.load("prod", file).service
    assert (service.state_table, service.least_epoch) == ("ib-oauth-restored-dr-1-state-test", 2)
    assert [one.name for one in tmp_path.iterdir()] == ["environments.toml"]
    # Again, and what stands there is what stood there.
    once = file.read_text(encoding="utf-8")
    restoring.write_settings(context, "dr-1", file)
    assert file.read_text(encoding="utf-8") == once


@pytest.mark.parametrize(
    ("text", "field"),
    [("[prod.service.tables]\nstate = '''by hand'''\n", "prod.service.tables.state"), (None, "settings-file")],
)
def test_a_settings_file_that_cannot_be_changed_stays_as_it_was(context, tmp_path, text, field):
    restored(context, ending=RecoveryEnding.GREEN)
    file = tmp_path / "environments.toml"
    if text:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(Refused) as caught:
        restoring.write_settings(context, "dr-1", file)
    assert caught.value.field == field
    assert not text or file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "changes", [{"findings": ()}, {"ended_at": None}, {"kind": Kind.DRILL, "ending": RecoveryEnding.GREEN}]
)
def test_the_settings_file_is_left_alone_where_the_service_does_not_use_the_copies(context, tmp_path, changes):
    restored(context, **changes)
    file = tmp_path / "environments.toml"
    file.write_text("[prod.service]\n", encoding="utf-8")
    with pytest.raises(Refused, match="the service does not use its copies"):
        restoring.write_settings(context, "dr-1", file)
    assert file.read_text(encoding="utf-8") == "[prod.service]\n"


def test_what_the_settings_file_has_to_say_is_told_where_the_copies_are_in_use(context, capsys):
    done = recovery(id="dr-1", kind=Kind.RESTORE, tables=restored_tables("dr-1"), findings=CUT_OVER)
    restoring.tell_settings(context, done)
    told = capsys.readouterr().out
    assert "[prod.service.tables]" in told
    assert 'state = "ib-oauth-restored-dr-1-state-test"' in told
    assert "least_epoch = 0" in told
    restoring.tell_settings(context, replace(done, findings=()))
    assert capsys.readouterr().out == ""


@pytest.fixture
def undone(context, tables):
    """A restore that had the service use its copies, and closed the tables that it left."""
    # It took longer than promised; the service uses its copies all the same.
    kept = recovery(
        id="dr-1",
        kind=Kind.RESTORE,
        ending=RecoveryEnding.RED,
        ended_at=NOW,
        findings=CUT_OVER,
        tables=restored_tables("dr-1"),
    )
    context.cloud.restores.open(kept)
    for table in kept.tables:
        tables.add(table.target)
        tables.add(table.source).policy = json.dumps(closed(None, table.source_arn))
    used = {"STATE_TABLE": kept.tables[0].target, "TOKENS_TABLE": kept.tables[1].target}
    for function in kept.service.functions.values():
        context.cloud.clients("lambda").add(function, Environment={"Variables": used})
    return kept


BACK = {**GIVEN, "back": "dr-1"}


@pytest.mark.parametrize("given", [GIVEN, BACK])
def test_where_latest_holds_another_release_nothing_is_planned_and_the_remedy_is_told(context, undone, given):
    context.cloud.clients("lambda").change("ib-oauth-token-prod", "code-2")
    with pytest.raises(Refused, match=r"release\.token: .* deploy the stack with that one again"):
        restoring.plan(context, given, json=False)


def test_the_way_back_is_shown_with_what_it_takes_along_and_what_it_removes(context, undone, states, capsys):
    restoring.plan(context, BACK, json=False)
    told = " ".join(capsys.readouterr().out.split())
    for table in undone.tables:
        assert f"{table.target} {table.source}" in told
    assert "the service answers 503 to whatever writes" in told
    assert "Nothing is lost that was written since the restore." in told
    assert "US dollars at prices of" in told
    assert states.executions == {}


def test_who_agrees_to_the_way_back_is_asked_for_it_and_starts_it(context, undone, states, capsys):
    asked = []
    given = {**BACK, "back": undone.id}
    restoring.restore(context, given, "k", lambda question: not asked.append(question), watch=False, json=True)
    assert asked == ["Have the OAuth service of prod use the tables again that it left?"]
    ((_, execution),) = states.executions.items()
    assert json.loads(execution.given) == given
    assert json.loads(capsys.readouterr().out)["recovery"] == "dr-k"


def open_left(context, tables, undone):
    tables.tables[undone.tables[0].source].policy = ""


def remove_left(context, tables, undone):
    del tables.tables[undone.tables[0].source]


def be_red(context, tables, undone):
    context.cloud.restores.keep_unclaimed(replace(undone, findings=(), reason="cut_over: it failed"))


def use_others(context, tables, undone):
    plane = context.cloud.clients("lambda")
    for function in undone.service.functions.values():
        plane.functions[function].versions["1"]["Environment"]["Variables"] = {"STATE_TABLE": "another"}


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        (open_left, "tables.state", "it is open"),
        (remove_left, "tables.state", "it is not there any more"),
        (be_red, "back", "cut_over: it failed"),
        (use_others, "back", "uses another by now"),
    ],
)
def test_a_way_back_that_there_is_not_is_refused_before_it_starts(context, tables, undone, states, change, field, why):
    change(context, tables, undone)
    with pytest.raises(Refused, match=why) as caught:
        restoring.restore(context, BACK, "k", lambda _: True, watch=False, json=True)
    assert caught.value.field == field
    assert states.executions == {}


def test_a_restore_that_nobody_knows_cannot_be_gone_back_from(context):
    with pytest.raises(Refused, match="name one that `orchestrator history` lists"):
        restoring.plan(context, {**GIVEN, "back": "dr-none"}, json=True)


def test_what_the_settings_file_has_to_say_after_the_way_back_is_told_in_other_words(context, capsys):
    done = recovery(id="dr-2", kind=Kind.RESTORE, tables=restored_tables("dr-1"), findings=CUT_OVER, back="dr-1")
    restoring.tell_settings(context, done)
    assert "The tables of before are in use." in capsys.readouterr().out


def test_who_would_roll_a_cut_over_back_is_told_how_one_goes_back_instead(context, states):
    done = deployment(id="d-dr-1", ending=Ending.SUCCEEDED, cut_over=cut_over(recovery="dr-1"))
    context.cloud.ledger.open(done)
    with pytest.raises(Refused, match="`orchestrator restore --back dr-1` takes that along"):
        shipping.roll_back(context, "d-dr-1", "it was the wrong one", "ann", watch=False, json=True)
    assert states.executions == {}


def test_a_restore_of_tables_that_clients_left_is_refused_before_it_starts(context, states):
    plane = context.cloud.clients("lambda")
    for function in plane.functions.values():
        function.versions["1"]["Environment"] = {"Variables": {"STATE_TABLE": "ib-oauth-restored-dr-0-state-prod"}}
    with pytest.raises(Refused, match="clients use ib-oauth-restored-dr-0-state-prod: have"):
        restoring.restore(context, GIVEN, "k", lambda _: True, watch=False, json=True)
    assert states.executions == {}
