"""What the local cloud's CreateStateMachine rejects, and what DescribeExecution says about a redrive."""

import json
from pathlib import Path

import pytest

from orchestrator.local.emulator.stepfunctions.requests import redrive, schema_error

ROOT = Path(__file__).resolve().parents[5]
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Timestamp": "2026-01-01T00:00:00Z", "End": True}}}


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        (json.dumps(WAIT), ""),
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"StartAt": "A"}', "[States] at /"),
        ("{}", "[StartAt, States] at /"),
        (json.dumps(WAIT).replace("T00:00:00Z", " 00:00:00Z"), "at /States/W/Timestamp"),
        (json.dumps(WAIT).replace("00Z", "00"), "at /States/W/Timestamp"),
        (json.dumps(WAIT).replace("00Z", "00.5+01:00"), ""),
        (json.dumps(WAIT).replace("2026-01-01T00:00:00Z", "{% $at %}"), ""),
    ],
)
def test_a_definition_is_rejected_for_its_schema(definition, reason):
    found = schema_error(definition)
    assert found.endswith(reason) if reason else not found


def test_the_product_s_definitions_are_accepted():
    files = sorted(ROOT.glob("state_machines/*.asl.json"))
    assert files
    assert [schema_error(path.read_text(encoding="utf-8")) for path in files] == [""] * len(files)


@pytest.mark.parametrize(
    ("status", "possible"),
    [("RUNNING", False), ("SUCCEEDED", False), ("FAILED", True), ("TIMED_OUT", True), ("ABORTED", True)],
)
def test_only_an_execution_that_did_not_succeed_can_be_redriven(status, possible):
    facts = redrive(status)
    assert facts["redriveStatus"] == ("REDRIVABLE" if possible else "NOT_REDRIVABLE")
    assert ("redriveStatusReason" in facts) == (not possible)
