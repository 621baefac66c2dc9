"""Evidence of a recovery: what its document says, and what it never says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.configuration.snapshot import SnapshotRecord
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.evidence.html_report import render_html
from orchestrator.domain.evidence.report import WITHHELD, as_concluded, report_document, report_of
from orchestrator.domain.recovery.record import (
    CheckResult,
    Fault,
    Measured,
    Recovery,
    RecoveryOutcome,
    RecoveryPhase,
    concluded,
    judge_objectives,
    refused_recovery,
)
from orchestrator.domain.verdict import Verdict
from tests.samples import NOW, recovery, seconds

CONTENT = CheckResult("content.tokens", Verdict.passed("100 items agree"), {"source_at_point": "stream", "items": 100})
LATE = NOW + timedelta(hours=3)
ENDED = NOW + seconds(1830)


def drilled(*findings: CheckResult, ended=ENDED, **changes) -> Recovery:
    """A drill that took half an hour: waited for in two phases, the last one longer."""
    phases = (
        RecoveryPhase("AwaitRestore", NOW, NOW + seconds(30)),
        RecoveryPhase("Conclude", NOW + seconds(30), ended),
    )
    tables = tuple(
        replace(table, started_at=NOW + seconds(1), ready_at=NOW + seconds(20)) for table in recovery().tables
    )
    begun = recovery(phases=phases, tables=tables, cleaned_at=ended, measured=Measured(None, seconds(4), "canary rows"))
    return concluded(replace(judge_objectives(begun, ended).with_check_results(*findings), **changes), ended)


def report(of: Recovery, configuration: SnapshotRecord | None = None):
    """The report as a reader of the file gets it."""
    return json.loads(report_document(report_of(of, configuration)))


def page(of: Recovery) -> str:
    return render_html(report(of), "0" * 64).decode()


def test_a_green_drill_says_what_was_done_how_long_it_took_and_that_nothing_remains():
    written = report(drilled(CONTENT))

    assert written["recovery"]["outcome"] == "SUCCEEDED"
    assert written["summary"] == (
        "drill dr-1 of test: ib-oauth-state-test and ib-oauth-tokens-test restored to 2026-11-23 02:55:00 UTC; "
        "every check passed. Recovery time 1829 s, data loss 4 s."
    )
    assert written["went_well"] == ["objective.recovery_time", "objective.data_loss", "content.tokens"]
    assert (written["went_wrong"], written["residual"]) == ([], [])
    assert written["source_at_point"] == {"content.tokens": "stream"}
    assert written["recovery"]["requested_by"] == "somebody"


def test_what_was_unknown_and_decided_nothing_is_reported_in_all_places():
    untold = replace(CONTENT, verdict=Verdict.inconclusive("it has no stream"), decides=False)
    written = report(drilled(untold))

    assert written["recovery"]["outcome"] == "SUCCEEDED"
    assert "informational and not passed: content.tokens" in written["summary"]
    assert written["went_wrong"] == []
    assert "content.tokens could not be judged, and the outcome does not depend on it" in written["residual"]
    assert [one["decides"] for one in written["findings"]] == [True, True, False]
    assert "informational" in page(drilled(untold))


def test_what_a_restore_leaves_is_for_a_person_to_remove_and_never_what_is_in_use():
    cut_over = CheckResult("cutover", Verdict.passed("d-dr-1"))
    restored = replace(drilled(CONTENT, cut_over), kind=Kind.RESTORE, cleaned_at=None)
    (left,) = report(restored)["residual"]
    assert left.startswith("ib-oauth-state-test, ib-oauth-tokens-test stay until an operator removes them")
    (unused,) = [one for one in report(replace(restored, check_results=(CONTENT,)))["residual"] if "stay" in one]
    assert unused.startswith("ib-oauth-drill-dr-1-state-test, ")


def test_one_that_went_back_says_what_it_left_and_from_which_restore():
    written = report(replace(drilled(CONTENT), kind=Kind.RESTORE, failback_of="dr-0"))
    assert (
        "replaced by the original tables of restore dr-0, with all writes since; every check passed"
        in written["summary"]
    )
    assert written["recovery"]["failback_of"] == "dr-0"


def test_what_was_restored_from_backups_names_them_with_their_times():
    drill = drilled(CONTENT)
    state, tokens = drill.tables
    arn = "arn:aws:dynamodb:us-west-1:1:table/state/backup/1"
    restored = replace(drill, tables=(replace(state, backup_arn=arn, backup_at=NOW), tokens))
    found = [(table["backup_arn"], table["backup_at"]) for table in report(restored)["scope"]["tables"]]
    assert found == [(arn, NOW.isoformat()), ("", None)]
    assert f"from {arn} of {NOW.isoformat()}" in page(restored)
    assert "from arn:" not in page(drill)


def test_every_field_of_an_after_action_report_is_there_however_it_ended():
    wanted = {
        "summary", "recovery", "scope", "objectives", "timeline", "findings", "went_well", "went_wrong", "source_at_point",
        "residual", "cost", "configuration", "format", "scenario",
    }  # fmt: skip
    for one in (drilled(CONTENT), drilled(), refused_recovery(recovery(), "too dear", NOW)):
        assert report(one).keys() == wanted


def test_the_phases_add_up_to_the_wall_time():
    timeline = report(drilled())["timeline"]

    assert sum(phase["seconds"] for phase in timeline["phases"]) == pytest.approx(timeline["wall_seconds"])
    assert timeline["wall_seconds"] == 1830
    assert "equals the wall time" in page(drilled())


def test_a_wall_time_that_is_not_accounted_for_is_said():
    gap = drilled(CONTENT)

    assert "30 min 30 s: 30.0 s are not accounted for" in page(replace(gap, phases=gap.phases[1:]))


def test_an_objective_that_was_missed_is_not_met_and_neither_is_an_unmeasured_one():
    late = report(drilled(ended=LATE))
    unmeasured = report(refused_recovery(recovery(), "too dear", NOW))

    assert {one["name"]: one["met"] for one in late["objectives"]} == {"recovery_time": False, "data_loss": True}
    assert "objective.recovery_time: FAIL: 10799 s of the 7200 s allowed" in late["went_wrong"]
    assert late["recovery"]["outcome"] == "FAILED"
    assert [one["met"] for one in unmeasured["objectives"]] == [False, False]


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (drilled(), "there is no evidence of what the source held at the point: the contents are not proved"),
        (replace(drilled(), cleaned_at=None), "its resources may still exist; anyone may remove them after 2026-11-23T15:00:00+00:00"),
        (replace(drilled(), fault=Fault.TTL_OFF), "a fault was injected into the restored tables (ttl-off): the result shows whether drills detect it, not whether a restore works"),
        (replace(drilled(), measured=Measured()), "recovery time was not measured"),
        (drilled(CheckResult("content.state", Verdict.failed("3 missing"))), "content.state has to be fixed"),
        (drilled(CheckResult("content.state", Verdict.error("throttled"))), "content.state could not be judged"),
        (drilled(CheckResult("content.state", Verdict.inconclusive("half read"))), "content.state could not be judged"),
    ],
)  # fmt: skip
def test_what_remains_is_said(of, text):
    assert text in report(of)["residual"]


def test_a_recovery_that_was_refused_made_nothing_and_leaves_nothing():
    written = report(refused_recovery(recovery(), "it would cost 9 USD", NOW))

    assert written["summary"] == "drill dr-1 of test was refused, and nothing was created: it would cost 9 USD"
    assert written["residual"] == []


def test_the_configuration_is_named_by_its_bundle():
    taken = SnapshotRecord("c-1", NOW, "drill", 143, "sha256:abc", "key", "f" * 64)

    assert report(drilled(), taken)["configuration"] == {"bundle": "c-1", "digest": "sha256:abc"}
    assert "c-1 (sha256:abc)" in render_html(report(drilled(), taken), "").decode()


@pytest.mark.parametrize(
    "secret",
    [
        "ibr_AAAAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
        "ibcs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl",
    ],
)
def test_a_credential_that_a_finding_should_not_have_carried_does_not_get_into_the_evidence(secret):
    leaking = CheckResult("serving.flow", Verdict.failed(f"{secret} was refused"), {"seen": [secret], secret: 1})

    written = report_document(report_of(drilled(leaking), None)).decode()

    assert secret not in written
    assert written.count(WITHHELD) >= 3
    assert secret not in page(drilled(leaking))


def test_a_page_runs_nothing_loads_nothing_and_says_what_others_wrote_as_text():
    hostile = '<img src=x onerror="alert(1)"> & more'
    text = page(drilled(CheckResult(hostile, Verdict.failed(hostile), {"figure": hostile}), requested_by=hostile))

    assert hostile not in text
    assert "&lt;img src=x" in text
    assert "default-src 'none'" in text
    for foreign in ("<script", "<link", "<img", "src=", "http://", "https://", "url(", "@import"):
        assert foreign not in text.replace("&lt;img src=x", ""), foreign


@pytest.mark.parametrize(
    ("of", "badge"),
    [
        (drilled(CONTENT), "SUCCEEDED"),
        (drilled(CheckResult("content.state", Verdict.failed("x"))), "FAILED"),
        (refused_recovery(recovery(), "too dear", NOW), "REFUSED"),
    ],
)
def test_a_page_says_its_ending_in_words_first(of, badge):
    text = page(of)

    body = text.partition("<header>")[2]
    assert body.index(badge) < body.index("<h1>")
    assert f"{badge}</title>" in text


def test_what_did_not_pass_comes_first_on_a_page():
    text = page(drilled(CONTENT, CheckResult("z", Verdict.failed("x")), CheckResult("y", Verdict.error("x"))))

    assert text.index('scope="row" class="code">z') < text.index('"code">y') < text.index('"code">content.tokens')


def test_a_page_of_a_refused_recovery_says_that_nothing_was_looked_at():
    text = page(refused_recovery(recovery(), "too dear", NOW))

    assert "No check ran." in text
    assert "not measured" in text


@pytest.mark.parametrize(
    ("ended", "said"),
    [(90, "1 min 30 s"), (3600, "1 h"), (3660, "1 h 1 min"), (60, "1 min"), (31, "1.0 s"), (100_000, "27 h 46 min")],
)
def test_lengths_are_said_as_people_say_them(ended, said):
    assert f'class="number">{said}<' in page(drilled(ended=NOW + seconds(ended)))


def test_what_was_broken_on_purpose_is_on_the_page():
    assert "Injected fault" in page(replace(drilled(), fault=Fault.MISSING_ROW))


def test_endings_are_all_shown():
    assert {RecoveryOutcome(one) for one in ("SUCCEEDED", "FAILED", "REFUSED")} == set(RecoveryOutcome)


def test_a_recovery_without_a_conclusion_is_evidence_too_and_red_for_what_broke_it():
    done = replace(recovery(), outcome=RecoveryOutcome.SUCCEEDED, reason="fine", ended_at=NOW)
    assert as_concluded(done, {"Error": "Boom"}, NOW) == done
    for error, text in (({"Error": "Boom", "Cause": "it broke"}, "Boom: it broke"), ({}, "machine.1")):
        found = as_concluded(recovery(), error, NOW)
        assert (found.outcome, found.ended_at) == (RecoveryOutcome.FAILED, NOW)
        assert text in found.reason
