"""The drill's map over segments, as its definition has it, on the local cloud's interpreter; moto's runs it in tests/workflow."""

from __future__ import annotations

import copy

import pytest

from state_machines import definitions
from tests.contract.machines import Machines

pytestmark = pytest.mark.both
READS = """
    def handler(event, context):
        reading = event["reading"]
        if reading["segment"] == 1:
            raise RuntimeError("it cannot be read")
        assert event["kind"] == "drill" and event["state"]["fencing_token"] == 7 and event["execution"].startswith("arn:")
        print("read", reading["side"], reading["segment"])
        return {"recovery": event["recovery"], "fencing_token": 7, "decision": {"action": "DIGEST"}}
"""


def test_segments_are_read_side_by_side_and_one_that_cannot_be_ends_nothing(cloud):
    state = copy.deepcopy(definitions.load("drill").states["DigestSegments"])
    (task,) = [one for one in state["ItemProcessor"]["States"].values() if one["Type"] == "Task"]
    task["Parameters"]["FunctionName"] = cloud.function(READS)
    task["Retry"] = []
    states = {
        "DigestSegments": {**state, "Next": "CompareContent"},
        "CompareContent": {"Type": "Succeed"},
        "CleanUp": {"Type": "Fail"},
    }
    readings = [
        {"role": "tokens", "side": side, "level": "raw", "segment": segment, "segments": 3}
        for segment in range(3)
        for side in ("source", "restored")
    ]
    map_input = {"recovery": "dr-1", "fencing_token": 7, "decision": {"action": "DIGEST"}, "segments": readings}
    machines = Machines(cloud)

    ended = machines.ended(machines.start(states, map_input), within_seconds=60)

    assert ended.status == "SUCCEEDED", ended
    # What was asked for is still there: CompareContent finds by it what could not be read.
    assert ended.output == map_input
