"""docs/reference/rehearsals.md is what the recorded runs say, and every scenario has an injector."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.rehearsal.catalogue import SCENARIOS
from orchestrator.domain.rehearsal.page import render_page
from orchestrator.domain.rehearsal.result import Rehearsal, Step
from orchestrator.domain.rehearsal.scenario import CloudUse, End
from orchestrator.local.rehearsal.injectors import INJECTORS
from orchestrator.local.rehearsal.injectors.region import UNDER_WAY
from orchestrator.local.rehearsal.record import RECORD, read_record, write_record

RUN = Rehearsal(
    scenario="ledger-lost",
    started_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
    steps=(Step(0.1, "The ledger's table is deleted."),),
    commands=("orchestrator status --env local",),
    ended=End.THROUGHOUT,
    problem="",
    recovery_seconds=0.0,
    loss_seconds=0.0,
    alarm_seconds=61.0,
    flows=80,
    failed_flows=0,
    writes=90,
    lost_writes=0,
)


def test_the_page_is_what_the_recorded_runs_say():
    written = RECORD.with_suffix(".md").read_text(encoding="utf-8")
    assert written == render_page(SCENARIOS, read_record(RECORD)), "run `python -m orchestrator.local.rehearsal.record`"


def test_every_recorded_run_is_of_a_scenario():
    assert set(read_record(RECORD)) <= {scenario.name for scenario in SCENARIOS}


def test_every_scenario_has_an_injector_and_no_other_has():
    assert set(INJECTORS) | set(UNDER_WAY) == {scenario.name for scenario in SCENARIOS}
    assert not set(INJECTORS) & set(UNDER_WAY)
    own = {scenario.name for scenario in SCENARIOS if scenario.cloud is CloudUse.OWN}
    assert set(UNDER_WAY) <= own


def test_a_run_is_recorded_as_it_was_and_replaces_the_last_of_its_scenario(tmp_path):
    file = tmp_path / "rehearsals.json"
    write_record(file, [dataclasses.replace(RUN, flows=1)])
    page = write_record(file, [RUN])
    assert read_record(file) == {"ledger-lost": RUN}
    assert page.read_text(encoding="utf-8") == render_page(SCENARIOS, {"ledger-lost": RUN})


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"ledger-lost": {"scenario": "ledger-lost"}})])
def test_a_file_that_is_no_record_is_refused_and_left_as_it_was(tmp_path, text):
    file = tmp_path / "rehearsals.json"
    file.write_text(text)
    with pytest.raises(Refused, match="--record"):
        write_record(file, [RUN])
    assert file.read_text() == text
