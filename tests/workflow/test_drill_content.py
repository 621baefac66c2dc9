"""What a drill finds out about the content of its copies, whole tables and segments alike, while clients go on writing."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.aws.wire import ReadRefused
from orchestrator.domain.recovery import RecoveryEnding
from orchestrator.domain.verdict import Outcome
from state_machines import definitions
from tests.workflow.drills import STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns

WHOLE, IN_SEGMENTS = {"whole_items": 200_000}, {"whole_items": 0}


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def drill(interpreter, name, policy, *, damage=None, before=None):
    """Run a drill while somebody writes to both tables between any two tasks."""
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
    return recovery, {one.check: one for one in recovery.findings if one.check.startswith("content.")}, world


@pytest.mark.parametrize(("name", "policy"), [("dr-whole", WHOLE), ("dr-cut", IN_SEGMENTS)])
def test_copies_of_busy_tables_are_found_to_be_what_their_sources_were(interpreter, name, policy):
    recovery, content, world = drill(interpreter, name, policy)
    assert recovery.ending is RecoveryEnding.GREEN, recovery.reason
    assert [one.verdict.outcome for one in content.values()] == [Outcome.PASS, Outcome.PASS]
    figures = content["content.tokens"].figures
    assert figures["source_at_point"] == "stream"
    assert figures["changed_since_point"] > 5
    assert figures["segments"] == (0 if policy is WHOLE else 1)
    scans = [asked["TableName"] for operation, asked in world.contents.read if operation == "Scan"]
    # Whole tables are read once; in segments, once for each tier.
    assert scans.count(STATE) == (1 if policy is WHOLE else 3)


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
    assert recovery.ending is RecoveryEnding.RED
    assert content["content.state"].verdict.outcome is Outcome.PASS
    assert content["content.tokens"].verdict.outcome is Outcome.FAIL
    assert content["content.tokens"].figures[kind] == 1
    (named,) = content["content.tokens"].figures["examples"]
    assert named.startswith(f"{kind} ")
    assert "item" not in named


def test_without_a_stream_nothing_says_what_the_source_held_so_the_drill_is_red(interpreter):
    def stop_stream(world):
        world.tables.tables[TOKENS].description["StreamSpecification"] = {"StreamEnabled": False}

    recovery, content, _ = drill(interpreter, "dr-mute", WHOLE, before=stop_stream)
    assert recovery.ending is RecoveryEnding.RED
    assert content["content.tokens"].verdict.outcome is Outcome.INCONCLUSIVE
    assert "has no stream" in content["content.tokens"].verdict.reason


def test_a_segment_that_cannot_be_read_makes_the_drill_red_and_its_copies_are_removed(interpreter):
    def refuse(name, _copy):
        asked.append(name)
        raise ReadRefused("AccessDeniedException")

    asked = []
    recovery, content, world = drill(interpreter, "dr-unread", IN_SEGMENTS, damage=refuse)
    assert recovery.ending is RecoveryEnding.RED
    assert asked
    assert [one.verdict.outcome for one in content.values()] == [Outcome.ERROR, Outcome.ERROR]
    assert "could not be read" in content["content.tokens"].verdict.reason
    assert world.copies() == set()


def receipts(world, *, behind_seconds=0):
    """A writer that has written every second, and copies that hold what was written until some seconds before their point."""

    def point() -> int:
        return int(world.cloud.drills.newest(1)[0].point.timestamp())

    def rows(_copy: str) -> set[int]:
        edge = point() - behind_seconds
        return set(range(edge - 899, edge + 1))

    vars(world.cloud)["receipts"] = SimpleNamespace(
        acknowledged=lambda _role, since: set(range(int(since.timestamp()), point() + 600)), rows=rows
    )


def test_receipts_measure_the_loss(interpreter):
    recovery, _, _ = drill(interpreter, "dr-receipts", {**WHOLE, "receipts": True}, before=receipts)
    assert recovery.ending is RecoveryEnding.GREEN, recovery.reason
    assert recovery.measured.source == "receipts"
    assert abs(recovery.measured.data_loss - timedelta(minutes=5)) <= timedelta(seconds=2)


def test_a_copy_that_is_a_minute_behind_its_receipts_makes_the_drill_red(interpreter):
    def before(world):
        receipts(world, behind_seconds=60)

    recovery, _, _ = drill(interpreter, "dr-behind", {**WHOLE, "receipts": True}, before=before)
    assert recovery.ending is RecoveryEnding.RED
    assert "receipts.state" in recovery.reason
    assert recovery.measured.data_loss >= timedelta(minutes=6)
