"""`orchestrator compliance`: its page and its JSON, its exit codes, the kept report and the trend."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.aws.ledger.findings import FindingStore
from orchestrator.cli.actions.compliance.gathering import Gathering
from orchestrator.cli.main import app
from orchestrator.domain.compliance.catalogue.controls import controls_of
from orchestrator.domain.compliance.control import Framework
from orchestrator.domain.compliance.result import Result, Status
from tests.fakes.evidence import EvidenceInMemory, recorder
from tests.samples import NOW, seconds

RUN = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200", "ORCHESTRATOR_REQUESTED_BY": "ann"})
PRACTICES = [control.id for control in controls_of([Framework.PRACTICES])]


class Environment:
    """An environment whose controls have the results that a test wants."""

    def __init__(self) -> None:
        self.name, self.cloud, self.at = "test", self, NOW
        self.environment = SimpleNamespace(local=True)
        memory = EvidenceInMemory()
        self.artifacts, self.evidence = memory.artifacts, memory.chain
        self.report_recorder = recorder(lambda: self.evidence, "test", lambda: self.at)
        self.ledger = SimpleNamespace(record_event=self._record)
        self.findings = FindingStore(memory.ledger, "ledger")
        self.events, self.changed = [], {}

    def _record(self, event):
        self.events.append(event)

    def now(self):
        self.at += seconds(60)
        return self.at

    def results(self, frameworks):
        """All pass, except what `changed` has."""
        passed = {control.id: Result(control.id, Status.PASS) for control in controls_of(frameworks)}
        return [*{**passed, **{name: one for name, one in self.changed.items() if name in passed}}.values()]


@pytest.fixture
def there(monkeypatch):
    found = Environment()
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: found)
    monkeypatch.setattr(Gathering, "results", found.results)
    return found


def run(*words):
    answer = RUN.invoke(app, ["compliance", *map(str, words)])
    return SimpleNamespace(code=answer.exit_code, text=answer.output)


def fail(there, name="practice-drill-in-time", reason="no drill has succeeded"):
    there.changed[name] = Result(name, Status.FAIL, reason)


def test_an_environment_that_meets_every_control_exits_with_0(there):
    result = run()
    assert result.code == 0
    assert "SUCCEEDED: 263 controls: 263 pass" in result.text


@pytest.mark.strategy("Compliance Checks: Best practices")
def test_a_failing_control_is_first_with_its_remedy_and_exits_with_1(there):
    fail(there)
    there.changed["practice-keys-rotated"] = Result("practice-keys-rotated", Status.NOT_CHECKED, "no key", "look")

    result = run("--framework", "practices")

    assert result.code == 1
    lines = [line.strip() for line in result.text.splitlines()]
    first = lines.index("fail: practice-drill-in-time (high, NIST CP-4, CP-9(1), owner operators)")
    assert lines[first + 1 : first + 4] == [
        "required A drill proved in time that the tables can be recovered.",
        "found    no drill has succeeded",
        "remedy   orchestrator drill --watch",
    ]
    assert lines.index("not checked: practice-keys-rotated") > first
    assert lines[-1].startswith("FAILED: 17 controls: 1 fail, 1 not checked, 15 pass")


def test_a_control_that_was_not_checked_is_no_success(there):
    there.changed["practice-keys-rotated"] = Result("practice-keys-rotated", Status.NOT_CHECKED, "no key", "look")
    assert run("--framework", "practices").code == 3


def test_an_unknown_framework_is_refused(there):
    result = run("--framework", "pci", "--json")
    assert result.code == 2
    assert json.loads(result.text)["error"]["field"] == "--framework"


def test_controls_that_share_a_reason_are_one_entry(there):
    for name in PRACTICES:
        there.changed[name] = Result(name, Status.NOT_CHECKED, "no credentials", "log in")

    text = run("--framework", "practices").text

    assert text.count("no credentials") == 1
    assert "and 9 more" in text


def test_text_of_others_cannot_control_the_terminal(there):
    fail(there, reason="answered \x1b[2Jgone\nforged line")
    text = run("--framework", "practices").text
    assert r"answered \x1b[2Jgone\nforged line" in text
    assert "\x1b[2J" not in text


def test_json_is_one_object_with_every_control(there):
    fail(there)
    document = json.loads(run("--json").text)

    assert document["outcome"] == "FAILED"
    assert len(document["controls"]) == 263
    assert document["controls"][0] | {"framework": "practices"} == {
        "id": "practice-drill-in-time",
        "framework": "practices",
        "requirement": "A drill proved in time that the tables can be recovered.",
        "source": "NIST CP-4, CP-9(1)",
        "method": "reading of the environment",
        "severity": "high",
        "owner": "operators",
        "status": "fail",
        "reason": "no drill has succeeded",
        "remedy": "orchestrator drill --watch",
    }
    assert "trend" not in document
    assert "entry" not in document


def test_a_report_is_kept_in_the_evidence_chain_and_its_chain_verifies(there):
    fail(there)
    result = run("--framework", "practices", "--record")

    assert "kept as entry 1 (compliance-" in result.text
    assert list(there.findings.read_register().findings) == ["compliance:practice-drill-in-time"]
    assert there.evidence.verify_chain() == ()
    (entry,) = there.evidence.read_entries()
    assert (entry.kind, entry.outcome) == ("compliance", "FAILED")
    assert there.events[0].name == "compliance by ann"
    assert there.evidence.newest_success("compliance") is None
    shown = RUN.invoke(app, ["evidence", "show", entry.recovery])
    assert shown.output.startswith("FAILED  17 controls: 1 fail, 16 pass")
    assert "practice-drill-in-time" in shown.output
    page = there.artifacts.find_file(entry.files[1].key).decode()
    assert "no drill has succeeded" in page
    assert "<script" not in page


def test_a_report_whose_page_cannot_be_written_is_not_kept(there):
    result = run("--framework", "practices", "--record", "--output", "/dev/full", "--json")
    assert result.code == 2
    assert json.loads(result.text)["error"]["field"] == "--output"
    assert there.evidence.read_entries() == []
    assert there.events == []


def test_a_kept_report_whose_bytes_were_changed_is_found(there):
    run("--record")
    (entry,) = there.evidence.read_entries()
    there.artifacts.put_file(entry.files[0].key, b"{}", "application/json")

    assert [fault.where for fault in there.evidence.verify_chain()] == [f"{entry.title} bundle.json"]
    assert run("--trend").code == 2


def test_the_trend_compares_with_the_newest_kept_report_before_this_one(there):
    assert "no earlier report is kept" in run("--trend").text
    fail(there)
    run("--record")
    there.changed.clear()
    fail(there, "practice-keys-rotated", "overdue")

    trend = json.loads(run("--trend", "--record", "--json").text)["trend"]

    assert trend["newly_failing"] == ["practice-keys-rotated"]
    assert trend["resolved"] == ["practice-drill-in-time"]
    assert "still failing practice-keys-rotated" in run("--trend").text
    assert len(there.evidence.read_entries()) == 2


def test_a_trend_of_one_framework_leaves_the_others_out(there):
    run("--record")
    trend = json.loads(run("--trend", "--framework", "practices", "--json").text)["trend"]
    assert trend["removed"] == []
    assert "no control changed" in run("--trend", "--framework", "practices").text


def test_the_page_is_written_where_it_was_requested(there, tmp_path):
    fail(there, reason="<b>bold</b>")
    file = tmp_path / "reports" / "page.html"

    result = run("--output", file)

    assert f"the page is {file}" in result.text
    page = file.read_text(encoding="utf-8")
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "Content-Security-Policy" in page
    assert page.index("Failing") < page.index("Passing")
