"""Reports that an operator keeps: compliance and upkeep of this environment, and no recovery."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.kept_report import entry_of_report
from tests.samples import NOW, seconds

REPORT = {"kind": "upkeep", "environment": "test", "at": "2026-11-30T08:00:00+02:00", "outcome": "INCOMPLETE"}


def document(**changes: object) -> bytes:
    return json.dumps({**REPORT, **changes}).encode()


def test_an_entry_has_the_reports_kind_and_outcome_and_the_time_at_which_it_is_recorded():
    now = NOW + seconds(5)

    entry = entry_of_report(document(), "test", now)

    assert (entry.kind, entry.outcome, entry.environment, entry.recorded_at) == ("upkeep", "INCOMPLETE", "test", now)
    assert entry.recovery.startswith("upkeep-20261130T060000Z-")
    assert (entry.number, entry.files, entry.signature) == (0, (), "")


def test_the_same_report_has_the_same_id_and_another_one_another():
    first, again = (entry_of_report(document(), "test", at).recovery for at in (NOW, NOW + seconds(9)))
    assert first == again != entry_of_report(document(summary="x"), "test", NOW).recovery


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"", "report"),
        (b"[]", "report"),
        (b"{}", "report"),
        (document(at="today"), "report"),
        (document(at=7), "report"),
        (document(at="2026-11-30T08:00:00"), "at"),
        (document(kind="drill"), "kind"),
        (document(kind="restore"), "kind"),
        (document(environment="prod"), "environment"),
        (document(outcome="GREEN"), "outcome"),
    ],
)
def test_anything_else_is_refused_with_the_field(text, field):
    with pytest.raises(Refused) as refused:
        entry_of_report(text, "test", NOW)

    assert refused.value.field == field
