"""The report of a deployment: its sentence, its plots and its tables say what `explain --json` says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from math import log

import msgspec
import pytest

from orchestrator.cli.actions.explain import explain
from orchestrator.cli.actions.reports.report import read_report, render
from orchestrator.cli.rendering.reports.deployment_plots import DeploymentFacts
from orchestrator.cli.rendering.reports.deployment_report import deployment_report, seconds_in_words
from orchestrator.cli.rendering.reports.markdown import escaped
from orchestrator.cli.rendering.reports.report import MOST_ROWS, table
from orchestrator.domain.analysis.odds import odds_in_words
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import DeploymentPhase
from tests.fakes.two_versions import CANARY
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.recorded import Recorder, bad_release
from tests.samples import plan, seconds

MOST_BYTES = 150_000
SCRIPT = '<script>alert(1)</script>"&|`@everyone\u202e'


class Page(HTMLParser):
    """The elements and the texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def bad():
    recorder = bad_release()
    recorder.deploy()
    return recorder


def report(recorder, name="d-1"):
    return read_report(recorder.scene.context, name)


def explained(recorder, capsys, name="d-1"):
    explain(recorder.scene.context, name, json=True)
    return json.loads(capsys.readouterr().out)


def test_the_sentence_says_what_why_by_which_value_who_decided_and_how_long_clients_were_exposed(bad):
    found = report(bad)
    assert found.headline == "d-1 was rolled back after 59 s"
    assert found.sentence == (
        "The release was rolled back because authorize:2 returns 5xx: 30 of 300 (10 %), authorize:1 0 of 300, "
        "tolerated 1 % more; the request metrics reached odds of 640,000 to 1, a rollback needs 130 to 1; "
        "the canary analysis decided; clients were exposed to the canary for 55 s, at up to 50 %."
    )


def test_every_value_of_the_plots_is_one_of_explain(bad, capsys):
    document = explained(bad, capsys)
    drawn = json.loads(render(report(bad), "json"))
    evaluations = [one for one in document["decisions"] if one["evidence"]]
    spent = {
        (at(one["at"]), probe["probe"]): probe["figures"]["false_alarm"]
        for one in evaluations
        for probe in one["evidence"]
        if "false_alarm" in probe["figures"]
    }
    evidence, weights, errors, latency, requests = drawn["plots"]
    names = {"request metrics": "metrics", "latency": "performance", "kinds of log errors": "logs", "alarms": "alarms"}
    checked = 0
    for series in evidence["series"]:
        probe = names.get(series["name"].partition(":")[0])
        for point in series["points"] if probe else ():
            odds = spent[at(point["at"]), probe]
            if odds["evidence"]:
                assert point["value"] == pytest.approx(max(0, 100 * log(odds["evidence"]) / log(odds["needed"])))
            checked += 1
    assert checked == 5 * 4
    (callout,) = evidence["callouts"]
    crossing = next(one for one in evaluations if one["verdict"]["outcome"] == "FAIL")
    assert at(callout["at"]) == at(crossing["at"])
    odds = spent[at(crossing["at"]), "metrics"]
    for value in (odds["evidence"], odds["needed"]):
        assert f"{odds_in_words(value)} to 1" in callout["words"]
    shifts = [(at(one["at"]), one["weight_percent"]) for one in document["deployment"]["shifts"]]
    assert [(at(one["at"]), one["value"]) for one in weights["series"][0]["points"]][1:3] == shifts
    for plot, key, probe in ((requests, "requests", "metrics"), (latency, "p50_ms", "performance")):
        figures = [
            one["figures"]["functions"]["authorize"]
            for entry in evaluations
            for one in entry["evidence"]
            if one["probe"] == probe
        ]
        for side in ("stable", "canary"):
            series = next(one for one in plot["series"] if one["name"].startswith(side))
            assert [point["value"] for point in series["points"]] == [one[side][key] for one in figures]
    stable, canary = ([point["value"] for point in series["points"]] for series in errors["series"])
    assert stable == [0] * 5
    assert canary == [0, 0, 0, 10.0, 10.0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_every_number_of_the_tables_is_one_of_explain(bad, capsys):
    document, found = explained(bad, capsys), report(bad)
    rows = next(one for one in found.tables if one.title == "Evaluations").rows
    evaluations = [one for one in document["decisions"] if one["evidence"]]
    assert len(rows) == len(evaluations) == 6
    for row, entry in zip(rows, evaluations, strict=True):
        assert row[0] == f"{at(entry['at']):%H:%M:%S}"
        assert (row[3], row[4]) == (entry["verdict"]["outcome"], entry["decision"]["action"])
        for column, side in ((5, "canary"), (6, "stable")):
            counted = [
                one[side]
                for probe in entry["evidence"]
                if probe["probe"] == "metrics"
                for one in probe["figures"]["functions"].values()
            ]
            requests, errors = (sum(one[key] for one in counted) for key in ("requests", "server_errors"))
            assert row[column].startswith(f"{errors:,} of {requests:,} (") if requests else row[column] == "-"
    facts = {fact.name: fact.value for fact in found.facts}
    figures = document["incident"]["figures"]
    assert facts["Clients exposed"] == seconds_in_words(figures["exposed_seconds"])
    assert facts["Trigger to stable"] == seconds_in_words(figures["trigger_to_restored_seconds"])


def test_the_page_is_one_file_that_runs_and_loads_nothing(bad):
    text = render(report(bad), "html")
    page = Page(text)
    assert "script" not in page.tags
    assert not [one for one in page.attributes if one[1].startswith("on") or one[1] in {"style", "src"}]
    assert [value for tag, name, value in page.attributes if name in {"href", "xmlns"}] == [
        "http://www.w3.org/2000/svg"
    ] * len(report(bad).plots)
    (policy,) = [value for _, name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert page.tags.count("svg") == len(report(bad).plots) == 5
    assert "a rollback needs 130 to 1" in page.words
    assert len(text.encode()) < MOST_BYTES


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_what_the_record_says_is_text_in_every_format(bad, form):
    record, entries = bad.ledger.read_record("d-1"), bad.ledger.read_decisions("d-1")
    hostile = replace(
        record,
        requested_by=SCRIPT,
        reason=SCRIPT,
        rollback=replace(record.rollback, trigger=replace(record.rollback.trigger, reason=SCRIPT)),
        functions=tuple(replace(one, stable_version=SCRIPT) for one in record.functions),
    )
    changed = [replace(one, decision=replace(one.decision, reason=SCRIPT)) for one in entries]
    text = render(deployment_report(DeploymentFacts(hostile, changed)), form)
    if form != "json":
        assert "\u202e" not in text
    if form == "md":
        assert "@everyone" not in text
        assert escaped(SCRIPT) in text
        assert not re.search(r"(?<!\\)<", text), "every < is text"
    if form == "html":
        assert "script" not in Page(text).tags


def test_a_running_deployment_says_that_it_is_running():
    recorder = bad_release()
    recorder.deploy(stop_after=2)
    found = report(recorder)
    assert found.outcome == "RUNNING"
    assert found.headline == "d-1 is running: shifting"
    assert "It is still running, with 10 % on authorize:2" in found.sentence
    assert "…" in Page(render(found, "html")).words


def test_a_deployment_without_evaluations_says_what_is_missing():
    recorder = Recorder()
    recorder.ledger.create_record(recorder.scene.record(phase=DeploymentPhase.LOCKED, plan=plan()))
    found = report(recorder)
    assert found.plots == ()
    assert "No evaluation of the canary was recorded, so there is no evidence to plot." in found.missing
    assert "No evaluation" in render(found, "html")
    assert "No evaluation" in render(found, "md")


def test_a_release_that_stays_names_the_evidence_that_came_nearest():
    recorder = Recorder()
    recorder.deploy()
    found = report(recorder)
    assert (found.outcome, found.tone) == ("SUCCEEDED", "good")
    assert "the evidence nearest to a rollback was that of the" in found.sentence
    assert not found.plots[0].callouts
    assert "no measure reached what a rollback needs" in found.plots[0].description
    assert found.plots[1].series[0].points[-1].value == 100


def test_an_alarm_and_the_rollback_are_marked_on_every_plot():
    recorder = bad_release()
    recorder.deploy(stop_after=4)
    recorder.alarm("d-1", "7.7 % > 5 %")
    found = report(recorder)
    names = [moment.name for moment in found.plots[0].moments]
    assert names == [
        "alarm ib-oauth-token-server-errors-test",
        "rollback, decided by an alarm whose evaluation blamed the release",
        "every alias points at its stable version",
    ]
    assert all(plot.moments == found.plots[0].moments for plot in found.plots)
    assert "an alarm whose evaluation blamed the release decided" in found.sentence
    assert any("recorded in words only" in note for note in found.missing)
    assert "started the rollback" in render(found, "md")


def test_the_evidence_of_an_alarm_s_evaluation_is_drawn_at_the_time_of_the_alarm():
    recorder = bad_release()
    recorder.deploy(stop_after=4)
    recorder.alarm("d-1", "7.7 % > 5 %", odds=9100.0)
    found = report(recorder)
    (callout,) = found.plots[0].callouts
    (event,) = recorder.ledger.read_events(1)
    assert callout.at == event.at
    assert callout.words.endswith("alarms: 9,100 to 1, a rollback needs 8,000 to 1")
    assert "the alarms reached odds of 9,100 to 1" in found.sentence
    assert not any("words only" in note for note in found.missing)


def test_refused_grants_have_a_plot_of_their_own():
    recorder = Recorder(metrics=FakeVersionMetrics(refused={CANARY: 0.9}))
    recorder.deploy()
    titles = [plot.title for plot in report(recorder).plots]
    assert "Refused known grants of token by version" in titles
    assert "5xx responses of token by version" in titles


def test_a_long_deployment_stays_below_the_limit_and_says_what_it_leaves_out():
    recorder = bad_release()
    recorder.deploy()
    record, entries = recorder.ledger.read_record("d-1"), recorder.ledger.read_decisions("d-1")
    many = [
        replace(entries[1 + number % 3], number=number, at=entries[1].at + seconds(number)) for number in range(1500)
    ]
    found = deployment_report(DeploymentFacts(record, many))
    text = render(found, "html")
    assert len(text.encode()) < MOST_BYTES
    assert f"{1500 - MOST_ROWS} rows in the middle are left out." in text
    assert len(render(found, "md")) < 65_536, "a comment on GitHub has at most so many characters"


def test_a_broken_chain_is_the_first_thing_that_is_missing(bad):
    facts = DeploymentFacts(bad.ledger.read_record("d-1"), bad.ledger.read_decisions("d-1"))
    assert deployment_report(facts, broken_at=2).missing[0].startswith("The hash chain is broken at decision 3")


def test_evidence_of_older_releases_without_odds_leaves_the_plot_out(bad):
    entries = [
        replace(entry, evidence=tuple(replace(one, figures={}) for one in entry.evidence))
        for entry in bad.ledger.read_decisions("d-1")
    ]
    found = deployment_report(DeploymentFacts(bad.ledger.read_record("d-1"), entries))
    assert [plot.title for plot in found.plots] == ["Traffic that the canary was given"]
    assert any("recorded no odds" in note for note in found.missing)
    assert "-" in next(one for one in found.tables if one.title == "Evaluations").rows[0]


@pytest.mark.parametrize(
    ("value", "words"), [(2.94, "2.9 s"), (22.4, "22 s"), (250.0, "4 min 10 s"), (7500.0, "2 h 5 min")]
)
def test_durations_are_short(value, words):
    assert seconds_in_words(value) == words


def test_a_table_keeps_its_ends_and_shortens_long_cells():
    found = table("t", "c", ("a",), [(str(number),) for number in range(100)] + [("x" * 1000,)])
    assert (len(found.rows), found.omitted) == (MOST_ROWS, 41)
    assert found.rows[0] == ("0",)
    assert found.rows[-1][0].endswith("…")


def test_markdown_is_tables_without_images(bad):
    text = render(report(bad), "md")
    assert text.startswith("## ❌ d-1 was rolled back after 59 s\n")
    assert "<svg" not in text
    assert "![" not in text
    assert "640,000 to 1" in text
    assert "`orchestrator explain d-1 --env local`" in text or "`orchestrator explain d-1 --env" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_the_json_of_a_report_states_every_value_that_json_can(bad):
    document = json.loads(render(report(bad), "json"))
    assert document["kind"] == "deployment"
    assert document["sentence"] == report(bad).sentence
    assert msgspec.to_builtins(report(bad).facts) == document["facts"] or len(document["facts"]) == len(
        report(bad).facts
    )


def test_the_verification_of_stable_is_no_evaluation_of_the_canary(bad):
    record, entries = bad.ledger.read_record("d-1"), bad.ledger.read_decisions("d-1")
    last = replace(entries[-1], decision=replace(entries[-1].decision, action=Action.REVERT), state="VerifyStable")
    assert len(DeploymentFacts(record, [*entries, last]).judged) == len(entries)
