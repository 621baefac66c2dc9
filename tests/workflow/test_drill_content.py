"""What a drill finds out about the content of its copies, whole tables and segments alike, while clients go on writing."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from state_machines import definitions
from tests.workflow.drills import ITEMS, STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns

WHOLE, IN_SEGMENTS = {"whole_items": 200_000}, {"whole_items": 0}


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def drill(interpreter, name, policy, *, damage=None, before=None):
    """Run a drill while a client writes to both tables between any two tasks."""
    number = 0

    def busy(invocation, run):
        nonlocal number
        number += 1
        for table in (STATE, TOKENS):
            world.contents.put(table, {"pk": {"S": f"item {number % 5}"}, "n": {"N": str(1000 + number)}})
            world.contents.put(table, {"pk": {"S": f"newcomer {number}"}})
            world.contents.remove(table, f"newcomer {number - 1}")
        return run()

    with drilled(DrillWorld(interpreter, busy, **policy)) as world:
        if before:
            before(world)
        if damage:
            world.contents.damage.append(damage)
        world.drill(name)
    recovery = world.recovery(name)
    return recovery, {one.check: one for one in recovery.check_results if one.check.startswith("content.")}, world


@pytest.mark.strategy("Recovery Procedures: Data restoration")
@pytest.mark.parametrize(("name", "policy"), [("dr-whole", WHOLE), ("dr-cut", IN_SEGMENTS)])
def test_copies_of_busy_tables_are_found_to_be_what_their_sources_were(interpreter, name, policy):
    recovery, content, world = drill(interpreter, name, policy)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert [one.verdict.outcome for one in content.values()] == [Outcome.PASS, Outcome.PASS]
    figures = content["content.tokens"].figures
    assert figures["source_at_point"] == "stream"
    assert figures["changed_since_point"] > 5
    assert figures["segments"] == (0 if policy is WHOLE else 1)
    scans = [
        params["TableName"]
        for operation, params in world.contents.read
        if operation == "Scan" and "ExclusiveStartKey" not in params
    ]
    # Whole tables are read once; in segments, once for each tier.
    assert scans.count(STATE) == (1 if policy is WHOLE else 3)


@pytest.mark.strategy("Recovery Procedures: Verification steps")
@pytest.mark.parametrize("policy", [WHOLE, IN_SEGMENTS], ids=["whole", "segments"])
@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("missing", lambda copy: copy.pop("item 30")),
        ("changed", lambda copy: copy.update({"item 30": {"pk": {"S": "item 30"}, "n": {"N": "31"}}})),
        ("extra", lambda copy: copy.update({"of nobody": {"pk": {"S": "of nobody"}}})),
        # One that clients changed after the point: the source says nothing of it any more, but its stream does.
        ("missing", lambda copy: copy.pop("item 3")),
        ("changed", lambda copy: copy.update({"item 3": {"pk": {"S": "item 3"}, "n": {"N": "-3"}}})),
    ],
)
def test_every_damage_to_a_copy_makes_the_drill_red(interpreter, kind, spoil, policy, request):
    def damage(name, copy):
        if "-tokens-" in name:
            spoil(copy)

    name = "dr-" + "".join(letter for letter in request.node.name if letter.isalnum())[-20:]
    recovery, content, _ = drill(interpreter, name, policy, damage=damage)
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert content["content.state"].verdict.outcome is Outcome.PASS
    assert content["content.tokens"].verdict.outcome is Outcome.FAIL
    assert content["content.tokens"].figures[kind] == 1
    (named,) = content["content.tokens"].figures["examples"]
    assert named.startswith(f"{kind} ")
    assert "item" not in named


def repeating(contents, tables, change):
    """Have every first page of a scan of some tables come changed: `change` gets it decoded, and may repeat items."""
    original = contents.call

    def call(operation, params, decode):
        first = operation == "Scan" and "ExclusiveStartKey" not in params and tables(params["TableName"])
        changed = (lambda page: decode(json.dumps(change(json.loads(page))).encode())) if first else decode
        return original(operation, params, changed)

    vars(contents)["call"] = call


def again(page):
    """The page is followed by itself."""
    return {**page, "LastEvaluatedKey": {"pk": {"S": ""}}}


def overlapping(page):
    """Some of its items come once more."""
    return {**page, "Items": [*page["Items"], *page["Items"][:28]]}


@pytest.mark.parametrize("policy", [WHOLE, IN_SEGMENTS], ids=["whole", "segments"])
@pytest.mark.parametrize(
    ("tables", "change"),
    [
        (lambda _: True, again),
        (lambda table: "-drill-" in table, again),
        (lambda table: "-drill-" not in table, again),
        (lambda table: "-drill-" in table, overlapping),
        (lambda table: "-drill-" not in table, overlapping),
    ],
    ids=["both-again", "copy-again", "source-again", "copy-overlapping", "source-overlapping"],
)
def test_items_that_a_scan_shows_twice_are_counted_once(interpreter, policy, tables, change, request):
    name = "dr-" + "".join(letter for letter in request.node.name if letter.isalnum())[-20:]
    with drilled(DrillWorld(interpreter, **policy)) as world:
        repeating(world.contents, tables, change)
        world.drill(name)
    recovery = world.recovery(name)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    for check in (one for one in recovery.check_results if one.check.startswith("content.")):
        assert (check.verdict.outcome, check.figures["source_items"], check.figures["restored_items"]) == (
            Outcome.PASS,
            ITEMS,
            ITEMS,
        )


def test_a_segment_that_cannot_be_read_makes_the_drill_red_and_its_copies_are_removed(interpreter):
    def refuse(name, _copy):
        calls.append(name)
        raise DynamoDBError("AccessDeniedException")

    calls = []
    recovery, content, world = drill(interpreter, "dr-unread", IN_SEGMENTS, damage=refuse)
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert calls
    assert [one.verdict.outcome for one in content.values()] == [Outcome.ERROR, Outcome.ERROR]
    assert "could not be read" in content["content.tokens"].verdict.reason
    assert world.copies() == set()


def write_heartbeats(world, *, behind_seconds=0):
    """A writer that has written every second, and copies that hold what was written until some seconds before their point."""

    def point() -> int:
        return int(world.cloud.drills.newest_records(1)[0].point.timestamp())

    def read_rows(_copy: str) -> set[int]:
        edge = point() - behind_seconds
        return set(range(edge - 899, edge + 1))

    vars(world.cloud)["heartbeats"] = SimpleNamespace(
        read_acknowledged=lambda _role, since: set(range(int(since.timestamp()), point() + 600)), read_rows=read_rows
    )


def test_heartbeats_measure_the_loss(interpreter):
    recovery, _, _ = drill(interpreter, "dr-heartbeats", {**WHOLE, "heartbeats": True}, before=write_heartbeats)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert recovery.measured.source == "heartbeats"
    assert abs(recovery.measured.data_loss - timedelta(minutes=5)) <= timedelta(seconds=2)


def test_a_copy_that_is_a_minute_behind_its_heartbeats_makes_the_drill_red(interpreter):
    def before(world):
        write_heartbeats(world, behind_seconds=60)

    recovery, _, _ = drill(interpreter, "dr-behind", {**WHOLE, "heartbeats": True}, before=before)
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert "heartbeats.state" in recovery.reason
    assert recovery.measured.data_loss >= timedelta(minutes=6)


EXPORTED = {"source_at_point": "export"}


@pytest.mark.parametrize("policy", [WHOLE, IN_SEGMENTS], ids=["whole", "segments"])
def test_an_export_shows_what_the_sources_were_where_the_settings_say_so(interpreter, policy, request):
    name = f"dr-export-{request.node.callspec.id}"
    recovery, content, world = drill(interpreter, name, {**policy, **EXPORTED})
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert [one.figures["source_at_point"] for one in content.values()] == ["export", "export"]
    assert len(world.exports.requests) == 2
    # It was asked for with the restores, at their time, and waited for by a state of its own.
    assert {params["ExportTime"] for params in world.exports.requests.values()} == {recovery.point}
    assert [table.exported_at is not None for table in recovery.tables] == [True, True]
    assert not any(operation == "GetRecords" for operation, _ in world.contents.read)
    assert {params["TableName"] for operation, params in world.contents.read if operation == "Scan"} == {
        table.target for table in recovery.tables
    }
    assert not any("AWSDynamoDB" in key for key in world.s3.objects), "its files are removed with the copies"


@pytest.mark.parametrize("policy", [WHOLE, IN_SEGMENTS], ids=["whole", "segments"])
@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("missing", lambda copy: copy.pop("item 3")),
        ("changed", lambda copy: copy.update({"item 30": {"pk": {"S": "item 30"}, "n": {"N": "31"}}})),
        ("extra", lambda copy: copy.update({"of nobody": {"pk": {"S": "of nobody"}}})),
    ],
)
def test_every_damage_to_a_copy_is_seen_by_an_export_too(interpreter, kind, spoil, policy, request):
    def damage(name, copy):
        if "-tokens-" in name:
            spoil(copy)

    name = f"dr-x-{kind}-{request.node.callspec.id.rpartition('-')[2]}"
    recovery, content, _ = drill(interpreter, name, {**policy, **EXPORTED}, damage=damage)
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert content["content.tokens"].verdict.outcome is Outcome.FAIL
    assert content["content.tokens"].figures[kind] == 1
    assert content["content.state"].verdict.outcome is Outcome.PASS


@pytest.mark.parametrize("policy", [WHOLE, IN_SEGMENTS], ids=["whole", "segments"])
@pytest.mark.parametrize("silent", ["stopped", "busy"])
def test_where_a_stream_does_not_suffice_an_export_is_requested_and_compared(
    interpreter, policy, silent, request, monkeypatch
):
    def stop_stream(world):
        world.tables.tables[TOKENS].description["StreamSpecification"] = {"StreamEnabled": False}

    if silent == "busy":
        monkeypatch.setattr("orchestrator.application.table_comparison.MOST_CHANGES", 3)
    name = f"dr-{request.node.callspec.id}"
    recovery, content, world = drill(interpreter, name, policy, before=stop_stream if silent == "stopped" else None)
    assert {one.verdict.outcome for one in content.values()} == {Outcome.PASS}, recovery.reason
    by_export = ["state", "tokens"] if silent == "busy" else ["tokens"]
    assert [
        role for role in ("state", "tokens") if content[f"content.{role}"].figures["source_at_point"] == "export"
    ] == by_export
    assert [params["ClientToken"] for params in world.exports.requests.values()] == [
        f"{name}-{role}" for role in by_export
    ]


def spoilt(world):
    """One byte of one file of the export of the tokens, once it is complete."""

    def bridge(invocation, run):
        answer = run()
        if invocation.state == "AwaitExport" and answer["Payload"]["decision"]["action"] == "PROCEED":
            key = next(key for key in world.s3.objects if "/tokens/" in key and key.endswith("part1.json.gz"))
            whole = world.s3.objects[key]
            world.s3.objects[key] = whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]
        return answer

    return bridge


@pytest.mark.parametrize(
    ("policy", "message"),
    [(WHOLE, "is not a file of items"), (IN_SEGMENTS, "segment 0 of 1 of the export could not be read")],
    ids=["whole", "segments"],
)
def test_an_export_that_is_not_what_was_written_is_an_error_and_no_difference(interpreter, policy, message, request):
    with drilled(DrillWorld(interpreter, **policy, **EXPORTED)) as world:
        world.bridge = spoilt(world)
        world.drill(f"dr-spoilt-{request.node.callspec.id}")
    recovery = world.recovery(f"dr-spoilt-{request.node.callspec.id}")
    content = {one.check: one.verdict for one in recovery.check_results if one.check.startswith("content.")}
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert content["content.tokens"].outcome is Outcome.ERROR
    assert message in content["content.tokens"].reason
    assert content["content.state"].outcome is Outcome.PASS


def test_an_export_that_fails_ends_the_drill_red_with_dynamodb_s_reason(interpreter):
    with drilled(DrillWorld(interpreter, **EXPORTED)) as world:
        world.exports.fails = "The bucket is gone"
        world.drill("dr-export-fails")
    recovery = world.recovery("dr-export-fails")
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert "S3NoSuchBucket: The bucket is gone" in recovery.reason
    assert world.copies() == set()


def test_a_run_that_is_resumed_adopts_the_export_that_was_requested(interpreter):
    """The task asked, and its process died before it could write that down."""
    died = []

    def bridge(invocation, run):
        if invocation.state == "StartRestore" and not died:
            died.append(invocation.state)
            recovery = world.cloud.drills.read_record("dr-export-again")
            for table in recovery.tables:
                world.cloud.exports.start_export(table.source_arn, recovery.point, recovery.id, table.role)
        return run()

    with drilled(DrillWorld(interpreter, bridge, **EXPORTED)) as world:
        world.drill("dr-export-again")
    assert world.recovery("dr-export-again").outcome is RecoveryOutcome.SUCCEEDED
    assert len(world.exports.requests) == 2
