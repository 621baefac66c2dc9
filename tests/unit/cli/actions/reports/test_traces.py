"""The command `trace`: what it prints and sends, and what it refuses before it reads anything."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestrator.cli import context as cli_context
from orchestrator.cli.main import app
from orchestrator.domain.deployment.record import Rollback, RollbackTrigger
from orchestrator.domain.telemetry.spans import trace_id
from tests.fakes.clouds import execution_arn, machine_arn
from tests.fakes.collector import Collector
from tests.samples import NOW, deployment, recovery
from tests.unit.cli.actions.scenes import Scene

RUN = CliRunner()
ARN, ROLLBACK = execution_arn("deployment", "d-1"), execution_arn("rollback", "rollback-d-1-1")


@pytest.fixture
def scene():
    scene = Scene()
    rollback = Rollback(RollbackTrigger("alarm", "5xx", NOW), execution=ROLLBACK)
    scene.cloud.ledger.save_unlocked(replace(deployment(execution=ARN), rollback=rollback))
    drill = execution_arn("drill", "dr-1")
    scene.cloud.drills.save_unlocked(recovery(execution=drill))
    for machine, name in (("deployment", "d-1"), ("rollback", "rollback-d-1-1"), ("drill", "dr-1")):
        scene.cloud.executions.start_execution(machine_arn(machine), name, {"deployment": "d-1"})
        scene.states.end(execution_arn(machine, name), "SUCCEEDED")
    return scene


@pytest.fixture
def run(scene, monkeypatch):
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)

    def run(*arguments, code=0):
        answer = RUN.invoke(app, ["trace", *arguments], catch_exceptions=False)
        assert answer.exit_code == code, answer.output
        return answer.output

    return run


def test_a_deployment_and_its_rollback_are_printed_one_trace_a_line(run):
    first, second = (json.loads(line) for line in run("d-1").splitlines())
    assert [_root(trace)["traceId"] for trace in (first, second)] == [trace_id(ARN), trace_id(ROLLBACK)]


def test_a_drill_is_one_trace(run):
    (line,) = run("dr-1").splitlines()
    assert _root(json.loads(line))["name"] == "ib-oauth-drill-test dr-1"


def test_a_collector_gets_the_traces_and_the_headers(run):
    collector = Collector()
    with collector.served():
        output = run("d-1", "--otlp", collector.address, "--header", "Api-Key=a=b")
    assert [_root(trace)["traceId"] for trace in collector.traces] == [trace_id(ARN), trace_id(ROLLBACK)]
    assert {headers["Api-Key"] for headers in collector.headers} == {"a=b"}
    assert output.splitlines() == [
        f"{trace_id(ARN)}  1 spans  {ARN}",
        f"{trace_id(ROLLBACK)}  1 spans  {ROLLBACK}",
    ]


def test_json_says_what_was_sent(run):
    collector = Collector()
    with collector.served():
        document = json.loads(run("d-1", "--otlp", collector.address, "--json"))
    assert document["traces"][0] == {"execution": ARN, "trace": trace_id(ARN), "spans": 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["d-1", "--otlp", "collector:4318"], "give the https address of a collector"),
        (["d-1", "--otlp", "https://otlp.example.com/v1/traces"], "without /v1/traces"),
        (["d-1", "--header", "Api-Key=topsecret"], "give it with --otlp"),
        (["d-1", "--otlp", "https://otlp.example.com", "--header", "topsecret"], "give NAME=VALUE"),
        (["d-1", "--otlp", "https://otlp.example.com", "--header", "=topsecret"], "give NAME=VALUE"),
        (["d-1", "--otlp", "https://otlp.example.com", "--header", "A=topsecret\n"], "printable ASCII"),
        (["d-9"], "orchestrator history"),
    ],
)
def test_a_wrong_value_is_refused_and_no_header_is_repeated(run, arguments, said):
    output = run(*arguments, code=2)
    assert said in " ".join(output.split())
    assert "topsecret" not in output


def test_a_collector_that_refuses_is_named_with_the_remedy(run):
    collector = Collector()
    collector.statuses = [401]
    with collector.served():
        assert "answered 401" in run("d-1", "--otlp", collector.address, code=2)


def _root(trace):
    return trace["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
