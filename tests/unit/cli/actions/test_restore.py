"""Restoring from the command line: what is shown, asked and refused before anything starts, and the settings file afterwards."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli.actions import deploy, freeze, restore
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.deployment.cutover import blocked_policy
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import CheckResult, RecoveryOutcome
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
REQUEST = {"requested_by": "ann"}
CUT_OVER = (CheckResult("cutover", Verdict.passed("d-dr-1")),)


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
        tables.stream(name)
    clients = {
        "dynamodb": both(FakeDynamoDB(), tables),
        "stepfunctions": states,
        "events": FakeEvents(),
        "application-autoscaling": None,
        "lambda": plane(),
    }
    context = Context(environments.load("prod"), clients.__getitem__)
    clock = SimulatedClock()

    def plan(seconds):
        """The started restore is planned, and holds the lock, while the command waits for its answer."""
        clock.advance(seconds)
        if states.executions:
            context.cloud.restores.create_record(recovery(id="dr-k", kind=Kind.RESTORE, fencing_token=1))

    vars(context)["cloud"] = cloud_over(clients, clock.now, sleep=plan)
    vars(context)["account"] = machine_arn("restore").split(":")[4]
    return context


def restored(context, **changes):
    fields = {
        "id": "dr-1",
        "kind": Kind.RESTORE,
        "tables": restored_tables("dr-1"),
        "check_results": CUT_OVER,
        "ended_at": NOW,
    }
    kept = recovery(**{**fields, **changes})
    context.cloud.restores.create_record(kept)


def test_the_plan_says_what_is_lost_and_that_the_service_is_closed_for_a_moment(context, states, capsys):
    restore.plan(context, REQUEST, json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "the writes of the 300 s since the recovery point, and those until the original tables are blocked, are not in "
        "the restored tables."
    ) in printed
    assert "the service returns 503" in printed
    assert "ib-oauth-restored-dr-planned-state-prod" in printed
    assert states.executions == {}


@pytest.mark.parametrize(
    ("corrupted", "but"), [({}, ""), ({"corrupted": ["family"]}, ", except those of the kinds family")]
)
def test_the_plan_of_a_replay_says_what_is_replayed_and_what_is_not(context, capsys, corrupted, but):
    restore.plan(context, {**REQUEST, "replay": True, **corrupted}, json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"blocked, are replayed onto the restored tables{but}." in printed
    assert "Data loss" not in printed


def test_a_replay_from_a_point_that_the_streams_have_left_is_refused_in_the_plan(context):
    earlier = {"to": (NOW - timedelta(hours=23)).isoformat(), "replay": True}
    with pytest.raises(Refused) as refused:
        restore.plan(context, {**REQUEST, **earlier}, json=False)
    assert refused.value.field == "replay"


def test_a_table_that_is_gone_is_named_in_the_plan(context, tables, capsys):
    tables.lose(STATE)
    restore.plan(context, REQUEST, json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"Deleted tables, restored from their backups: {STATE}." in printed
    # A list of backups has their bytes, and no number of items.
    assert f"{STATE} ib-oauth-restored-dr-planned-state-prod unknown 1000" in printed
    assert f"{TOKENS} ib-oauth-restored-dr-planned-tokens-prod 1000 1000000" in printed


@pytest.mark.parametrize("deleted", [(STATE,), (TOKENS,), (STATE, TOKENS)])
def test_the_plan_names_the_backups_of_deleted_tables_and_how_far_their_times_are_apart(
    context, tables, capsys, deleted
):
    for number, table in enumerate(deleted):
        tables.lose(table)
        arn = list(tables.backups)[-1]
        tables.backups[arn]["BackupCreationDateTime"] += timedelta(seconds=12.3 * (number + 1))
    restore.plan(context, REQUEST, json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert all(arn in printed for arn in tables.backups)
    assert "The tables are of different times: state is of 2026-11-23T02:5" in printed
    assert "12 s apart. Tokens are sanitized to the earlier time, 2026-11-23T02:5" in printed
    assert ("All users log in again." in printed) is (TOKENS in deleted)
    assert ("A restore that starts later loses less." in printed) is (len(deleted) == 1)


def test_nothing_starts_unless_an_operator_agrees(context, states):
    questions = []
    with pytest.raises(Refused, match="nothing was started; agree, or give --yes"):
        restore.restore(
            context, REQUEST, "k", lambda question: bool(questions.append(question)), watch=False, json=True
        )
    assert questions == ["Switch the OAuth service of prod to the restored tables?"]
    assert states.executions == {}


def test_an_agreed_restore_is_started_once_under_its_name(context, states, capsys):
    for started in (True, True):
        assert restore.restore(context, REQUEST, "k", lambda _: True, watch=False, json=True) == 0
        answer = {"recovery": "dr-k", "started": started, "outcome": None, "reason": ""}
        assert json.loads(capsys.readouterr().out) == answer
    ((arn, execution),) = states.executions.items()
    assert arn.endswith("ib-oauth-restore-prod:dr-k")
    assert json.loads(execution.execution_input) == REQUEST


def test_a_frozen_environment_is_restored_only_by_saying_so(context, states):
    freeze.freeze(context, "the auditors are here", "bob", json=True)
    with pytest.raises(Refused, match="frozen by bob"):
        restore.restore(context, REQUEST, "k", lambda _: True, watch=False, json=True)
    restore.restore(context, {**REQUEST, "override_freeze": True}, "k", lambda _: True, watch=False, json=True)
    assert len(states.executions) == 1


@pytest.mark.parametrize("options", [{"to": "yesterday"}, {"to": "2020-01-01T00:00:00Z"}, {"backup": "none-such"}])
def test_what_the_machine_would_refuse_is_refused_before_it_starts(context, states, options):
    with pytest.raises(Refused):
        restore.restore(context, {**REQUEST, **options}, "k", lambda _: True, watch=False, json=True)
    assert states.executions == {}


def test_the_settings_file_names_the_copies_and_nothing_else_in_it_changes(context, tmp_path):
    restored(context, outcome=RecoveryOutcome.SUCCEEDED, least_epoch=2)
    file = tmp_path / "environments.toml"
    before = environments.settings_file().read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8")
    restore.write_settings(context, "dr-1", file)
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
    restore.write_settings(context, "dr-1", file)
    assert file.read_text(encoding="utf-8") == once


@pytest.mark.parametrize(("cloud", "command"), [("aws", "npx cdk deploy"), ("local", "orchestrator up")])
def test_the_command_that_deploys_the_written_settings_is_that_of_the_cloud(context, tmp_path, capsys, cloud, command):
    restored(context, outcome=RecoveryOutcome.SUCCEEDED, least_epoch=2)
    shutil.copy(environments.settings_file(), file := tmp_path / "environments.toml")
    elsewhere = replace(context, environment=replace(context.environment, cloud=cloud))
    vars(elsewhere)["cloud"] = context.cloud
    restore.write_settings(elsewhere, "dr-1", file)
    assert f"run `{command}` so that the stacks agree" in " ".join(capsys.readouterr().out.split())


def test_with_json_the_written_settings_are_one_object(context, tmp_path, capsys, monkeypatch):
    restored(context, outcome=RecoveryOutcome.SUCCEEDED, least_epoch=2)
    file = tmp_path / "environments.toml"
    shutil.copy(environments.settings_file(), file)
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context)
    answer = CliRunner().invoke(
        app, ["restore", "--env", "prod", "--write-settings", "dr-1", "--settings-file", str(file), "--json"]
    )
    assert answer.exit_code == 0, answer.output
    tables = tomllib.loads(file.read_text(encoding="utf-8"))["prod"]["service"]["tables"]
    assert json.loads(answer.stdout) == {"file": str(file), "settings": tables}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[prod.service]\ntables = 3\n", "prod.service.tables.state"),
        ("[prod\n", "environments"),
        (None, "--settings-file"),
    ],
)
def test_a_settings_file_that_cannot_be_changed_stays_as_it_was(context, tmp_path, text, field):
    restored(context, outcome=RecoveryOutcome.SUCCEEDED)
    file = tmp_path / "environments.toml"
    if text:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(Refused) as caught:
        restore.write_settings(context, "dr-1", file)
    assert caught.value.field == field
    assert not text or file.read_text(encoding="utf-8") == text


def test_the_settings_file_keeps_its_line_ends_its_link_and_its_mode(context, tmp_path):
    restored(context, outcome=RecoveryOutcome.SUCCEEDED, least_epoch=2)
    tables = b"[prod.service.tables]\r\nstate = 'a' # the state\r\ntokens = 'b'\r\nleast_epoch = 0x0\r\n"
    before = environments.settings_file().read_bytes().replace(b"\n", b"\r\n") + tables
    (real := tmp_path / "settings" / "real.toml").parent.mkdir()
    real.write_bytes(before)
    real.chmod(0o660)
    (link := tmp_path / "environments.toml").symlink_to(real)

    restore.write_settings(context, "dr-1", link)

    expected = before
    for old, new in (
        (b"'a' #", b'"ib-oauth-restored-dr-1-state-test" #'),
        (b"'b'", b'"ib-oauth-restored-dr-1-tokens-test"'),
        (b"0x0", b"2"),
    ):
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert real.read_bytes() == expected
    assert (link.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o660)
    assert [one.name for one in real.parent.iterdir()] == ["real.toml"]


def test_settings_that_would_not_load_are_not_written(context, tmp_path):
    restored(context, outcome=RecoveryOutcome.SUCCEEDED)
    file = tmp_path / "environments.toml"
    text = environments.settings_file().read_text(encoding="utf-8").replace("max_p99_ms = 3000", "max_p99_ms = inf")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match="max_p99_ms: inf is refused"):
        restore.write_settings(context, "dr-1", file)
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "changes", [{"check_results": ()}, {"ended_at": None}, {"kind": Kind.DRILL, "outcome": RecoveryOutcome.SUCCEEDED}]
)
def test_the_settings_file_is_left_alone_where_the_service_does_not_use_the_copies(context, tmp_path, changes):
    restored(context, **changes)
    file = tmp_path / "environments.toml"
    file.write_text("[prod.service]\n", encoding="utf-8")
    with pytest.raises(Refused, match="the service does not use its tables"):
        restore.write_settings(context, "dr-1", file)
    assert file.read_text(encoding="utf-8") == "[prod.service]\n"


def test_what_the_settings_file_has_to_say_is_printed_where_the_copies_are_in_use(context, capsys):
    done = recovery(id="dr-1", kind=Kind.RESTORE, tables=restored_tables("dr-1"), check_results=CUT_OVER)
    restore.show_settings(context, done)
    printed = capsys.readouterr().out
    assert "[prod.service.tables]" in printed
    assert 'state = "ib-oauth-restored-dr-1-state-test"' in printed
    assert "least_epoch = 0" in printed
    restore.show_settings(context, replace(done, check_results=()))
    assert capsys.readouterr().out == ""


@pytest.fixture
def earlier_restore(context, tables):
    """A restore that had the service use its copies, and closed the tables that it left."""
    # It took longer than promised; the service uses its copies all the same.
    kept = recovery(
        id="dr-1",
        kind=Kind.RESTORE,
        outcome=RecoveryOutcome.FAILED,
        ended_at=NOW,
        check_results=CUT_OVER,
        tables=restored_tables("dr-1"),
    )
    context.cloud.restores.create_record(kept)
    for table in kept.tables:
        tables.add(table.target)
        tables.stream(table.target)
        tables.add(table.source).policy = json.dumps(blocked_policy(None, table.source_arn))
    used = {"STATE_TABLE": kept.tables[0].target, "TOKENS_TABLE": kept.tables[1].target}
    for function in kept.service.functions.values():
        context.cloud.clients("lambda").add(function, Environment={"Variables": used})
    return kept


BACK = {**REQUEST, "failback_of": "dr-1"}


@pytest.mark.parametrize("options", [REQUEST, BACK])
def test_where_latest_holds_another_release_nothing_is_planned_and_the_remedy_is_printed(
    context, earlier_restore, options
):
    context.cloud.clients("lambda").change("ib-oauth-token-prod", "code-2")
    with pytest.raises(Refused, match=r"release\.token: .* deploy the stack with the live release again"):
        restore.plan(context, options, json=False)


def test_the_way_back_is_shown_with_what_it_takes_along_and_what_it_removes(context, earlier_restore, states, capsys):
    restore.plan(context, BACK, json=False)
    printed = " ".join(capsys.readouterr().out.split())
    for table in earlier_restore.tables:
        assert f"{table.target} {table.source}" in printed
    assert "the service returns 503 for requests that write" in printed
    assert "All writes since the restore are kept." in printed
    assert "US dollars at prices of" in printed
    assert states.executions == {}


def test_who_agrees_to_the_way_back_confirms_it_and_starts_it(context, earlier_restore, states, capsys):
    questions = []
    options = {**BACK, "failback_of": earlier_restore.id}
    restore.restore(context, options, "k", lambda question: not questions.append(question), watch=False, json=True)
    assert questions == ["Switch the OAuth service of prod back to the original tables?"]
    ((_, execution),) = states.executions.items()
    assert json.loads(execution.execution_input) == options
    assert json.loads(capsys.readouterr().out)["recovery"] == "dr-k"


def open_left(context, tables, earlier_restore):
    tables.tables[earlier_restore.tables[0].source].policy = ""


def turn_off_stream(context, tables, earlier_restore):
    del tables.tables[earlier_restore.tables[1].target].description["StreamSpecification"]


def remove_left(context, tables, earlier_restore):
    del tables.tables[earlier_restore.tables[0].source]


def be_red(context, tables, earlier_restore):
    context.cloud.restores.save_unlocked(replace(earlier_restore, check_results=(), reason="cut_over: it failed"))


def use_others(context, tables, earlier_restore):
    plane = context.cloud.clients("lambda")
    for function in earlier_restore.service.functions.values():
        plane.functions[function].versions["1"]["Environment"]["Variables"] = {"STATE_TABLE": "another"}


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        (open_left, "tables.state", "it is not blocked"),
        (turn_off_stream, "tables.tokens", "it has no stream"),
        (remove_left, "tables.state", "it no longer exists"),
        (be_red, "failback_of", "cut_over: it failed"),
        (use_others, "failback_of", "uses another now"),
    ],
)
def test_a_way_back_that_there_is_not_is_refused_before_it_starts(
    context, tables, earlier_restore, states, change, field, why
):
    change(context, tables, earlier_restore)
    with pytest.raises(Refused, match=why) as caught:
        restore.restore(context, BACK, "k", lambda _: True, watch=False, json=True)
    assert caught.value.field == field
    assert states.executions == {}


def test_an_unknown_restore_cannot_be_gone_back_from(context):
    with pytest.raises(Refused, match="name one that `orchestrator history` lists"):
        restore.plan(context, {**REQUEST, "failback_of": "dr-none"}, json=True)


def test_what_the_settings_file_has_to_say_after_the_way_back_is_printed_in_other_words(context, capsys):
    done = recovery(
        id="dr-2", kind=Kind.RESTORE, tables=restored_tables("dr-1"), check_results=CUT_OVER, failback_of="dr-1"
    )
    restore.show_settings(context, done)
    assert "The original tables are in use." in capsys.readouterr().out


def test_who_would_roll_a_cut_over_back_learns_how_one_goes_back_instead(context, states):
    done = deployment(id="d-dr-1", outcome=DeploymentOutcome.SUCCEEDED, cutover=cut_over(recovery="dr-1"))
    context.cloud.ledger.create_record(done)
    with pytest.raises(Refused, match="`orchestrator failback dr-1` keeps them"):
        deploy.roll_back(context, "d-dr-1", "it was the wrong one", "ann", watch=False, json=True)
    assert states.executions == {}


def test_a_restore_of_tables_that_clients_left_is_refused_before_it_starts(context, states):
    plane = context.cloud.clients("lambda")
    for function in plane.functions.values():
        function.versions["1"]["Environment"] = {"Variables": {"STATE_TABLE": "ib-oauth-restored-dr-0-state-prod"}}
    with pytest.raises(Refused, match="the live version uses ib-oauth-restored-dr-0-state-prod: name it"):
        restore.restore(context, REQUEST, "k", lambda _: True, watch=False, json=True)
    assert states.executions == {}


def test_the_latest_restore_in_use_is_found_for_a_failback(context):
    restored(context, id="dr-1", outcome=RecoveryOutcome.SUCCEEDED)
    restored(context, id="dr-2", outcome=RecoveryOutcome.FAILED, check_results=(), requested_at=NOW + timedelta(days=1))

    assert restore.restore_in_use(context, None, latest=True) == "dr-1"
    assert restore.restore_in_use(context, "dr-7", latest=False) == "dr-7"


@pytest.mark.parametrize(
    ("restore_id", "latest", "field"), [(None, False, "restore"), ("dr-1", True, "restore"), (None, True, "--latest")]
)
def test_a_failback_from_no_restore_or_from_two_is_refused(context, restore_id, latest, field):
    with pytest.raises(Refused) as refused:
        restore.restore_in_use(context, restore_id, latest=latest)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(RecoveryOutcome.SUCCEEDED, 0), (RecoveryOutcome.FAILED, 1), (RecoveryOutcome.REFUSED, 2)],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_restore_that_the_lock_refuses_a_moment_later_is_a_refusal(context, capsys, outcome, code, as_json):
    context.cloud.restores.create_record(
        recovery(id="dr-k", kind=Kind.RESTORE, outcome=outcome, ended_at=NOW, reason="deployment d-1 holds the lock")
    )
    assert restore.restore(context, REQUEST, "k", lambda _: True, watch=False, json=as_json) == code
    assert "deployment d-1 holds the lock" in capsys.readouterr().out


def test_a_key_of_another_restore_is_refused(context, states):
    restore.restore(context, REQUEST, "k", lambda _: True, watch=False, json=True)
    with pytest.raises(Refused, match="it belongs to a request with another skip_comparison"):
        restore.restore(context, {**REQUEST, "skip_comparison": True}, "k", lambda _: True, watch=False, json=True)
    assert len(states.executions) == 1
