from dataclasses import fields, replace

import pytest

from orchestrator.domain.cut_over import closed
from orchestrator.domain.recovery import Role
from orchestrator.domain.table_settings import (
    REAPPLIED,
    Declared,
    TableSettings,
    compared,
    differing,
    to_reapply,
    wanted_without_source,
)
from orchestrator.domain.verdict import Outcome

SOURCE = TableSettings(
    keys=[["pk", "S", "HASH"]],
    billing={"mode": "PAY_PER_REQUEST"},
    indexes={"by-day": {"kind": "global"}},
    time_to_live="delete_at",
    recovery=35,
    deletion_protection=True,
    tags={"team": "identity"},
)
BARE = replace(SOURCE, time_to_live="", recovery=0, deletion_protection=False, tags={})


def test_what_is_equal_differs_in_nothing():
    assert differing(SOURCE, SOURCE) == to_reapply(SOURCE, SOURCE) == ()


def test_what_a_restore_drops_is_put_right_in_an_order():
    assert to_reapply(SOURCE, BARE) == ("tags", "time_to_live", "recovery", "deletion_protection")


def test_an_index_is_compared_and_not_made():
    gone = replace(SOURCE, indexes={})
    assert differing(SOURCE, gone) == ("indexes",)
    assert to_reapply(SOURCE, gone) == ()


def test_every_setting_is_either_put_right_or_brought_by_the_restore():
    assert set(REAPPLIED) == {field.name for field in fields(TableSettings)} - {"keys", "indexes", "encryption"}


def test_every_setting_is_a_finding_with_both_values():
    found = compared(Role.TOKENS, SOURCE, BARE)
    assert [one.check for one in found] == [f"settings.tokens.{field.name}" for field in fields(TableSettings)]
    failed = {one.check.rpartition(".")[2]: one for one in found if one.verdict.outcome is not Outcome.PASS}
    assert failed.keys() == {"time_to_live", "recovery", "deletion_protection", "tags"}
    assert failed["recovery"].figures == {"expected": 35, "found": 0}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"time_to_live": ""}, "time to live of the copy: none, of the source: delete_at"),
        ({"deletion_protection": False}, "deletion protection of the copy: False, of the source: True"),
        ({"indexes": {}}, "indexes of the copy lacks by-day"),
        ({"indexes": {"by-day": {"kind": "local"}}}, "indexes of the copy differs in by-day"),
        ({"tags": {"team": "identity", "more": "1"}}, "tags of the copy has also more"),
    ],
)
def test_a_difference_is_told_by_what_differs(changes, told):
    bad = [one for one in compared(Role.STATE, SOURCE, replace(SOURCE, **changes)) if one.verdict.outcome != "PASS"]
    assert [one.verdict.reason for one in bad] == [told]


def test_a_copy_whose_source_is_gone_is_to_have_what_the_stack_declares():
    wanted = wanted_without_source(BARE, Declared("delete_at", 35, deletion_protection=True))
    assert wanted == replace(SOURCE, tags={})


def test_whether_a_table_is_closed_is_no_setting_and_what_others_put_into_its_policy_is_one():
    anothers = {"Version": "2012-10-17", "Statement": [{"Sid": "Auditors", "Effect": "Allow"}]}
    shut = replace(SOURCE, resource_policy=closed(None, "arn"))
    assert {one.verdict.outcome for one in compared(Role.STATE, SOURCE, shut)} == {Outcome.PASS}
    both = replace(SOURCE, resource_policy=closed(anothers, "arn"))
    assert {one.verdict.outcome for one in compared(Role.STATE, replace(SOURCE, resource_policy=anothers), both)} == {
        Outcome.PASS
    }
    bad = [one.check for one in compared(Role.STATE, SOURCE, both) if one.verdict.outcome is not Outcome.PASS]
    assert bad == ["settings.state.resource_policy"]
