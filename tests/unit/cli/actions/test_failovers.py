"""The commands of a failover that runs in the standby region, as an operator types them."""

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.application.failover.releases import record_home_release
from orchestrator.cli.actions.failovers import standby
from orchestrator.cli.errors import REFUSED, UNREACHABLE
from orchestrator.cli.main import app
from orchestrator.domain.errors import Refused, Unreachable
from orchestrator.domain.failover.record import FailoverOutcome
from orchestrator.domain.failover.steps import STEPS_BACK
from tests.fakes.clouds import machine_arn
from tests.samples import deployment
from tests.workflow.failovers import HOME, FailoverWorld, failover_machine
from tests.workflow.failovers_back import BackWorld
from tests.workflow.restores import STATE
from tests.workflow.world import inhabited

RUN = CliRunner()


@pytest.fixture(scope="module")
def interpreter():
    with failover_machine() as moto:
        yield moto


@pytest.fixture
def world(interpreter, monkeypatch, request):
    """A standby region that the commands reach, whose executions run when `settle` is called."""
    with inhabited(FailoverWorld(interpreter, f"unused-{request.node.name}")) as found:
        found.approvers = ()
        policy = SimpleNamespace(gate=SimpleNamespace(description="2 of ann, bob"))
        environment = SimpleNamespace(region="us-west-1", lost_region=HOME, failover=policy, local=True)
        context = SimpleNamespace(
            name="test", environment=environment, cloud=found.cloud, clients=None, state_machine_arn=machine_arn
        )
        monkeypatch.setattr(standby, "standby_context", lambda _env: context)
        for module in ("commands", "standby"):
            monkeypatch.setattr(f"orchestrator.cli.actions.failovers.{module}.standby_cloud", lambda _: found.cloud)
        yield found


def call(monkeypatch, by, *words):
    monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", by)
    answer = RUN.invoke(app, ["failover", *words, "--json"])
    return answer.exit_code, json.loads(answer.stdout)


def settle(world):
    """Run the executions that were started."""
    while world.states.pending:
        arn = world.states.pending.pop(0)
        started = world.states.executions[arn]
        world.name = json.loads(started.execution_input)["failover"]
        ended = world.interpreter.run(started.machine, started.name, started.execution_input)
        world.states.end(arn, ended.phase)


def begun(world, monkeypatch):
    code, answer = call(monkeypatch, "ann", "start", "--reason", "the region is lost")
    assert code == 0, answer
    return answer["failover"]


def test_from_start_to_success(world, monkeypatch):
    world.approvers = ("ann", "bob")
    failover = begun(world, monkeypatch)
    settle(world)
    code, shown = call(monkeypatch, "ann", "status")
    assert (code, shown["failover"]["id"], shown["failover"]["outcome"]) == (0, failover, "SUCCEEDED")
    assert shown["assignment"]["region"] == "us-west-1"
    text = RUN.invoke(app, ["failover", "status", failover]).output
    assert "us-west-1 issues the tokens (epoch 2)" in text
    assert "SUCCEEDED" in text
    code, refused = call(monkeypatch, "ann", "start", "--reason", "again")
    assert (code, refused["error"]["field"]) == (REFUSED, "region")


@pytest.mark.parametrize(
    ("by", "words", "field"),
    [
        ("ann", ["start"], "--reason"),
        ("ann", ["approve", "fo-9"], "failover"),
        ("ann", ["status", "fo-9"], "failover"),
        ("ann", ["resume", "fo-9"], "failover"),
        ("ann", ["cancel", "fo-9"], "failover"),
        ("ann", ["reject", "fo-9"], "failover"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(world, monkeypatch, by, words, field):
    code, answer = call(monkeypatch, by, *words)
    assert (code, answer["error"]["field"]) == (REFUSED, field)


def test_without_an_assignment_or_a_copy_nothing_is_started(world, monkeypatch):
    world.tables.backups.clear()
    code, answer = call(monkeypatch, "ann", "start", "--reason", "x")
    assert (code, answer["error"]["field"]) == (REFUSED, "backups.state")
    world.table.items.clear()
    code, answer = call(monkeypatch, "ann", "start", "--reason", "x")
    assert (code, answer["error"]["field"]) == (REFUSED, "assignment")
    assert world.states.executions == {}


def test_enable_writes_the_first_assignment_and_no_other(world, monkeypatch):
    world.table.items.clear()
    for _ in range(2):
        code, answer = call(monkeypatch, "ann", "enable")
        assert (code, answer["assignment"]["region"], answer["assignment"]["epoch"]) == (0, HOME, 1)


def test_an_approval_counts_once_a_person_and_a_stranger_s_does_not(world, monkeypatch):
    failover = world.cloud.failovers.create(waiting(world)).failover.id
    code, answer = call(monkeypatch, "stranger", "approve", failover)
    assert (code, answer["error"]["field"]) == (REFUSED, "approver")
    for _ in range(2):
        assert call(monkeypatch, "ann", "approve", failover)[1]["missing"] == "1 of 2 approvals"
    monkeypatch.setattr(world.cloud.executions, "send_task_success", lambda *_: None)
    world.cloud.failovers.save_token(failover, "token")
    answer = call(monkeypatch, "bob", "approve", failover)[1]
    assert (answer["missing"], answer["goes_on"]) == ("", True)


def test_an_answer_waits_for_the_token_of_the_execution_that_it_is_for(world, monkeypatch):
    """The token in the ledger may be that of an execution that ended, or not be there yet."""
    failover = world.cloud.failovers.create(waiting(world)).failover.id
    world.cloud.failovers.save_token(failover, "of an execution that ended")
    sent = []

    def send(token, _output):
        sent.append(token)
        if len(sent) == 1:
            world.cloud.failovers.save_token(failover, "of the one that waits")
            raise Refused("deployment", "paused", "it is no longer paused")

    monkeypatch.setattr(world.cloud.executions, "send_task_success", send)
    assert call(monkeypatch, "bob", "reject", failover)[1]["ends"]
    assert sent == ["of an execution that ended", "of the one that waits"]


def test_approvals_that_came_while_it_was_stopped_let_it_go_on_when_it_is_resumed(world, monkeypatch):
    failover = world.cloud.failovers.create(waiting(world)).failover.id
    for by in ("ann", "bob"):
        code, answer = call(monkeypatch, by, "approve", failover)
        assert code == 0
    assert (answer["missing"], answer["goes_on"]) == ("", False)
    assert call(monkeypatch, "ann", "resume", failover)[0] == 0
    settle(world)
    assert world.cloud.failovers.read_failover(failover).failover.outcome is FailoverOutcome.SUCCEEDED


def test_the_status_names_the_approved_copies_and_those_that_are_restored(world, monkeypatch):
    waits = world.cloud.failovers.create(waiting(world))
    line = RUN.invoke(app, ["failover", "status"]).output.replace("\n", " ")
    assert "copies: state as of 2026-" in line
    assert "RESTORE takes the newest when it begins" in line
    later = world.clock.now() + timedelta(hours=1)
    newest = tuple(replace(table, as_of=table.as_of + timedelta(hours=1)) for table in waits.failover.tables)
    world.cloud.failovers.commit(waits, waits.failover.with_choice(newest, later))
    line = RUN.invoke(app, ["failover", "status"]).output.replace("\n", " ")
    assert (
        f"copies chosen at {later:%Y-%m-%d %H:%M:%S} UTC: state as of {newest[0].as_of:%Y-%m-%d %H:%M:%S} UTC" in line
    )
    assert f"the approvers saw state as of {waits.failover.tables[0].as_of:%Y-%m-%d %H:%M:%S} UTC" in line
    shown = call(monkeypatch, "ann", "status")[1]["failover"]
    assert shown["tables"][0]["as_of"] > shown["approved_tables"][0]["as_of"]


def test_start_and_status_name_a_release_that_the_home_region_rolled_back(world, monkeypatch):
    for code in ("code-1", "code-2", "code-1"):
        client = SimpleNamespace(get_function_configuration=lambda code=code, **_: {"CodeSha256": code})
        record_home_release(world.cloud, lambda _service, client=client: client)
    for function in world.plane.functions:
        world.plane.change(function, "code-2")
    monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", "ann")
    started = RUN.invoke(app, ["failover", "start", "--reason", "lost"]).output.replace("\n", " ")
    assert "release at the request: code-2, which us-east-2 rolled back to code-1, as recorded at" in started
    assert "deploy the stacks of code-1 before DEPLOY_RELEASE, which refuses this release" in started
    settle(world)
    shown = RUN.invoke(app, ["failover", "status"]).output.replace("\n", " ")
    assert "code-2, which us-east-2 rolled back to code-1" in shown
    assert call(monkeypatch, "ann", "status")[1]["failover"]["release"]["standing"] == "ROLLED_BACK"


def test_a_rejection_ends_it_and_a_second_failover_is_refused_while_one_is_open(world, monkeypatch):
    failover = world.cloud.failovers.create(waiting(world)).failover.id
    code, answer = call(monkeypatch, "ann", "start", "--reason", "x")
    assert (code, answer["error"]["field"]) == (REFUSED, "failover")
    monkeypatch.setattr(world.cloud.executions, "send_task_success", lambda *_: None)
    world.cloud.failovers.save_token(failover, "token")
    answer = {"failover": failover, "rejected_by": "bob", "ends": True}
    assert call(monkeypatch, "bob", "reject", failover) == (0, answer)
    assert world.cloud.failovers.read_failover(failover).failover.rejected_by == "bob"


def test_a_failover_that_stopped_is_resumed_under_the_next_name_and_one_that_runs_is_not(world, monkeypatch):
    world.approvers = ("ann", "bob")
    world.service.broken = "/userinfo"
    failover = begun(world, monkeypatch)
    settle(world)
    assert "stopped: VERIFY" in RUN.invoke(app, ["failover", "status"]).output.replace("\n", " ")
    world.service.broken = ""
    assert call(monkeypatch, "ann", "resume", failover) == (0, {"failover": failover, "step": "VERIFY"})
    code, answer = call(monkeypatch, "ann", "resume", failover)
    assert (code, answer["error"]["field"]) == (REFUSED, "failover")
    settle(world)
    assert world.cloud.failovers.read_failover(failover).failover.outcome is FailoverOutcome.SUCCEEDED
    code, answer = call(monkeypatch, "ann", "resume", failover)
    assert "it has ended" in answer["error"]["message"]


def test_a_cancelled_failover_leaves_the_home_region_as_the_issuer(world, monkeypatch):
    world.approvers = ("ann", "bob")
    world.service.broken = "/userinfo"
    failover = begun(world, monkeypatch)
    settle(world)
    code, answer = call(monkeypatch, "bob", "cancel", failover)
    assert (code, answer["assignment"]["region"]) == (0, HOME)
    assert "us-east-2 issues the tokens (epoch 3)" in RUN.invoke(app, ["failover", "status"]).output


def test_an_environment_without_a_standby_region_is_refused_with_the_manual_way():
    answer = RUN.invoke(app, ["failover", "start", "--reason", "x", "--env", "prod"])
    assert answer.exit_code == REFUSED
    assert "docs/runbooks/region-failover.md" in answer.output
    assert RUN.invoke(app, ["failover", "status", "--env", "nowhere"]).exit_code == REFUSED


def waiting(world):
    from orchestrator.application.failover.planning import plan_tables
    from tests.unit.domain.failover.world import failover

    now = world.clock.now()
    tables = plan_tables(world.cloud, HOME, "us-west-1", now)
    gate = replace(failover().gate, approvers=("ann", "bob"))
    return failover(home=HOME, region="us-west-1", requested_at=now, tables=tables, gate=gate)


# --- back -----------------------------------------------------------------------------------------------------


@pytest.fixture
def both(interpreter, monkeypatch, request):
    """Both regions after a failover, as the commands reach them."""
    with inhabited(BackWorld(interpreter, f"away-{request.node.name}")) as found:
        found.fail_over()
        policy = SimpleNamespace(gate=SimpleNamespace(description="2 of ann, bob"))
        environment = SimpleNamespace(region="us-west-1", lost_region=HOME, failover=policy, local=True)
        context = SimpleNamespace(
            name="test", environment=environment, cloud=found.cloud, clients=None, state_machine_arn=machine_arn
        )
        monkeypatch.setattr(standby, "standby_context", lambda _env: context)
        monkeypatch.setattr("orchestrator.cli.actions.failovers.commands.standby_cloud", lambda _: found.cloud)
        for module in ("back", "commands"):
            monkeypatch.setattr(f"orchestrator.cli.actions.failovers.{module}.both_regions", lambda _: found.regions)
        yield found


def test_back_from_the_plan_to_the_end(both, monkeypatch):
    code, planned = call(monkeypatch, "ann", "back", "plan")
    assert code == 0
    assert [one["step"] for one in planned["steps"]] == list(STEPS_BACK)
    assert (planned["from"], planned["to"]) == ("us-west-1", HOME)

    code, started = call(monkeypatch, "ann", "back", "start", "--reason", "it is healthy")
    name = started["failover"]
    assert (code, started["to"]) == (0, HOME)
    assert call(monkeypatch, "ann", "back", "run", name) == (1, {"failover": name, "outcome": None, "step": "APPROVE"})
    assert call(monkeypatch, "ann", "back", "rows", name)[1]["tables"]["state"]["rows"] == []
    for by in ("ann", "bob"):
        code, answer = call(monkeypatch, by, "approve", name)
    assert (code, answer["missing"]) == (0, "")
    code, ended = call(monkeypatch, "ann", "back", "run", name)
    assert (code, ended["outcome"]) == (0, "SUCCEEDED")
    assert ended["history"]["region"] == "us-west-1"
    assert {one["kind"]: one["new"] for one in ended["history"]["counts"]}["failovers"] == 2

    shown = RUN.invoke(app, ["failover", "status"]).stdout
    assert f"{HOME} issues the tokens" in shown
    assert f"{name}: us-west-1 to {HOME}, by ann" in shown
    assert "back, with all that was written since the failover: it is healthy" in shown
    assert "LIST_ROWS" in shown
    assert "RESTORE" not in shown


def test_back_in_words(both, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", "ann")
    both.home_rows.put_item(TableName=STATE, Item={"pk": {"S": "client#shop"}})
    assert "PREPARE" in RUN.invoke(app, ["failover", "back", "plan"]).stdout
    started = RUN.invoke(app, ["failover", "back", "start", "--reason", "healthy"]).stdout
    name = started.split()[0]
    assert f"orchestrator failover back run {name} --env test" in started
    waits = RUN.invoke(app, ["failover", "back", "run", name]).stdout
    assert f"{name} waits for" in waits
    assert f"orchestrator failover approve {name} --env test" in waits
    listed = RUN.invoke(app, ["failover", "back", "rows", name]).stdout
    assert "1 rows are only in the old tables (client 1)" in listed
    assert "client#shop" in listed
    approved = ""
    for by in ("ann", "bob"):
        monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", by)
        approved = RUN.invoke(app, ["failover", "approve", name]).stdout
    assert f"continue it: orchestrator failover back run {name} --env test" in approved
    ended = RUN.invoke(app, ["failover", "back", "run", name]).stdout
    assert f"{name}: SUCCEEDED" in ended
    assert "records of us-west-1 were copied, 0 updated, 0 are there already" in ended
    assert "approvals of failovers" in ended


def test_the_history_is_planned_copied_and_found_there_by_a_repetition(both, monkeypatch):
    both.go_back()
    code, planned = call(monkeypatch, "ann", "back", "history", "--dry-run")
    assert (code, planned["copied"]) == (0, False)
    text = RUN.invoke(app, ["failover", "back", "history"]).stdout
    new = sum(one["new"] for one in planned["counts"])
    assert f"{new} records of us-west-1 were copied" in text
    code, again = call(monkeypatch, "ann", "back", "history")
    assert (code, sum(one["new"] for one in again["counts"])) == (0, 0)
    assert sum(one["same"] for one in again["counts"]) == new


def test_a_record_that_went_on_since_it_was_copied_is_named(both, monkeypatch):
    both.go_back()
    open_one = both.cloud.ledger.create_record(deployment(id="d-open"))
    call(monkeypatch, "ann", "back", "history")
    both.cloud.ledger.save_unlocked(replace(open_one, reason="later"))
    listed = RUN.invoke(app, ["failover", "back", "history"])
    assert listed.exit_code == 0
    assert "updated: deployment#d-open record" in listed.stdout


def test_history_that_differs_or_has_no_known_kind_is_named_and_fails_the_command(both, monkeypatch):
    both.go_back()
    both.table.items["something-new", "x"] = {"pk": {"S": "something-new"}, "sk": {"S": "x"}, "body": {"S": "{}"}}
    code, answer = call(monkeypatch, "ann", "back", "history")
    assert (code, answer["unknown"]) == (1, ["something-new x"])
    key = next(key for key in both.home_ledger.items if key[0].startswith("copied#us-west-1#incident#"))
    both.home_ledger.items[key]["body"] = {"S": "{}"}
    listed = RUN.invoke(app, ["failover", "back", "history"])
    assert listed.exit_code == 1
    assert "of no known kind: something-new x" in listed.stdout
    assert "differs, and was left as it is: incident#inc-" in listed.stdout


def test_a_way_back_whose_history_was_not_copied_has_succeeded_and_its_run_is_repeated_for_that(both, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", "ann")
    both.start()
    both.go()
    both.approve()
    both.table.scan = lambda **_: (_ for _ in ()).throw(Unreachable("no answer"))
    stopped = RUN.invoke(app, ["failover", "back", "run", "fb-1"])
    assert stopped.exit_code == UNREACHABLE
    assert "fb-1: SUCCEEDED" in stopped.output
    assert "the ledger of us-west-1 did not answer: no answer" in stopped.output
    assert "`orchestrator failover back history`" in stopped.output
    assert both.back.outcome is FailoverOutcome.SUCCEEDED
    del both.table.scan
    code, ended = call(monkeypatch, "ann", "back", "run", "fb-1")
    assert (code, ended["outcome"]) == (0, "SUCCEEDED")
    assert sum(one["new"] for one in ended["history"]["counts"]) > 0


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("back", "start"), "--reason"),
        (("back", "run", "fb-9"), "failover"),
        (("back", "rows", "fb-1"), "failover"),
        (("resume", "fb-1"), "failover"),
        (("start", "--reason", "again"), "failover"),
    ],
)
def test_what_cannot_be_done_on_the_way_back_is_refused_with_field_value_and_remedy(both, monkeypatch, words, field):
    both.start()
    code, answer = call(monkeypatch, "ann", *words)
    assert code == REFUSED
    assert answer["error"]["field"] == field
    assert answer["error"]["remedy"]


def test_back_is_refused_where_nothing_failed_over(both, monkeypatch):
    assert both.go_back().outcome is FailoverOutcome.SUCCEEDED
    code, planned = call(monkeypatch, "ann", "back", "plan")
    assert code == 1
    assert "it issues the tokens already" in planned["steps"][0]["reason"]
    code, answer = call(monkeypatch, "ann", "back", "start", "--reason", "once more")
    assert (code, answer["error"]["field"]) == (REFUSED, "region")


def test_a_rejection_ends_the_way_back_at_once(both, monkeypatch):
    both.start()
    both.go()
    assert call(monkeypatch, "bob", "reject", "fb-1")[0] == 0
    assert both.back.outcome is FailoverOutcome.CANCELLED
    assert both.may_issue()


def test_cancelling_the_way_back_reopens_the_tables_of_the_standby_region(both, monkeypatch):
    both.start()
    both.go()
    both.approve()
    both.home_service.broken = "/userinfo"
    code, answer = call(monkeypatch, "ann", "back", "run", "fb-1")
    assert (code, answer["error"]["field"]) == (REFUSED, "verify")
    assert "stopped: VERIFY: Refused: verify" in RUN.invoke(app, ["failover", "status"]).stdout
    assert "failover back run fb-1" in RUN.invoke(app, ["failover", "status"]).stdout
    table = both.back.tables[0].source
    assert both.table_access.closed(table)
    code, answer = call(monkeypatch, "bob", "cancel", "fb-1")
    assert (code, answer["assignment"]["region"]) == (0, "us-west-1")
    assert not both.table_access.closed(table)


def test_when_the_home_region_is_lost_again_after_it_took_over_a_failover_can_start(both, monkeypatch):
    both.start()
    both.go()
    both.approve()
    both.said = SimpleNamespace(append=lambda text: text.startswith("TAKE_OVER: ") and setattr(both, "home_lost", True))
    monkeypatch.setattr("orchestrator.application.failover.back.run.update_dns", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        both.go()
    code, answer = call(monkeypatch, "ann", "start", "--reason", "lost again")
    assert code == 0, answer
