"""Drills of older recovery points, which try standing grants (ADR 75)."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from orchestrator.application.seeded_grants import GRANT_CHECKS
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.evidence.chain import REPORT_FILE
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.recovery.standing_grants.coverage import LIFETIME
from orchestrator.domain.recovery.token_sanitization import client_digest
from orchestrator.domain.verdict import Outcome
from state_machines import definitions
from tests.workflow.drills import DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns

HOUR, DAYS = timedelta(hours=1), timedelta(days=1)
BY_USE = {"tokens.kept", "tokens.revoked_before", "tokens.revoked_since", "tokens.rotated_since"}
"""The checks of grants that live for some hours; codes and logins have expired in every older copy."""


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def hours_of_grants(world, hours=3):
    """Some hours, in each of which standing grants are given; returns a point of each hour."""
    points = []
    for _ in range(hours):
        world.keep_grants()
        points.append(world.remember() + timedelta(minutes=20))
        world.clock.advance(3600)
    return points


def checks_of(world, name):
    return {one.check: one for one in world.recovery(name).check_results}


def outcomes_of_grants(world, name):
    return {check: one.verdict.outcome for check, one in checks_of(world, name).items() if check in GRANT_CHECKS}


def test_a_drill_of_two_days_ago_is_green_with_standing_grants_and_says_what_it_does_not_cover(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        points = hours_of_grants(world)
        world.clock.advance(2 * 24 * 3600)
        ended = world.drill("dr-old", to=points[1].isoformat())
    recovery = world.recovery("dr-old")
    assert ended.phase == "SUCCEEDED", recovery.reason
    assert recovery.point == points[1]
    assert points[1] - HOUR < recovery.standing_grants <= points[1]
    held = checks_of(world, "dr-old")["tokens.held"]
    assert (held.verdict.outcome, held.decides, held.figures["held"]) == (Outcome.PASS, True, 7)
    assert outcomes_of_grants(world, "dr-old") == dict.fromkeys(GRANT_CHECKS, Outcome.INCONCLUSIVE)
    for check in GRANT_CHECKS:
        one = checks_of(world, "dr-old")[check]
        assert not one.decides
        assert one.verdict.reason.startswith("not covered: its grant expired at ")
    assert checks_of(world, "dr-old")["tokens.new_flow"].verdict.outcome is Outcome.PASS


def test_a_drill_of_some_hours_ago_tries_the_grants_that_live(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        points = hours_of_grants(world)
        ended = world.drill("dr-hours", to=points[1].isoformat())
    assert ended.phase == "SUCCEEDED", world.recovery("dr-hours").reason
    outcomes = outcomes_of_grants(world, "dr-hours")
    assert outcomes == {check: Outcome.PASS if check in BY_USE else Outcome.INCONCLUSIVE for check in GRANT_CHECKS}


def test_the_newest_grants_are_changed_by_the_drill_and_not_once_more_by_the_schedule(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        (point,) = hours_of_grants(world, 1)
        ended = world.drill("dr-newest", to=point.isoformat())
        assert ended.phase == "SUCCEEDED", world.recovery("dr-newest").reason
        assert "changed" not in world.keep_grants()
    assert outcomes_of_grants(world, "dr-newest")["tokens.revoked_since"] is Outcome.PASS


@pytest.mark.parametrize(("name", "age"), [("dr-lost-hours", 4 * HOUR), ("dr-lost-days", 2 * DAYS)])
def test_a_lost_family_in_the_copy_turns_the_drill_red_by_its_name(interpreter, name, age):
    def lose(invocation, run):
        answer = run()
        if invocation.state == "SanitizeTokens":
            grants = world.cloud.seeded_grants.find_grants(name)
            (copy,) = [table for table in world.copies() if "-tokens-" in table]
            for item in world.rows.scan(TableName=copy)["Items"]:
                if item.get("refresh_hash", {}).get("S") == client_digest(grants.kept):
                    world.rows.delete_item(TableName=copy, Key={"pk": item["pk"]})
        return answer

    with drilled(DrillWorld(interpreter, lose)) as world:
        points = hours_of_grants(world)
        world.clock.advance(age.total_seconds())
        ended = world.drill(name, to=points[1].isoformat())
    recovery = world.recovery(name)
    assert (ended.phase, recovery.outcome) == ("FAILED", RecoveryOutcome.FAILED)
    assert recovery.reason.startswith("tokens.held: of the standing grants of ")
    assert "the copy lacks that of tokens.kept" in recovery.reason


@pytest.mark.parametrize(("name", "age"), [("dr-alive-hours", 2 * HOUR), ("dr-alive-days", 2 * DAYS)])
def test_a_revoked_token_that_is_alive_in_an_older_copy_is_found_whether_it_can_be_tried_or_not(interpreter, name, age):
    with drilled(DrillWorld(interpreter)) as world:
        points = hours_of_grants(world)
        world.clock.advance(age.total_seconds())
        ended = world.drill(name, to=points[1].isoformat(), fault="revoked-token-alive")
    assert ended.phase == "FAILED"
    held = checks_of(world, name)["tokens.held"]
    assert held.verdict.outcome is Outcome.FAIL
    assert "tokens.revoked_before" in held.figures["changed"]


def test_a_point_before_all_standing_grants_is_refused_before_anything_is_restored(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        before = world.clock.now().replace(microsecond=0) - 30 * timedelta(minutes=1)
        hours_of_grants(world)
        (first, *_) = world.cloud.standing_grants.list_sets(before, world.clock.now())
        ended = world.drill("dr-before", to=before.isoformat())
    assert ended.phase == "FAILED"
    assert world.tables.restored == []
    why = world.cloud.drills.read_refusal("dr-before").why
    assert f"to: '{before.isoformat()}' is refused: no standing grants of before it are kept" in why
    assert f"the earliest later time that can be drilled is {first.written_at.isoformat()}" in why


def test_without_standing_grants_an_older_point_is_refused_with_the_setting(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-none", to=(world.clock.now() - 30 * timedelta(minutes=1)).isoformat())
    assert world.tables.restored == []
    assert (
        "wait for the next standing grants if recovery.standing_grants is set; set it otherwise"
        in world.cloud.drills.read_refusal("dr-none").why
    )


def test_the_schedule_draws_a_random_point_that_the_evidence_has(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        hours_of_grants(world)
        world.clock.advance(24 * 3600)
        event = {"scheduled": "2026-11-24T05:00:00Z", "select": "random"}
        assert world.deliver_event("start_drill", event) == "started dr-20261124T050000Z"
        world.run_started()
        recovery = world.recovery("dr-20261124T050000Z")
        assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
        assert recovery.selection == "random"
        (file,) = [file for file in world.cloud.evidence.read_entry(recovery.id).files if file.name == REPORT_FILE]
        bundle = json.loads(world.cloud.evidence.read_file(file))
    assert bundle["scope"]["selection"] == "random"
    assert datetime.fromisoformat(bundle["scope"]["point"]) == recovery.point
    assert datetime.fromisoformat(bundle["scope"]["standing_grants"]) == recovery.standing_grants


def test_each_set_is_changed_once_the_next_one_is_complete(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        begun = world.clock.now()
        hours_of_grants(world)
        first, second, third = world.cloud.standing_grants.list_sets(begun, world.clock.now())
        assert second.written_at <= first.changed_at
        assert third.written_at <= second.changed_at
        assert third.changed_at is None
        assert not world.cloud.seeded_grants.find_standing(third.written_at).changed
        assert world.cloud.seeded_grants.find_standing(first.written_at).changed


def test_a_set_whose_rotation_was_not_recorded_is_taken_by_no_drill(interpreter, monkeypatch):
    """Its token counts as used twice at the next attempt, and its family is revoked: a drill could only be red."""
    with drilled(DrillWorld(interpreter)) as world:
        points = hours_of_grants(world, 2)
        save = world.cloud.seeded_grants.save_standing

        def dies(grants, changed_at=None):
            if changed_at is not None:
                raise Unreachable("the task died")
            save(grants)

        with monkeypatch.context() as patched:
            patched.setattr(world.cloud.seeded_grants, "save_standing", dies)
            with suppress(Exception):
                world.keep_grants()
        world.clock.advance(3600)
        world.keep_grants()
        assert taken(world, points[0]) is not None
        assert taken(world, points[1]) is None


def taken(world, point):
    """When the set was given that a drill of a point would take; None without one."""
    now = world.clock.now()
    kept = [one for one in world.cloud.standing_grants.list_sets(point - LIFETIME, point) if one.covers(point, now)]
    return max((one.written_at for one in kept), default=None)


def test_a_service_that_issues_no_grants_leaves_the_earlier_ones_and_lambda_repeats_the_event(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        begun = world.clock.now()
        hours_of_grants(world, 1)
        world.functions.functions["ib-oauth-authorize-test"]["Environment"]["Variables"]["CLIENTS"] = "[]"
        world.functions._composed.clear()
        with pytest.raises(Unreachable, match="no standing grants were given: the service"):
            world.keep_grants()
        (one,) = world.cloud.standing_grants.list_sets(begun, world.clock.now())
    assert one.changed_at is None


def test_their_secrets_are_sealed_and_end_with_the_window_of_recovery(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        hours_of_grants(world, 2)
        rows = [item for (pk, _), item in world.ledger.items.items() if pk == "standing-grants"]
        sets = [world.cloud.seeded_grants.find_standing(datetime.fromisoformat(row["sk"]["S"])) for row in rows]
    kept = json.dumps(list(world.ledger.items.values()))
    for row, one in zip(rows, sets, strict=True):
        assert row.keys() - {"changed_at"} == {"pk", "sk", "body", "expires_at"}
        assert int(row["expires_at"]["N"]) == (one.written_at + 36 * DAYS).timestamp()
        secrets = [
            one.kept,
            one.revoked,
            one.revoked_since,
            one.rotated,
            *one.used_code,
            *one.open_code,
            *one.open_login,
        ]
        assert not [secret for secret in secrets if secret in kept]
