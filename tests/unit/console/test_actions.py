"""Actions on the console: confirmed, with a name, with their token, and with the refusals of their commands."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from orchestrator.cli.actions import deploy, freeze
from orchestrator.cli.live.operator_commands import command_deployment
from orchestrator.console import actions, forms
from orchestrator.console.actions import ACTIONS
from orchestrator.console.forms import MOST_ANSWERS, MOST_BYTES
from orchestrator.domain.deployment.decision import OperatorAction
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.errors import Refused, Unreachable
from orchestrator.domain.incidents.incident import IncidentState
from orchestrator.domain.texts import MAX_NAME
from tests import followed
from tests.samples import NOW, functions
from tests.served_console import GUARD, HOSTILE, Tables, busy_scene, client_of, scene_in_flight

ORIGIN = {"Origin": GUARD.address.rstrip("/")}


@pytest.fixture
def scene():
    return busy_scene()


@pytest.fixture
def client(scene):
    return client_of(scene.context)


def path_to(name: str, subject: str = "d-1") -> str:
    """The address of an action's form; the subject of some is the console's environment."""
    return f"/actions/{name}/{'local' if ACTIONS[name].of_environment else subject}"


def token_in(text: str) -> str:
    return re.search(r'name="token" value="([0-9a-f]{64})"', text).group(1)


def act(client, path: str, **values: str):
    """Open the form of an action and confirm it, as a browser does."""
    form = client.get(path)
    assert form.status_code == 200
    inputs = {name.replace("_", " "): value for name, value in values.items()}
    return client.post(path, data={"token": token_in(form.text), "requested by": "ann", **inputs}, headers=ORIGIN)


def answer_of(client, response) -> str:
    assert response.status_code == 303, Tables(response.text).words
    return unescape(client.get(response.headers["location"]).text)


def test_a_page_that_is_only_looked_at_changes_nothing(scene, client):
    events, executions = scene.cloud.ledger.read_events(50), dict(scene.states.executions)
    for name in ACTIONS:
        assert client.get(path_to(name)).status_code == 200
    assert scene.cloud.ledger.pending_command("d-1") is None
    assert scene.cloud.ledger.read_events(50) == events
    assert dict(scene.states.executions) == executions


@pytest.mark.parametrize("name", ACTIONS)
def test_every_form_names_its_subject_its_effect_and_a_way_back(client, name):
    text = unescape(client.get(path_to(name)).text)
    assert ACTIONS[name].question.format(path_to(name).rpartition("/")[2]) in text
    assert ACTIONS[name].effect in text
    assert "Cancel: change nothing" in text
    assert ('name="requested by"' in text) is not ACTIONS[name].as_caller


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action.of_environment])
def test_an_action_of_another_environment_is_not_offered_and_changes_nothing(scene, client, name):
    before, executions = scene.cloud.freezes.read_freeze(), dict(scene.states.executions)
    form = client.get(f"/actions/{name}/staging")
    assert (form.status_code, "this console serves local alone" in unescape(form.text)) == (404, True)
    data = {"token": GUARD.token(name, "staging", ""), "requested by": "eve", "reason": "x"}
    assert client.post(f"/actions/{name}/staging", data=data, headers=ORIGIN).status_code == 404
    assert scene.cloud.freezes.read_freeze() == before
    assert dict(scene.states.executions) == executions


def test_a_promotion_is_recorded_with_the_name_as_by_its_command(scene, client):
    answer = answer_of(client, act(client, "/actions/promote/d-1", requested_by="bob"))
    command = scene.cloud.ledger.pending_command("d-1")
    assert (command.request, command.by) == (OperatorAction.PROMOTE, "bob")
    other, _ = scene_in_flight()
    assert f"d-1 {command_deployment(other.context, 'd-1', 'promote', 'bob')}" in answer


def test_an_abort_starts_the_rollback(scene, client):
    scene.start()
    assert "is being aborted" in answer_of(client, act(client, "/actions/abort/d-1"))
    assert scene.cloud.ledger.pending_command("d-1").request == OperatorAction.ABORT


def test_a_rollback_has_the_reason_and_the_name():
    scene, _ = scene_in_flight(functions=functions())
    client = client_of(scene.context)
    scene.start()
    answer = answer_of(client, act(client, "/actions/rollback/d-1", reason="clients call", requested_by="bob"))
    assert "started" in answer
    (trigger,) = scene.cloud.ledger.read_triggers("d-1")
    assert trigger.reason == "clients call (by bob)"


def test_an_environment_is_frozen_and_unfrozen(scene, client):
    assert "no longer" in answer_of(client, act(client, "/actions/unfreeze/local", reason="they left"))
    assert not scene.cloud.freezes.read_freeze().is_active
    answer_of(client, act(client, "/actions/freeze/local", reason="they are back", requested_by="bob"))
    frozen = scene.cloud.freezes.read_freeze()
    assert (frozen.is_active, frozen.by, frozen.reason) == (True, "bob", "they are back")
    assert "frozen by bob" in client.get("/freezes").text


def test_an_incident_is_acknowledged_by_name(scene, client):
    answer = answer_of(client, act(client, "/actions/acknowledge/inc-1", note="on it", requested_by="bob"))
    assert "inc-1 acknowledged" in answer
    incident = scene.cloud.incidents.read_incident("inc-1")
    assert (incident.state, incident.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "bob")
    assert "Acknowledge…" not in client.get("/incidents/inc-1").text


def test_an_approval_is_of_the_caller_whom_no_form_can_choose(scene, client, monkeypatch):
    monkeypatch.setattr(
        actions, "approve_deployment", lambda _context, name: deploy.Approved("arn:ann", f"2 for {name}")
    )
    assert "requested by" not in client.get("/actions/approve/d-1").text
    assert "approved by arn:ann; it lacks 2 for d-1" in answer_of(
        client, act(client, "/actions/approve/d-1", requested_by="eve")
    )


def test_a_drill_is_started_with_the_name_and_the_point(scene, client, monkeypatch):
    requests = []

    def start(_context, request):
        requests.append(request)
        return "dr-9", True

    monkeypatch.setattr(actions, "start_drill", start)
    path = "/actions/drill/local"
    assert "dr-9 is in progress" in answer_of(client, act(client, path, requested_by="bob"))
    answer_of(client, act(client, path, recovery_point="2026-11-23T02:00:00Z"))
    assert requests == [{"requested_by": "bob"}, {"requested_by": "ann", "to": "2026-11-23T02:00:00Z"}]


def refused(response) -> dict[str, str]:
    assert response.status_code == 409
    return dict(Tables(response.text).rows["error"])


@pytest.mark.parametrize("name", sorted(name for name, action in ACTIONS.items() if not action.as_caller))
@pytest.mark.parametrize("by", ["", "  ", "\t"])
def test_nothing_is_done_without_a_name(scene, client, name, by):
    cells = refused(act(client, path_to(name), requested_by=by, reason="x"))
    assert cells["field"] == "requested by"
    assert scene.cloud.ledger.pending_command("d-1") is None


def test_a_name_that_no_record_could_keep_is_refused(client):
    assert refused(act(client, "/actions/promote/d-1", requested_by="x" * (MAX_NAME + 1)))["field"] == "--requested-by"


@pytest.mark.parametrize("name", ["freeze", "rollback", "unfreeze"])
def test_a_reason_is_required(client, name):
    assert refused(act(client, path_to(name), reason=" "))["field"] == "reason"


def test_a_refusal_is_the_one_of_the_command_and_keeps_what_was_typed(scene, client):
    with pytest.raises(Refused) as refusal:
        freeze.freeze_environment(scene.context, "again", "ann")
    response = act(client, "/actions/freeze/local", reason="again & again")
    cells = refused(response)
    assert (cells["field"], cells["remedy"]) == (refusal.value.field, refusal.value.remedy)
    assert 'value="again &amp; again"' in response.text


@pytest.mark.parametrize("name", ["abort", "promote", "resume", "rollback"])
def test_an_ended_deployment_refuses_commands(client, name):
    assert refused(act(client, f"/actions/{name}/d-0", reason="x"))["value"] == "d-0"


@pytest.mark.parametrize("name", ["abort", "promote", "resume", "rollback"])
def test_a_deployment_that_does_not_exist_is_refused(client, name):
    assert "no such deployment" in refused(act(client, f"/actions/{name}/d-nope", reason="x"))["remedy"]


def test_a_cloud_that_does_not_answer_is_said(client, monkeypatch):
    def fail(*_):
        raise Unreachable("no route")

    monkeypatch.setattr(actions, "command_deployment", fail)
    response = act(client, "/actions/promote/d-1")
    assert response.status_code == 503
    assert "no route" in response.text


@pytest.mark.parametrize(
    "token",
    ["", "wrong", "0" * 64, GUARD.token("abort", "d-1"), GUARD.token("promote", "d-0")],
    ids=["none", "wrong", "zeros", "of another action", "of another deployment"],
)
def test_a_form_without_its_token_does_nothing_and_a_new_one_is_shown(scene, client, token):
    data = {"requested by": "ann", **({"token": token} if token else {})}
    response = client.post("/actions/promote/d-1", data=data, headers=ORIGIN)
    assert response.status_code == 403
    assert GUARD.is_token(token_in(response.text), "promote", "d-1")
    assert scene.cloud.ledger.pending_command("d-1") is None


@pytest.mark.parametrize("origin", [None, "null", "http://attacker.example"])
def test_a_form_of_another_page_does_nothing_even_with_the_token(scene, client, origin):
    headers = {} if origin is None else {"Origin": origin}
    data = {"requested by": "ann", "token": GUARD.token("promote", "d-1")}
    assert client.post("/actions/promote/d-1", data=data, headers=headers).status_code == 403
    assert scene.cloud.ledger.pending_command("d-1") is None


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x" * (MOST_BYTES + 1), "application/x-www-form-urlencoded", 413),
        (b"token=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(30)), "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 400),
        (b"token=x", "text/plain", 400),
    ],
)
def test_what_is_no_form_is_refused(client, content, kind, status):
    headers = {**ORIGIN, "Content-Type": kind}
    assert client.post("/actions/promote/d-1", content=content, headers=headers).status_code == status


def test_an_action_that_does_not_exist_is_not_found(client):
    assert client.get("/actions/destroy/d-1").status_code == 404
    assert client.post("/actions/destroy/d-1", headers=ORIGIN).status_code == 404
    assert client.get("/done/nothing").status_code == 404


def test_an_answer_can_be_loaded_again_and_repeats_nothing(scene, client):
    response = act(client, "/actions/promote/d-1")
    first = client.get(response.headers["location"]).text
    scene.cloud.ledger.record_command("d-1", replace(scene.cloud.ledger.pending_command("d-1"), by="someone"))
    assert client.get(response.headers["location"]).text == first
    assert scene.cloud.ledger.pending_command("d-1").by == "someone"


def test_few_answers_are_kept(client, monkeypatch):
    monkeypatch.setattr(forms, "MOST_ANSWERS", 2)
    locations = [act(client, "/actions/promote/d-1").headers["location"] for _ in range(3)]
    assert [client.get(location).status_code for location in locations] == [404, 200, 200]
    assert MOST_ANSWERS > 2


def test_hostile_text_in_a_form_is_escaped(client):
    response = act(client, "/actions/freeze/local", reason=HOSTILE, requested_by=HOSTILE)
    assert response.status_code == 409
    assert "<img" not in response.text
    assert "\x1b" not in response.text


def links(client, name="d-1"):
    return re.findall(rf'href="/actions/(\w+)/{name}"', client.get(f"/deployments/{name}").text)


def test_a_page_offers_what_the_state_may_allow():
    scene, record = scene_in_flight()
    client = client_of(scene.context)
    assert links(client) == ["promote", "abort", "rollback"]
    scene.save(replace(record, phase=DeploymentPhase.PAUSED))()
    assert links(client) == ["resume", "promote", "abort", "rollback"]
    scene.save(
        followed.rolled_back(environment="local", phase=DeploymentPhase.ROLLING_BACK, outcome=None, ended_at=None)
    )()
    assert links(client) == []
    scene.save(replace(record, phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW))()
    assert links(client) == ["rollback"]
    scene.save(followed.rolled_back(environment="local"))()
    assert links(client) == []
