"""Incidents from the command line: what is written, paged, shown and refused, over the whole program."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.application.incidents.incident_log import receive_event
from orchestrator.cli.actions import status
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.incidents.policy import encode_policy
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.fakes.notification_queue import MovableClock
from tests.samples import FUNCTIONS
from tests.unit.cli.actions.scenes import Scene
from tests.unit.domain.incidents.worlds import POLICY, minutes

RUN = CliRunner(env={"COLUMNS": "250", "ORCHESTRATOR_REQUESTED_BY": "ann"})


class FakeMetrics:
    """CloudWatch with the API's counts by the minute."""

    def __init__(self):
        self.values = {"Count": [600.0, 400.0], "5XXError": [7.0, 0.0]}

    def get_paginator(self, _operation):
        return self

    def paginate(self, *, MetricDataQueries, StartTime, **_params):  # noqa: N803 - botocore's
        results = []
        for query in MetricDataQueries:
            metric = query["MetricStat"]["Metric"]
            assert metric["Dimensions"] == [
                {"Name": "ApiName", "Value": "ib-oauth-api-test"},
                {"Name": "Stage", "Value": "test"},
            ]
            values = self.values.get(metric["MetricName"], [])
            results.append(
                {
                    "Id": query["Id"],
                    "Timestamps": [StartTime + minutes(number) for number in range(len(values))],
                    "Values": values,
                }
            )
        return [{"MetricDataResults": results}]


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def events():
    return FakeEvents()


@pytest.fixture
def metrics():
    return FakeMetrics()


@pytest.fixture(autouse=True)
def cloud(clock, events, metrics, monkeypatch):
    clients = {"dynamodb": FakeDynamoDB(), "events": events, "lambda": LambdaControlPlane(), "cloudwatch": metrics}
    context = Context(environments.load("prod"), clients.__getitem__)
    cloud = cloud_over(clients, clock.now, {**SETTINGS, "INCIDENTS": encode_policy(POLICY)})
    vars(context)["cloud"] = cloud
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context)
    return cloud


def run(*words, code=0):
    answer = RUN.invoke(app, ["incident", *words])
    assert answer.exit_code == code, answer.output
    return answer.stdout or answer.stderr


def opened(*words):
    return json.loads(run("open", "Logins fail", "--json", *words))["incident"]


def test_a_person_opens_an_incident_and_the_on_call_is_paged(events):
    incident = opened("--severity", "SEV1", "--reason", "support has five calls")
    assert (incident["cause"], incident["severity"], incident["state"]) == ("logins-fail", "SEV1", "OPEN")
    assert [kind for kind, _ in events.put] == ["IncidentOpened", "IncidentPaged"]
    assert events.put[0][1]["by"] == "ann"
    assert incident["pages"][0]["person"] in {"ann", "bob", "cleo"}
    text = run("open", "Tokens fail", "--cause", "tokens")
    assert "opened: SEV2 Tokens fail" in text
    assert "OPEN, cause tokens, paged " in text


def test_a_second_incident_of_an_open_cause_is_refused():
    incident = opened()
    assert f"{incident['id']} is open for it" in run("open", "Logins fail", code=2)


def test_the_incident_of_a_lost_region_is_reached_in_the_standby_region(monkeypatch, clock, events, metrics):
    """`region-lost` is in the ledger of the standby region; the settings name the lost one until the failover has ended."""
    clients = {"dynamodb": FakeDynamoDB(), "events": events, "lambda": LambdaControlPlane(), "cloudwatch": metrics}
    context = Context(environments.load("prod"), clients.__getitem__)
    vars(context)["cloud"] = cloud_over(clients, clock.now, {**SETTINGS, "INCIDENTS": encode_policy(POLICY)})

    def lost(_name):
        raise AssertionError("the lost region is not called")

    monkeypatch.setattr("orchestrator.cli.context.context_of", lost)
    monkeypatch.setattr("orchestrator.cli.actions.failovers.standby.standby_context", lambda _env: context)
    incident = opened("--standby")["id"]

    assert incident in run("list", "--open", "--standby")
    run("ack", incident, "--standby")
    run("update", incident, "The failover has begun.", "--standby")
    run("role", incident, "commander", "ann", "--standby")
    run("show", incident, "--standby")
    run("resolve", incident, "--reason", "it runs in us-east-2", "--force", "--standby")
    assert incident not in run("list", "--open", "--standby")


def test_commands_change_the_incident_and_are_announced(events):
    name = opened()["id"]
    assert "acknowledged" in run("ack", name, "--note", "on my way")
    assert f"{name} commander is bob" in run("role", name, "commander", "bob")
    assert "updated: SEV1" in run("update", name, "the upstream is down", "--severity", "SEV1")
    assert "resolved" in run("resolve", name, "--reason", "the upstream answers")
    assert [kind for kind, _ in events.put][2:] == [
        "IncidentAcknowledged", "IncidentUpdated", "IncidentUpdated", "IncidentUpdated", "IncidentResolved",
    ]  # fmt: skip
    assert "ann resolved it" in run("resolve", name, "--reason", "again", code=2)
    assert "RESOLVED" in run("update", name, "what we learned")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ack", "inc-9"), "incident: 'inc-9' is refused: name one that `orchestrator incident list` lists"),
        (("open", "t", "--severity", "low"), "--severity: 'low' is refused: give one of SEV1, SEV2, SEV3"),
        (("role", "NAME", "boss", "bob"), "ROLE: 'boss' is refused: give one of commander, operations, communications"),
        (("action", "add", "NAME", "t", "--owner", "bob", "--due", "soon"), "--due: 'soon' is refused: give a date"),
        (("action", "done", "NAME", "one"), "NUMBER: 'one' is refused: give the number of an action item"),
        (("action", "done", "NAME", "1"), "NUMBER: 1 is refused: name an open action item"),
        (("postmortem", "NAME", "--format", "pdf"), "--format: 'pdf' is refused: give one of html, md, json"),
    ],
)
def test_a_wrong_command_is_refused_and_changes_nothing(cloud, words, message):
    name = opened()["id"]
    before = cloud.incidents.read_entries(name)
    assert message in run(*(name if word == "NAME" else word for word in words), code=2)
    assert cloud.incidents.read_entries(name) == before


def test_a_cause_that_lasts_is_resolved_by_force_alone(cloud):
    name = rollback(cloud)
    assert "rollback:d-1 has not ended" in run("resolve", name, "--reason", "we know", code=2)
    assert "resolved" in run("resolve", name, "--reason", "we know", "--force")


def test_incidents_are_listed_newest_first(clock):
    assert run("list") == "prod has no incident\n"
    first = opened()["id"]
    clock.advance(60)
    second = json.loads(run("open", "Tokens fail", "--json"))["incident"]["id"]
    run("resolve", first, "--reason", "over")
    assert [one["id"] for one in json.loads(run("list", "--json"))["incidents"]] == [second, first]
    assert [one["id"] for one in json.loads(run("list", "--open", "--json"))["incidents"]] == [second]
    assert "Tokens fail" in run("list")
    run("resolve", second, "--reason", "over")
    assert run("list", "--open") == "prod has no open incident\n"


def test_open_incidents_are_listed_although_many_newer_ones_are_resolved(clock):
    oldest = opened()["id"]
    clock.advance(60)
    second = json.loads(run("open", "Tokens fail", "--json"))["incident"]["id"]
    for number in range(3):
        clock.advance(60)
        newer = json.loads(run("open", f"Fault {number}", "--json"))["incident"]["id"]
        run("resolve", newer, "--reason", "over")

    def listed(limit):
        return [one["id"] for one in json.loads(run("list", "--open", "--limit", limit, "--json"))["incidents"]]

    assert listed("2") == [second, oldest]
    assert listed("1") == [second]


def rollback(cloud):
    detail = {"deployment": "d-1", "at": cloud.now().isoformat(), "source": "alarm", "reason": "7.7 % > 5 %"}
    receive_event({"id": "e", "detail-type": "RollbackStarted", "detail": detail}, cloud)
    return cloud.incidents.list_ids(1)[0]


def test_an_incident_is_shown_with_what_the_system_did_meanwhile(cloud, clock):
    cloud.ledger.record_event(EventRecord("e-1", clock.now(), "alarm", "token-errors", acted=True, why="rolled back"))
    name = rollback(cloud)
    clock.advance(30)
    run("ack", name)
    run("role", name, "commander", "bob")
    run("action", "add", name, "add a test", "--owner", "cleo", "--due", "2026-12-01")
    clock.advance(30)
    run("resolve", name, "--reason", "we know", "--force")
    text = run("show", name)
    for part in (
        "SEV2 d-1 is rolled back",
        f"{name} is RESOLVED, cause service, episode 1",
        "acknowledged by ann",
        "roles: commander bob, operations not assigned",
        "token-errors: rolled back",
        "action 1, cleo, due 2026-12-01: add a test",
        "paged: ",
    ):
        assert part in text
    document = json.loads(run("show", name, "--json"))
    assert document["broken_at"] is None
    assert {moment["source"] for moment in document["timeline"]} == {"incident", "alarm"}


def test_an_altered_record_is_named(cloud):
    name = rollback(cloud)
    entry = cloud.incidents.read_entries(name)[0]
    cloud.incidents._client.put_item(
        **cloud.incidents._put(f"incident#{name}", "entry#000001", replace(entry, text="x"))
    )
    assert "the record was altered: entry 1" in run("show", name)
    assert json.loads(run("show", name, "--json"))["broken_at"] == 1


def test_an_open_incident_without_pages_is_shown():
    name = opened("--severity", "SEV3")["id"]
    assert f"{name} is OPEN" in run("show", name)


@pytest.mark.strategy("Incident Response: Post-mortem process")
def test_the_post_mortem_is_a_draft_with_numbers_timeline_questions_and_actions(cloud, clock, tmp_path):
    name = rollback(cloud)
    run("action", "add", name, "add a test", "--owner", "cleo", "--due", "2026-12-01")
    clock.advance(300)
    run("resolve", name, "--reason", "the release is gone", "--force")
    file = tmp_path / "pm.md"
    assert f"post-mortem: {file}" in run("postmortem", name, "--output", str(file))
    text = file.read_text()
    for part in (
        "Requests | 1000",
        "7 (0.7 %)",
        "300 s",
        "### Timeline",
        "add a test",
        "### What broke, and why?",
        "cleo",
    ):
        assert part in text, part
    assert "Not measured: Clients with requests" in text
    page = tmp_path / "pm.html"
    impact = json.loads(run("postmortem", name, "--format", "html", "--output", str(page), "--json"))["impact"]
    assert impact["traffic"] == {"requests": 1000, "failed": 7, "clients": None}
    assert "What broke, and why?" in page.read_text()
    assert "<script" not in page.read_text()
    document = tmp_path / "pm.json"
    run("postmortem", name, "--format", "json", "--output", str(document))
    assert json.loads(document.read_text())["kind"] == "incident"


def test_what_was_not_measured_is_missing_in_the_post_mortem(clock, metrics, tmp_path):
    metrics.values = {}
    name = opened()["id"]
    file = tmp_path / "pm.md"
    run("postmortem", name, "--output", str(file))
    assert "Requests | not measured" in file.read_text()
    clock.advance(20 * 86_400)
    metrics.values = {"Count": [1.0]}
    run("postmortem", name, "--output", str(file))
    assert "Requests | not measured" in file.read_text()


def test_text_of_people_is_no_markup_in_the_post_mortem(tmp_path):
    incident = json.loads(run("open", "<script>alert(1)</script> [x](y)", "--cause", "x", "--json"))["incident"]
    for form in ("md", "html"):
        file = tmp_path / f"pm.{form}"
        run("postmortem", incident["id"], "--format", form, "--output", str(file))
        assert "<script>" not in file.read_text()


def test_action_items_are_added_and_completed():
    name = opened()["id"]
    run("action", "add", name, "add a test", "--owner", "cleo", "--due", "2026-12-01")
    assert "action done" in run("action", "done", name, "1")


def test_the_rota_is_shown_for_the_next_weeks_or_its_absence_is_refused(monkeypatch):
    assert "on_call: 'no rota' is refused: add [prod.on_call]" in run("on-call", "--env", "prod", code=2)
    assert "env: 'moon' is refused" in run("on-call", "--env", "moon", code=2)
    with_rota = replace(environments.load("prod"), incidents=POLICY)
    monkeypatch.setattr("orchestrator.environments.load", lambda _name: with_rota)
    document = json.loads(run("on-call", "--env", "prod", "--json"))
    assert len(document["turns"]) == 5
    assert document["turns"][0]["ends"] == document["turns"][1]["begins"]
    people = [turn["people"][0] for turn in document["turns"]]
    assert people[0] != people[1]
    assert "level 2" in run("on-call", "--env", "prod")


def test_status_shows_the_open_incidents_first_of_what_is_wrong(cloud, clock, capsys):
    scene = Scene()
    for name in FUNCTIONS:
        scene.plane.add(f"ib-oauth-{name}-local")
    vars(scene.context.cloud)["incidents"] = cloud.incidents
    first = opened()["id"]
    clock.advance(1)
    second = rollback(cloud)
    run("resolve", first, "--reason", "over")
    status.show_status(scene.context, json=False)
    assert f"incident {second}, SEV2, not acknowledged: d-1 is rolled back" in capsys.readouterr().out
    run("ack", second)
    status.show_status(scene.context, json=True)
    (shown,) = json.loads(capsys.readouterr().out)["open_incidents"]
    assert (shown["id"], shown["state"], shown["acknowledged_by"]) == (second, "ACKNOWLEDGED", "ann")
    status.show_status(scene.context, json=False)
    assert "acknowledged by ann: d-1 is rolled back" in capsys.readouterr().out
