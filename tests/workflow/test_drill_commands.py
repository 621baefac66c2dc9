"""The command line over a drill in memory: what it shows beforehand, meanwhile and afterwards, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from orchestrator import environments
from orchestrator.cli.actions import drill, explain, history
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.follow import RefusedByPlan
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import RecoveryOutcome
from state_machines import definitions
from tests.fakes.clouds import machine_arn
from tests.samples import NOW, recovery
from tests.workflow.drills import STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns, raised


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


@pytest.fixture
def here(interpreter):
    """A world and the command line's context of it; what was started runs while the command line waits."""
    world = DrillWorld(interpreter)
    local = environments.load("local")
    service = replace(local.service, state_table=STATE, tokens_table=TOKENS)
    context = Context(replace(local, name="test", service=service), world.cloud.clients)

    def wait(seconds):
        world.clock.advance(seconds)
        world.run_started()

    # The command line's own view of the cloud: a task that waits must not run what was started.
    cloud = replace(world.cloud, sleep=wait)
    vars(cloud).update({name: kept for name, kept in vars(world.cloud).items() if name != "sleep"})
    vars(context)["cloud"], vars(context)["account"] = cloud, "123456789012"
    with drilled(world):
        yield SimpleNamespace(world=world, context=context)


def options(**more):
    return {"requested_by": "ann", **more}


def printed(capsys):
    """The one object that was printed. Tasks run in this process here, and their log lines go to the same place."""
    output = capsys.readouterr().out
    return json.loads(output[output.index("{\n") :])


def streamed(capsys):
    """The lines of a stream; log lines have no type."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "type" in line and "time" in line]


def test_a_plan_says_to_when_and_at_which_cost_and_starts_nothing(here, capsys):
    drill.plan(here.context, options(), json=True)
    planned = printed(capsys)
    assert [table["source"] for table in planned["tables"]] == [STATE, TOKENS]
    assert planned["cost"]["usd"] >= 0
    assert here.world.states.executions == {}
    drill.plan(here.context, options(), json=False)
    assert "US dollars at prices of" in capsys.readouterr().out


def test_a_green_drill_that_is_followed_ends_with_0_and_shows_every_phase(here, capsys):
    assert drill.drill(here.context, options(), "green", watch=True, json=False) == 0
    shown = capsys.readouterr().out
    assert "dr-green SUCCEEDED after" in shown
    assert all(words in shown for words in ("plan recovery", "await restore", "clean up", "conclude"))
    assert not here.world.cloud.drills.read_lock().held
    link = here.world.cloud.evidence.read_entry("dr-green")
    assert f"evidence: entry 1:{link.hash}" in shown
    assert shown.index("evidence: entry") < shown.index("dr-green SUCCEEDED after")


@pytest.mark.parametrize("json", [True, False])
def test_a_drill_that_ended_before_is_shown_and_that_nothing_was_started_is_noted(here, capsys, json):
    key = "again-json" if json else "again"
    drill.drill(here.context, options(), key, watch=True, json=json)
    assert capsys.readouterr().err == ""
    executions = dict(here.world.states.executions)
    assert drill.drill(here.context, options(), key, watch=True, json=json) == 0
    note = f"dr-{key} was started before, so nothing is started now; for another one, give another --key"
    assert note in " ".join(capsys.readouterr().err.split())
    assert here.world.states.executions == executions


def test_how_it_ended_is_not_said_while_its_execution_runs(here, capsys, monkeypatch):
    describe, looks = here.world.states.describe_execution, []

    def slow_to_end(**params):
        looks.append(params)
        return {**describe(**params), **({"status": "RUNNING"} if len(looks) < 5 else {})}

    monkeypatch.setattr(here.world.states, "describe_execution", slow_to_end)
    assert drill.drill(here.context, options(), "late", watch=True, json=True) == 0
    assert len(looks) == 5
    lines = streamed(capsys)
    assert [line["type"] for line in lines[:2]] == ["request", "planned"]
    assert {"phase", "check"} <= {line["type"] for line in lines}
    assert (lines[-1]["type"], lines[-1]["evidence"]["recovery"]) == ("result", "dr-late")


def broken_in(state):
    def bridge(invocation, run):
        return raised("ValueError", "no bucket") if invocation.state == state else run()

    return bridge


def test_one_whose_evidence_is_not_written_is_not_green_whatever_its_record_says(here, capsys):
    here.world.bridge = broken_in("RecordEvidence")
    assert drill.drill(here.context, options(), "unproved", watch=True, json=False) == 1
    assert here.world.recovery("dr-unproved").outcome == "SUCCEEDED"
    shown = " ".join(capsys.readouterr().out.split())
    assert "dr-unproved did not succeed: its record says SUCCEEDED, but its evidence is not in the chain" in shown
    assert "SUCCEEDED after" not in shown


def test_evidence_that_the_cleanup_job_writes_is_waited_for(here, capsys):
    here.world.bridge = broken_in("RecordEvidence")
    began = here.world.clock.now()

    def wait(seconds):
        here.world.clock.advance(seconds)
        here.world.run_started()
        if (here.world.clock.now() - began).total_seconds() > 250:
            here.world.sweep()

    vars(here.context.cloud)["sleep"] = wait
    assert drill.drill(here.context, options(), "swept", watch=True, json=False) == 0
    assert "evidence: entry 1:" in capsys.readouterr().out


def test_a_drill_whose_execution_died_is_reported_as_dead_and_not_waited_for_for_ever(here):
    def bridge(invocation, run):
        if invocation.state == "AwaitRestore":
            here.world.stop("dr-dead")
        return run()

    here.world.bridge = bridge
    with pytest.raises(Refused, match="its execution ended, but its record is incomplete"):
        drill.drill(here.context, options(), "dead", watch=True, json=False)


def test_a_red_one_ends_with_1_and_names_what_is_wrong(here, capsys):
    assert drill.drill(here.context, options(fault="ttl-off"), "red", watch=True, json=True) == 1
    assert "settings.state.time_to_live" in streamed(capsys)[-1]["outcome"]


def test_one_that_is_not_followed_is_started_once(here, capsys):
    for _ in range(2):
        assert drill.drill(here.context, options(), "later", watch=False, json=True) == 0
    assert len(here.world.states.executions) == 1
    assert '"recovery": "dr-later"' in capsys.readouterr().out


def test_one_that_the_machine_refuses_is_a_refusal_also_if_it_is_not_followed(here):
    here.world.states.start_execution(stateMachineArn=machine_arn("drill"), name="dr-strange", input="{}")
    with pytest.raises(RefusedByPlan, match="requested_by"):
        drill.drill(here.context, options(), "strange", watch=False, json=False)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(RecoveryOutcome.SUCCEEDED, 0), (RecoveryOutcome.FAILED, 1), (RecoveryOutcome.REFUSED, 2)],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_one_that_the_lock_refuses_a_moment_later_is_a_refusal(here, capsys, outcome, code, as_json):
    here.world.cloud.drills.create_record(
        recovery(id="dr-busy", kind=Kind.DRILL, outcome=outcome, ended_at=NOW, reason="drill dr-1 holds the lock")
    )
    assert drill.drill(here.context, options(), "busy", watch=False, json=as_json) == code
    assert "drill dr-1 holds the lock" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("more", "field"),
    [({"to": "yesterday"}, "to"), ({"to": "2001-01-01T00:00:00Z"}, "to"), ({"fault": "index-gone"}, "fault")],
)
def test_what_would_be_refused_is_refused_before_anything_is_started(here, more, field):
    with pytest.raises(Refused) as caught:
        drill.drill(here.context, options(**more), "no", watch=True, json=False)
    assert caught.value.field == field
    assert here.world.states.executions == {}


def test_a_drill_that_the_machine_refuses_is_reported_with_its_reason(here):
    here.world.states.start_execution(stateMachineArn=machine_arn("drill"), name="dr-odd", input="{}")
    here.world.run_started()
    with pytest.raises(RefusedByPlan, match="requested_by"):
        drill.drill(here.context, options(), "odd", watch=True, json=False)


def test_it_is_in_the_history_and_can_be_explained(here, capsys):
    drill.drill(here.context, options(), "told", watch=True, json=True)
    capsys.readouterr()
    history.list_history(here.context, 5, json=True)
    (listed,) = printed(capsys)["recoveries"]
    assert (listed["recovery"], listed["outcome"]) == ("dr-told", "SUCCEEDED")
    history.list_history(here.context, 5, json=False)
    assert "dr-told" in capsys.readouterr().out
    explain.explain(here.context, "dr-told", json=True)
    assert printed(capsys)["recovery"]["outcome"] == "SUCCEEDED"
    explain.explain(here.context, "dr-told", json=False)
    assert "dr-told SUCCEEDED after" in capsys.readouterr().out


def test_a_refused_one_can_be_explained_too(here, capsys):
    here.world.states.start_execution(stateMachineArn=machine_arn("drill"), name="dr-why", input="{}")
    here.world.run_started()
    explain.explain(here.context, "dr-why", json=False)
    assert "dr-why was refused" in capsys.readouterr().out
    explain.explain(here.context, "dr-why", json=True)
    assert printed(capsys)["outcome"] == "REFUSED"
