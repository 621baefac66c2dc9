"""The contents of restored tables: compared with the source as it was at the recovery point, or used with a note that says why not."""

from __future__ import annotations

import pytest

from orchestrator.application import table_comparison
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.domain.recovery.attachments import Attachments
from orchestrator.domain.verdict import Outcome
from tests.fakes.errors import client_error
from tests.workflow.restores import (
    STATE,
    TOKENS,
    RestoreWorld,
    content,
    copies,
    restore_machines,
    verdict,
)
from tests.workflow.world import inhabited

BEFORE = {STATE, TOKENS}


@pytest.fixture(scope="module")
def interpreter():
    with restore_machines() as moto:
        yield moto


def test_a_copy_that_is_not_sanitized_is_not_used(interpreter):
    def unsafe(invocation, run):
        answer = run()
        if invocation.state == "SanitizeTokens":
            world.rows.delete_item(TableName=world.tokens_copy, Key={"pk": {"S": "recovery"}})
        return answer

    world = RestoreWorld(interpreter, "re-unsafe", bridge=unsafe)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert "sanitize its tokens before it is served" in world.recovery.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


@pytest.mark.parametrize("whole_items", [200_000, 0], ids=["whole", "segments"])
def test_contents_are_compared_with_the_source_as_it_was_whatever_became_of_it_since(interpreter, whole_items):
    def ruin(invocation, run):
        if (invocation.machine, invocation.state) == ("restore", "StartRestore") and not ruined:
            for table in (STATE, TOKENS):
                ruined.append(table)
                world.contents.put(table, {"pk": {"S": "item 3"}, "n": {"N": "-3"}})
                world.contents.remove(table, "item 4")
                world.contents.put(table, {"pk": {"S": "of an intruder"}})
        return run()

    ruined = []
    world = RestoreWorld(interpreter, f"re-ruined-{whole_items}", bridge=ruin, whole_items=whole_items)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert ruined == [STATE, TOKENS]
    assert [one.verdict.outcome for one in content(world).values()] == [Outcome.PASS, Outcome.PASS]
    assert content(world)["content.tokens"].figures["changed_since_point"] == 3
    assert world.recovery.reason.endswith("checks passed")


def test_consumers_and_alarms_that_stay_with_the_left_tables_are_named_and_the_copies_are_used(interpreter):
    world = RestoreWorld(interpreter, "re-attached")
    world.attached.attached[TOKENS] = Attachments(
        kinesis_streams=("arn:kinesis",), mappings={"arn:audit": "uuid-1"}, alarms={"m": ("by hand", "ib-oauth-t-test")}
    )
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    attached = {one.check: one for one in world.recovery.check_results if one.check.startswith("attached.")}
    not_covered = {name: one.figures["not_covered"] for name, one in attached.items() if one.figures["not_covered"]}
    assert not_covered == {
        "attached.tokens.kinesis_destinations": ["arn:kinesis"],
        "attached.tokens.event_source_mappings": ["arn:audit (mapping uuid-1)"],
        "attached.tokens.alarms": ["by hand"],
    }
    assert {name for name, one in attached.items() if not one.decides} == not_covered.keys()
    message = world.topics.published[-1][2]
    assert "create an event source mapping of the restored table's after the cutover: arn:audit" in message
    assert all(name in world.recovery.reason for name in not_covered)


def test_a_restore_goes_on_if_what_depends_on_its_tables_cannot_be_read(interpreter):
    world = RestoreWorld(interpreter, "re-unattached")
    world.attached.attached[STATE] = client_error("AccessDeniedException", "no rights")
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    for role in ("state", "tokens"):
        assert verdict(world, f"attached.{role}").outcome is Outcome.ERROR


@pytest.mark.parametrize("whole_items", [200_000, 0], ids=["whole", "segments"])
def test_a_copy_in_which_a_row_is_missing_is_not_used(interpreter, whole_items):
    world = RestoreWorld(interpreter, f"re-missing-{whole_items}", whole_items=whole_items)
    world.contents.damage.append(lambda name, copy: copy.pop("item 7") if "-tokens-" in name else None)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert content(world)["content.tokens"].verdict.outcome is Outcome.FAIL
    assert world.recovery.reason.startswith("content.tokens: tokens: 1 missing")
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def stop_stream(world):
    world.tables.tables[TOKENS].description["StreamSpecification"] = {"StreamEnabled": False}


def young_stream(world):
    label = world.clock.now().isoformat(timespec="milliseconds").removesuffix("+00:00")
    world.tables.tables[TOKENS].description["LatestStreamLabel"] = label


def lose_tokens(world):
    world.tables.lose(TOKENS)


@pytest.mark.parametrize(
    ("name", "change", "params", "why"),
    [
        ("gone", lose_tokens, {}, "no longer exists, so there is no evidence"),
        ("mute", stop_stream, {}, "has no stream of both images"),
        ("young", young_stream, {}, "and not to the recovery point"),
        ("wish", None, {"skip_comparison": True}, "ann skipped the comparison"),
    ],
)
def test_where_nothing_says_what_the_source_held_that_is_reported_and_the_copy_is_used(
    interpreter, name, change, params, why
):
    world = RestoreWorld(interpreter, f"re-untold-{name}")
    if change:
        change(world)
    with inhabited(world):
        ended = world.restore(**params)
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    finding = content(world)["content.tokens"]
    assert (finding.verdict.outcome, finding.decides) == (Outcome.INCONCLUSIVE, False)
    assert why in finding.verdict.reason
    assert "informational and not passed: " in world.recovery.reason
    assert "content.tokens" in world.recovery.reason
    assert world.used()["live"] == copies(world)


def test_more_changes_than_can_be_reverted_are_reported_and_the_copy_is_used(interpreter, monkeypatch):
    monkeypatch.setattr(table_comparison, "MOST_CHANGES", 2)

    def ruin(invocation, run):
        if (invocation.machine, invocation.state) == ("restore", "StartRestore"):
            for number in range(3):
                world.contents.put(TOKENS, {"pk": {"S": f"of an intruder {number}"}})
        return run()

    world = RestoreWorld(interpreter, "re-much", bridge=ruin)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert "more than 2 keys changed since the recovery point" in content(world)["content.tokens"].verdict.reason
    assert content(world)["content.state"].verdict.outcome is Outcome.PASS


def test_a_segment_that_cannot_be_read_keeps_the_copies_from_being_used(interpreter):
    def refuse(_name, _copy):
        raise DynamoDBError("AccessDeniedException")

    world = RestoreWorld(interpreter, "re-unread", whole_items=0)
    world.contents.damage.append(refuse)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert [one.verdict.outcome for one in content(world).values()] == [Outcome.ERROR, Outcome.ERROR]
    assert world.used() == {"live": BEFORE, "latest": BEFORE}
