"""`orchestrator audit`: the ledger and CloudTrail in one time line, in three formats."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.aws.cloudtrail import CallHistory
from orchestrator.aws.rate_limiter import RateLimiter
from orchestrator.cli.actions.compliance import audit as module
from orchestrator.cli.main import app
from orchestrator.domain.deployment.record import EventRecord, RollbackTrigger
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.overrides import Override
from tests.fakes.cloudtrail import Trail, call
from tests.fakes.errors import client_error
from tests.samples import seconds
from tests.unit.cli.actions.scenes import Scene

RUN = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "250"})


@pytest.fixture
def scene(monkeypatch):
    found = Scene()
    now = found.clock.now()
    ledger = found.cloud.ledger
    ledger.create_record(found.record(id="d-1", requested_by="ann", requested_at=now - seconds(600)))
    ledger.add_trigger("d-1", RollbackTrigger("person", "slow (by bob)", now - seconds(300)))
    ledger.record_event(EventRecord("f", now - seconds(60), "person", "rotate by =cmd()", acted=True, why="\x1b[2Jx"))
    ended = found.record(id="d-0", requested_by="old", requested_at=now - seconds(90 * 86_400))
    ledger.create_record(replace(ended, ended_at=now - seconds(90 * 86_400)))
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: found.context)
    return found


def in_account(scene, trail):
    """Have the environment be in an account that has a trail."""
    prod = replace(environments.load("prod"), name="local")
    object.__setattr__(scene.context, "environment", prod)
    clients = scene.context.clients
    object.__setattr__(scene.context, "clients", lambda name: trail if name == "cloudtrail" else clients(name))


def run(*words):
    return RUN.invoke(app, ["audit", *words])


def test_the_ledger_is_one_time_line_and_the_missing_cloudtrail_is_one_line(scene):
    result = run()
    lines = result.output.splitlines()
    assert result.exit_code == 0
    order = [next(number for number, line in enumerate(lines) if word in line) for word in ("ann", "bob", "=cmd()")]
    assert order == sorted(order)
    assert "old" not in result.output
    assert lines[-2].startswith("3 entries of local since")
    assert lines[-1] == "cloudtrail: the local cloud has no AWS CloudTrail: these are the ledger's entries alone"
    assert "\x1b[2J" not in result.output
    assert r"\x1b[2Jx" in result.output


def test_it_is_narrowed_by_actor_resource_and_age(scene):
    def actors(*words):
        return [one["actor"] for one in json.loads(run("--json", *words).output)["entries"]]

    assert actors() == ["ann", "bob", "=cmd()"]
    assert actors("--actor", "BOB") == ["bob"]
    assert actors("--resource", "d-1") == ["ann", "bob"]
    assert actors("--since", "2m") == ["=cmd()"]
    assert actors("--since", "100d") == ["old", "system", "ann", "bob", "=cmd()"]


def test_who_overrode_the_status_page_is_listed(scene):
    now = scene.clock.now()
    override = Override("tokens", ComponentState.DEGRADED, "Slow logins.", now - seconds(50), now, "cy")
    scene.cloud.status_pages.save_override(override)
    scene.cloud.status_pages.clear_override("tokens", "dee", now - seconds(40))

    entries = json.loads(run("--json", "--resource", "tokens").output)["entries"]

    assert [(one["actor"], one["action"]) for one in entries] == [
        ("cy", f"status override set to {ComponentState.DEGRADED}"),
        ("dee", "status override cleared"),
    ]


def test_csv_is_one_table_whose_cells_are_no_formulas_and_the_notes_are_apart(scene):
    result = run("--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["actor"] for row in rows] == ["ann", "bob", "'=cmd()"]
    assert "CloudTrail" in result.stderr
    assert "CloudTrail" not in result.stdout


def test_an_unknown_format_and_no_age_are_refused(scene):
    assert run("--format", "xml").exit_code == 2
    assert run("--since", "yesterday").exit_code == 2


@pytest.mark.strategy("Audit Trails: Change history")
def test_in_an_account_the_calls_are_in_the_same_line(scene):
    at = scene.clock.now() - seconds(400)
    trail = Trail([{**call("ib-oauth-token-local"), "EventTime": at}, call("ib-oauth-token-dev")])
    in_account(scene, trail)

    document = json.loads(run("--format", "json").output)

    assert [one["source"] for one in document["entries"]] == ["ledger", "cloudtrail", "ledger", "ledger"]
    assert document["sources"][1] == {"source": "cloudtrail", "complete": True, "note": ""}
    assert trail.calls[0]["LookupAttributes"] == [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (client_error("AccessDeniedException", "not authorized to perform: cloudtrail:LookupEvents"), "may not use"),
        (client_error("ThrottlingException", "Rate exceeded"), "could not be read"),
        (client_error("InvalidTimeRangeException", "no such time"), "could not be read"),
    ],
)
def test_a_cloudtrail_that_does_not_answer_is_a_line_and_no_failure(scene, error, note):
    in_account(scene, Trail(error=error))
    result = run()
    assert result.exit_code == 0
    assert note in result.output
    assert "ann" in result.output


def test_look_ups_are_paged_and_no_faster_than_two_a_second():
    time = [0.0]

    def sleep(duration):
        time[0] += duration

    trail = Trail([call()], [call()], [call()])
    history = CallHistory(trail, RateLimiter(2.0, burst=1, clock=lambda: time[0], sleep=sleep))
    since = call()["EventTime"]

    assert len(history.read_calls(since, since).calls) == 3
    assert time[0] >= 1.0
    cut = history.read_calls(since, since, most_pages=2)
    assert (len(cut.calls), cut.complete) == (2, False)


def test_what_was_not_read_is_said(scene, monkeypatch):
    monkeypatch.setattr(module, "LISTED", 1)
    output = run().output
    assert "ledger: only the newest 1 deployments and events were read: give a later --since" in output


def test_what_people_did_in_an_incident_is_in_the_time_line(scene):
    opened = RUN.invoke(app, ["incident", "open", "Logins fail", "--requested-by", "cyd"])
    assert opened.exit_code == 0, opened.output
    scene.clock.advance(1)
    found = [(one["actor"], one["action"]) for one in json.loads(run("--json", "--actor", "cyd").output)["entries"]]
    assert found == [("cyd", "incident opened")]


class FakeLogs:
    """CloudWatch Logs with the lines of each group, a line a page."""

    def __init__(self, groups, error=None):
        self.groups, self.error, self.calls = groups, error, []

    def filter_log_events(self, *, logGroupName, nextToken="0", **params):  # noqa: N803 - botocore's
        self.calls.append((logGroupName, params["filterPattern"]))
        if self.error:
            raise self.error
        lines, number = self.groups.get(logGroupName, []), int(nextToken)
        page = {"events": [{"timestamp": 0, "message": json.dumps(one)} for one in lines[number : number + 1]]}
        return page | ({"nextToken": str(number + 1)} if number + 1 < len(lines) else {})


def with_logs(scene, logs):
    in_account(scene, Trail([]))
    clients = scene.context.clients
    object.__setattr__(scene.context, "clients", lambda name: logs if name == "logs" else clients(name))


def access_line(scene, number, **changes):
    time_ms = str(int((scene.clock.now() - seconds(100 - number)).timestamp() * 1000))
    line = {
        "request_id": f"r-{number}", "time_ms": time_ms, "method": "POST", "route": "/token", "status": "200",
        "source_ip": "192.0.2.7", "user_agent": "curl/8", "invocation": f"lambda-{number}", "latency_ms": "3",
    }  # fmt: skip
    return {**line, **changes}


def test_the_requests_of_a_client_are_in_the_same_line_without_its_address(scene):
    requests = [access_line(scene, 1), access_line(scene, 2, route="/authorize", status="400")]
    functions = {"message": "request", "request_id": "lambda-1", "client": "shop"}
    logs = FakeLogs({"/aws/apigateway/ib-oauth-api-local": requests, "/aws/lambda/ib-oauth-token-local": [functions]})
    with_logs(scene, logs)
    document = json.loads(run("--access", "--json").output)
    found = [
        (one["actor"], one["action"], one["outcome"]) for one in document["entries"] if one["source"] == "access log"
    ]
    assert found == [("shop", "POST /token", "200"), ("a client", "POST /authorize", "400")]
    assert "192.0.2.7" not in json.dumps(document)
    assert document["sources"][-1] == {"source": "access log", "complete": True, "note": ""}
    assert [one["id"] for one in json.loads(run("--access", "--json", "--actor", "shop").output)["entries"]] == ["r-1"]
    narrowed = json.loads(run("--access", "--json", "--resource", "/authorize").output)["entries"]
    assert [one["id"] for one in narrowed] == ["r-2"]


def test_without_the_option_no_log_is_read(scene):
    logs = FakeLogs({})
    with_logs(scene, logs)
    assert run().exit_code == 0
    assert logs.calls == []


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (client_error("AccessDeniedException", "not authorized to perform: logs:FilterLogEvents"), "may not use"),
        (client_error("ThrottlingException", "Rate exceeded"), "could not be read"),
    ],
)
def test_an_access_log_that_does_not_answer_is_a_line_and_no_failure(scene, error, note):
    with_logs(scene, FakeLogs({}, error))
    result = run("--access")
    assert result.exit_code == 0
    assert f"access log: {'the caller ' if note == 'may not use' else ''}{note}" in result.output
    assert "ann" in result.output


def test_the_local_cloud_has_no_access_log_and_says_so(scene):
    assert "access log: the local cloud writes no access log" in run("--access").output


def test_an_access_log_that_was_not_read_to_its_end_says_so(scene, monkeypatch):
    monkeypatch.setattr(module, "ACCESS_SECONDS", 0.0)
    with_logs(scene, FakeLogs({}))
    assert "give a later --since" in run("--access").output
