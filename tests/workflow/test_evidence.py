"""What a drill leaves for later readers: evidence, however it ended, once, and the metrics that alarms watch."""

from __future__ import annotations

import dataclasses
import json
import re
from copy import deepcopy

import pytest

from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.evidence.chain import HTML_FILE, REPORT_FILE, entry_file
from orchestrator.event_handlers.reconcile import handler as reconcile
from state_machines import definitions
from tests.workflow.drills import DrillWorld, drilled, reaching
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns, raised


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def in_state(state: str, effect):
    """A bridge that does something in one state and lets all others be."""
    return lambda invocation, run: effect(run) if invocation.state == state else run()


def report(world: DrillWorld, drill: str) -> dict:
    (bundle,) = [file for file in world.cloud.evidence.read_entry(drill).files if file.name == REPORT_FILE]
    return json.loads(world.cloud.evidence.read_file(bundle))


def published(world: DrillWorld, metric: str) -> list[float]:
    return [line[metric] for line in world.measured if metric in line]


def test_a_green_drill_leaves_a_bundle_and_a_page_that_are_as_they_were_recorded(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-ev-green")
        link = world.cloud.evidence.read_entry("dr-ev-green")
        found = report(world, "dr-ev-green")
        assert world.cloud.evidence.verify_chain() == ()

    recovery = world.recovery("dr-ev-green")
    assert (link.number, link.outcome, {file.name for file in link.files}) == (1, "SUCCEEDED", {REPORT_FILE, HTML_FILE})
    assert found["timeline"]["wall_seconds"] == (recovery.ended_at - recovery.requested_at).total_seconds()
    phases = [phase["seconds"] for phase in found["timeline"]["phases"]]
    assert sum(phases) == pytest.approx(found["timeline"]["wall_seconds"], abs=1e-6 * len(phases))
    assert found["configuration"]["bundle"] == world.cloud.artifacts.list_snapshots(1)[0].id
    assert published(world, "DrillSucceeded") == [1]
    assert published(world, "RecoverySeconds") == [found["objectives"][0]["measured_seconds"]]


@pytest.mark.parametrize(
    "state",
    [
        name
        for name, one in definitions.load("drill").states.items()
        if one["Type"] == "Task"
        and name
        not in {"SeedGrants", "PlanRecovery", "AcquireLock", "InjectFault", "RecordEvidence", "Notify", "ReleaseLock"}
    ],
)
def test_a_drill_that_breaks_anywhere_leaves_evidence_that_says_so(interpreter, state):
    broken = in_state(state, lambda _run: raised("ValueError", "it broke"))
    name = f"dr-ev-{state}"
    with drilled(DrillWorld(interpreter, broken, **reaching(state))) as world:
        ended = world.drill(name)
        found = report(world, name)
        assert world.cloud.evidence.verify_chain() == ()

    assert ended.phase == "FAILED"
    assert found["recovery"]["outcome"] == "FAILED"
    assert any("it broke" in one for one in found["went_wrong"]), found["went_wrong"]
    assert published(world, "DrillSucceeded") == [0]


def test_a_drill_whose_evidence_cannot_be_written_is_not_a_green_one(interpreter):
    broken = in_state("RecordEvidence", lambda _run: raised("ValueError", "no bucket"))
    with drilled(DrillWorld(interpreter, broken)) as world:
        ended = world.drill("dr-ev-none")

    assert ended.phase == "FAILED"
    assert world.cloud.evidence.find_entry("dr-ev-none") is None
    assert published(world, "DrillSucceeded") == []
    assert "no bucket" in world.topics.published[0][2]


def test_a_recovery_has_one_link_however_often_it_is_recorded(interpreter):
    def lost(run):
        run()
        answers.append(1)
        return raised("States.Timeout") if len(answers) < 3 else run()

    answers = []
    with drilled(DrillWorld(interpreter, in_state("RecordEvidence", lost))) as world:
        world.drill("dr-ev-again")
        assert world.cloud.evidence.verify_chain() == ()

    assert [link.recovery for link in world.cloud.evidence.read_entries()] == ["dr-ev-again"]


def test_each_drill_continues_the_chain_and_the_age_of_the_newest_proof_is_published(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        reconcile({"id": "before"}, None)
        assert published(world, "SecondsSinceSuccessfulDrill") == []
        for number in range(3):
            world.drill(f"dr-ev-{number}")
        world.clock.advance(3600)
        reconcile({"id": "after"}, None)
        links = world.cloud.evidence.read_entries()
        assert world.cloud.evidence.verify_chain() == ()

    assert [link.number for link in links] == [1, 2, 3]
    assert [link.previous_hash for link in links[1:]] == [link.hash for link in links[:-1]]
    (age,) = published(world, "SecondsSinceSuccessfulDrill")
    assert 3600 <= age < 3700


def test_what_was_changed_in_the_bucket_is_named(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        for number in range(2):
            world.drill(f"dr-ev-t{number}")
        key = next(key for key in world.s3.objects if key.endswith(".html") and "t1" in key)
        world.s3.objects[key] = world.s3.objects[key].replace(b"SUCCEEDED", b"GREEK")
        link_key = next(key for key in world.s3.objects if "links/000001" in key)
        del world.s3.objects[link_key]
        faults = {(one.where, one.what.partition(":")[0]) for one in world.cloud.evidence.verify_chain()}

    assert ("entry 1", "its file is missing") in faults
    assert any(where == "entry 2 (dr-ev-t1) page.html" for where, _ in faults)
    assert len(faults) == 2


def test_two_that_end_at_the_same_moment_both_get_a_link(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-ev-a")
        world.drill("dr-ev-b")
        chain, recovery = world.cloud.evidence, world.recovery("dr-ev-b")
        stale, real = chain.read_head(), chain.read_head
        heads = iter([type(stale)(), stale])
        chain.read_head = lambda: next(heads, None) or real()
        link, new = chain.append_entry(dataclasses.replace(recovery, id="dr-ev-c"), None, world.clock.now())
        chain.read_head = type(stale)
        with pytest.raises(Throttled, match="the head moved 5 times"):
            chain.append_entry(dataclasses.replace(recovery, id="dr-ev-d"), None, world.clock.now())

    assert (link.number, new) == (3, True)


def _the_newest_are_deleted(items, _links):
    for number in (2, 3):
        del items["evidence", f"link#{number:06}"]
    for drill in ("dr-ev-l1", "dr-ev-l2"):
        items.pop(("evidence", f"recovery#{drill}"), None)


def _set_the_head_back(items, links):
    _the_newest_are_deleted(items, links)
    head = items["evidence", "head"]
    first = links[0]
    head["body"] = {"S": json.dumps({"number": 1, "hash": first.hash})}
    head["newest"] = {"S": first.hash}


def _delete_every_row(items, _links):
    for key in [key for key in items if key[0] == "evidence"]:
        del items[key]


def _let_the_newest_expire(items, _links):
    items["evidence", "link#000003"]["expires_at"] = {"N": "1"}


def _name_another_entry(items, _links):
    items["evidence", "recovery#dr-ev-l2"]["body"] = {"S": "1"}


def _name_no_entry(items, _links):
    items["evidence", "recovery#dr-ev-l2"]["body"] = {"S": "77"}


def _forget_a_recovery(items, _links):
    del items["evidence", "recovery#dr-ev-l1"]


def _forge_a_success(items, links):
    forged = dataclasses.replace(links[-1], recorded_at=links[-1].recorded_at.replace(year=2027))
    items["evidence", "success#drill"]["body"] = {"S": entry_file(forged).decode()}


def _spoil_a_success(items, _links):
    items["evidence", "success#drill"]["body"] = {"S": "{}"}


def _change_the_outcome_of_a_record(items, _links):
    body = items["recovery#dr-ev-l2", "record"]["body"]["S"]
    items["recovery#dr-ev-l2", "record"]["body"] = {"S": body.replace('"outcome":"SUCCEEDED"', '"outcome":"FAILED"')}


def _spoil_a_record(items, _links):
    items["recovery#dr-ev-l2", "record"]["body"] = {"S": "[]"}


@pytest.fixture(scope="module")
def three_drills(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        for number in range(3):
            world.drill(f"dr-ev-l{number}")
        yield world


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_the_newest_are_deleted, "the head"),
        (_set_the_head_back, "the ledger"),
        (_delete_every_row, "the ledger"),
        (_let_the_newest_expire, "link#000003"),
        (_name_another_entry, "recovery#dr-ev-l2"),
        (_name_no_entry, "recovery#dr-ev-l2"),
        (_forget_a_recovery, "recovery#dr-ev-l1"),
        (_forge_a_success, "success#drill"),
        (_spoil_a_success, "success#drill"),
        (_change_the_outcome_of_a_record, "the record of dr-ev-l2"),
        (_spoil_a_record, "the record of dr-ev-l2"),
    ],
)
def test_a_change_of_the_ledger_alone_is_found(three_drills, change, where):
    chain, items = three_drills.cloud.evidence, three_drills.ledger.items
    recorded = deepcopy(items)
    assert chain.verify_chain() == ()
    try:
        change(items, chain.read_entries())
        faults, newest = chain.verify_chain(), chain.newest_success("drill")
    finally:
        items.clear()
        items.update(recorded)

    assert where in {fault.where for fault in faults}
    if where == "success#drill":
        assert newest is None, "an alarm for overdue drills cannot be silenced by a forged success"


@pytest.mark.parametrize("outcome", ["null", '""'])
def test_a_record_that_ended_and_lost_its_outcome_is_a_fault(three_drills, outcome):
    chain, items = three_drills.cloud.evidence, three_drills.ledger.items
    recorded = deepcopy(items)
    try:
        body = items["recovery#dr-ev-l1", "record"]["body"]["S"]
        changed = body.replace('"outcome":"SUCCEEDED"', f'"outcome":{outcome}')
        items["recovery#dr-ev-l1", "record"]["body"] = {"S": changed}
        assert "the record of dr-ev-l1" in {fault.where for fault in chain.verify_chain()}
    finally:
        items.clear()
        items.update(recorded)


def test_a_record_that_has_no_outcome_yet_or_is_absent_is_no_fault(three_drills):
    chain, items = three_drills.cloud.evidence, three_drills.ledger.items
    recorded = deepcopy(items)
    try:
        body = items["recovery#dr-ev-l1", "record"]["body"]["S"]
        assert '"outcome":"SUCCEEDED"' in body
        open_again = re.sub(
            r'"ended_at":"[^"]+"', '"ended_at":null', body.replace('"outcome":"SUCCEEDED"', '"outcome":null')
        )
        items["recovery#dr-ev-l1", "record"]["body"] = {"S": open_again}
        del items["recovery#dr-ev-l2", "record"]
        assert chain.verify_chain() == ()
    finally:
        items.clear()
        items.update(recorded)


def test_the_evidence_of_another_recovery_is_not_shown(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-ev-green2")
        world.ledger.items["evidence", "recovery#dr-ev-red"] = {
            "pk": {"S": "evidence"}, "sk": {"S": "recovery#dr-ev-red"}, "body": {"S": "1"},
        }  # fmt: skip
        with pytest.raises(Refused, match="the ledger names the entry 1 \\(dr-ev-green2\\) for it, so it was changed"):
            world.cloud.evidence.read_entry("dr-ev-red")
