"""The status page from the command line: built, shown, published, overridden and served, over the whole program."""

from __future__ import annotations

import json
from dataclasses import replace
from http.client import HTTPConnection

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli.actions.status_page import commands, serve
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.errors import Refused, Unreachable
from tests.fakes.clouds import ACCOUNT
from tests.fakes.status_pages import PAGE, SiteS3, StatusWorld
from tests.samples import NOW

RUN = CliRunner(env={"COLUMNS": "250", "ORCHESTRATOR_REQUESTED_BY": "ann"})
TOKEN_LATENCY = "ib-oauth-token-latency-test"


@pytest.fixture
def world():
    return StatusWorld()


@pytest.fixture(autouse=True)
def context(world, monkeypatch):
    environment = replace(environments.load("local"), status_page=PAGE)
    context = Context(environment, world.clients.__getitem__)
    vars(context)["account"] = ACCOUNT
    vars(context)["cloud"] = world.cloud
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context)
    return context


def run(*words, code=0):
    answer = RUN.invoke(app, ["status-page", *words])
    assert answer.exit_code == code, answer.output
    return answer.stdout or answer.stderr


def test_the_site_is_built_into_a_folder(tmp_path, world):
    text = run("build", "--out", str(tmp_path / "site"))
    assert "All systems operational" in text
    assert (tmp_path / "site" / "api" / "v2" / "summary.json").is_file()
    assert "Example status" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert world.s3.written == []
    built = json.loads(run("build", "--out", str(tmp_path), "--url", "https://other.example/", "--json"))
    assert "index.html" in built["files"]
    assert "https://other.example/feed.rss" in (tmp_path / "feed.rss").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "name a folder that can be written" in run("build", "--out", str(tmp_path / "file"), code=2)


def test_the_states_are_shown_with_their_reasons(world):
    world.alarms.ringing = {TOKEN_LATENCY}
    text = run("show")
    assert "Some systems are degraded" in text
    assert "Responses are slower than usual." in text
    shown = json.loads(run("show", "--json"))
    assert shown["state"] == "degraded_performance"
    assert {one["id"]: one["state"] for one in shown["components"]}["tokens"] == "degraded_performance"


def test_a_person_overrides_a_state_and_machines_decide_it_again_when_it_is_cleared(world):
    text = run("override", "tokens", "major_outage", "--reason", "The upstream is down.", "--until", "2h")
    assert "tokens: override set, major outage until 2026-11-23 05:00 UTC" in text
    assert "published" in text
    assert b"Major outage" in world.s3.objects["index.html"]["Body"]
    assert "tokens is set by ann until 2026-11-23 05:00 UTC: The upstream is down." in run("show")
    cleared = json.loads(run("clear", "tokens", "--json"))
    assert (cleared["published"], cleared["override"]["component"]) == (True, "tokens")
    assert b"All systems operational" in world.s3.objects["index.html"]["Body"]
    assert "it has no override" in run("clear", "tokens", code=2)
    assert "give one of login, tokens, user-data" in run("clear", "dns", code=2)


def test_an_override_is_kept_although_the_page_cannot_be_published(world, context):
    world.s3.refuses = "AccessDenied"
    words = ("override", "login", "operational", "--reason", "A false alarm.", "--until", "90m", "--json")
    answer = json.loads(run(*words))
    assert answer["published"] is False
    assert "within a minute" in answer["why_not"]
    assert world.cloud.status_pages.read_overrides()[0].reason == "A false alarm."
    object.__setattr__(context, "environment", environments.load("local"))
    assert json.loads(run(*words))["why_not"] == "the status page is not enabled"


@pytest.mark.parametrize(("text", "minutes"), [("90m", 90), ("2h", 120), ("1d", 1440), ("2026-11-23T05:00+01:00", 60)])
def test_an_end_is_a_duration_or_a_time(text, minutes):
    assert (commands.read_until(text, NOW) - NOW).total_seconds() == minutes * 60


@pytest.mark.parametrize(
    "text", ["soon", "2026-11-23T05:00", "-1h", "", "99999999999d", "9999999d", "0001-01-01T00:00:00+14:00"]
)
def test_another_end_is_refused(text):
    with pytest.raises(Refused, match="give a duration, such as 90m"):
        commands.read_until(text, NOW)


def test_the_page_is_published_when_it_changed(world, context):
    assert "files written" in run("publish")
    assert "nothing changed" in run("publish")
    world.alarms.ringing = {TOKEN_LATENCY}
    assert "index.html" in json.loads(run("publish", "--json"))["written"]
    object.__setattr__(context, "environment", environments.load("local"))
    assert "set it to true and deploy the stack" in run("publish", code=2)


def test_an_outage_is_published_although_nothing_of_the_environment_answers(monkeypatch, world):
    world.clients.clear()
    bucket = SiteS3()

    class Caller:
        def get_caller_identity(self):
            return {"Account": ACCOUNT}

    regions = []
    environment = replace(environments.load("prod"), status_page=replace(PAGE, region="eu-west-1"))
    monkeypatch.setattr(commands, "load", lambda _name: environment)
    monkeypatch.setattr(
        commands,
        "clients_of",
        lambda _env, region: regions.append(region) or {"s3": bucket, "sts": Caller()}.__getitem__,
    )
    text = run("publish", "--env", "prod", "--without-ledger", "The region us-west-1 is lost.")
    assert "prod: Major outage, published without the ledger" in text
    assert regions == ["eu-west-1"]
    assert bucket.objects["index.html"]["Bucket"] == f"ib-oauth-status-prod-{ACCOUNT}"
    assert b"The region us-west-1 is lost." in bucket.objects["index.html"]["Body"]
    words = ("publish", "--env", "prod", "--without-ledger", "Lost.", "--json")
    assert json.loads(run(*words))["state"] == "major_outage"
    environment = replace(environment, status_page=replace(PAGE, address=""))
    assert "give the address" in run(*words, code=2)


def fetch(url, path, method="GET"):
    connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_the_page_is_served_on_loopback_and_rebuilt_until_it_is_interrupted(world, context, capsys):
    seen = []

    def wait(_seconds):
        if not seen:
            seen.append(json.loads(capsys.readouterr().out)["url"])
        response, body = fetch(seen[0], "/")
        seen.append((response.status, response.headers["Content-Security-Policy"], body))
        if len(seen) == 2:
            world.alarms.ringing = {TOKEN_LATENCY}
        if len(seen) == 4:
            raise KeyboardInterrupt

    serve.serve(context, 0, json=True, wait=wait)
    url, *answers = seen
    assert url.startswith("http://127.0.0.1:")
    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert answers[0][1].endswith("frame-ancestors 'none'")
    assert b"All systems operational" in answers[0][2]
    assert b"Some systems are degraded" in answers[1][2]
    with pytest.raises(ConnectionRefusedError):
        fetch(url, "/")
    # On the local cloud there is no other publisher: the history is recorded.
    assert world.cloud.status_pages.read_record().histories["tokens"]


@pytest.mark.parametrize("as_json", [False, True])
def test_while_the_page_cannot_be_read_the_last_one_is_served(world, context, capsys, monkeypatch, as_json):
    def down():
        raise Unreachable("the ledger does not answer")

    turns = []

    def wait(_seconds):
        if not turns:
            printed = capsys.readouterr().out
            url = json.loads(printed)["url"] if as_json else printed.split()[4].rstrip("/")
        turns.append(0 if turns else fetch(url, "/feed.rss")[0].status)
        monkeypatch.setattr(world.cloud.status_pages, "read_record", down)
        if len(turns) == 2:
            raise KeyboardInterrupt

    serve.serve(context, 0, json=as_json, wait=wait)
    assert turns == [200, 0]
    rest = capsys.readouterr()
    assert "is not refreshed: the ledger does not answer" in rest.err
    assert rest.out == "", "standard output has one JSON object alone"


def test_a_path_that_is_no_file_of_the_site_is_not_found_and_a_head_has_no_body(world, context):
    with serve.SiteServer(lambda address: serve.read_page(context.cloud, address)) as server:
        response, body = fetch(server.url, "/../etc/passwd")
        assert (response.status, body) == (404, b"There is no such page.\n")
        response, body = fetch(server.url, "/badge.svg?x=1", "HEAD")
        assert (response.status, body, response.headers["Content-Type"]) == (200, b"", "image/svg+xml")
        assert fetch(server.url, "/", "POST")[0].status == 405


def test_a_server_whose_first_page_cannot_be_read_closes_its_port():
    def down(_address):
        raise Unreachable("the ledger does not answer")

    server = serve.SiteServer(down)
    with pytest.raises(Unreachable), server:
        pass
    with pytest.raises(ConnectionRefusedError):
        fetch(server.url, "/")
