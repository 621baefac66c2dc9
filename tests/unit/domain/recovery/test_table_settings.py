from dataclasses import fields, replace

import pytest

from orchestrator.domain.deployment.cutover import blocked_policy
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.table_settings import (
    REAPPLIED,
    TableSettings,
    WantedSettings,
    as_in_source,
    capacity_check_results,
    capacity_to_reapply,
    differing_settings,
    index_of_target,
    refuse_other_key,
    setting_check_results,
    settings_to_reapply,
    settings_until_in_use,
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
    assert differing_settings(SOURCE, SOURCE) == settings_to_reapply(SOURCE, SOURCE) == ()


def test_what_a_restore_drops_is_put_right_in_an_order():
    assert settings_to_reapply(SOURCE, BARE) == ("tags", "time_to_live", "recovery", "deletion_protection")


def provisioned(units=(20, 20), bounds=(20, 1000), index=(5, 5)):
    """Settings of a table that is scaled within bounds, and has an index whose reads are scaled too."""
    low, high = bounds
    return replace(
        SOURCE,
        billing={"mode": "PROVISIONED", "table": list(units), "indexes": {"by-day": list(index)}},
        autoscaling={
            place: {"min": low, "max": high, "policies": {}}
            for place in (
                " dynamodb:table:ReadCapacityUnits",
                " dynamodb:table:WriteCapacityUnits",
                "/index/by-day dynamodb:index:ReadCapacityUnits",
            )
        },
    )


BUSY = provisioned(units=(400, 70), index=(40, 5))
ON_DEMAND = replace(SOURCE, billing={"mode": "PAY_PER_REQUEST", "table": [-1, -1], "indexes": {}}, autoscaling=None)


def outcomes(results):
    return {one.check.rpartition(".")[2]: one.verdict.outcome for one in results}


def test_units_within_the_bounds_of_autoscaling_do_not_differ():
    """They move between the two readings."""
    copy = provisioned(units=(25, 90), index=(20, 5))
    assert differing_settings(BUSY, copy) == ()
    assert set(outcomes(setting_check_results(Role.STATE, as_in_source(BUSY), copy)).values()) == {Outcome.PASS}


@pytest.mark.parametrize(
    "copy",
    [
        provisioned(units=(400, 10)),  # below the bound
        provisioned(units=(400, 70), index=(2000, 5)),  # above it
        provisioned(units=(400, 70), index=(40, 6)),  # nothing scales the writes of the index
        ON_DEMAND,
    ],
)
def test_units_beyond_the_bounds_or_that_nothing_scales_differ(copy):
    assert "billing" in differing_settings(BUSY, copy)
    assert outcomes(setting_check_results(Role.STATE, as_in_source(BUSY), copy))["billing"] is Outcome.FAIL


def test_other_bounds_differ():
    assert differing_settings(BUSY, provisioned(units=(400, 70), bounds=(20, 900), index=(40, 5))) == ("autoscaling",)


def test_capacity_comes_last_and_scaling_after_it():
    assert settings_to_reapply(BUSY, replace(ON_DEMAND, tags={})) == ("tags",)
    assert capacity_to_reapply(BUSY, replace(ON_DEMAND, tags={})) == ("billing",)
    assert capacity_to_reapply(BUSY, replace(BUSY, autoscaling={}, tags={})) == ("autoscaling",)
    assert capacity_to_reapply(BUSY, BUSY) == ()


@pytest.mark.parametrize("source", [BUSY, ON_DEMAND], ids=["a provisioned source", "a source on demand"])
def test_a_copy_that_came_with_units_of_its_own_is_made_on_demand_before_it_is_used(source):
    """AWS Backup restores the units of the backup's time, without scaling."""
    copy = replace(BUSY, autoscaling={})
    assert settings_to_reapply(source, copy) == ("billing",)
    wanted = settings_until_in_use(source)
    assert wanted.billing["mode"] == "PAY_PER_REQUEST"
    assert set(wanted.billing["indexes"]) == set(source.billing["indexes"])
    assert settings_to_reapply(source, replace(copy, billing=wanted.billing, autoscaling=None)) == ()


def test_the_limits_of_a_table_on_demand_are_no_capacity_that_comes_last():
    limited = replace(ON_DEMAND, billing={**ON_DEMAND.billing, "table": [100, 100]})
    assert settings_to_reapply(limited, ON_DEMAND) == ("billing",)
    assert capacity_to_reapply(limited, ON_DEMAND) == ()
    assert (
        outcomes(setting_check_results(Role.STATE, as_in_source(limited), ON_DEMAND, with_capacity=False))["billing"]
        == "FAIL"
    )


def test_until_then_a_copy_has_to_be_on_demand():
    found = setting_check_results(Role.STATE, as_in_source(BUSY), ON_DEMAND, with_capacity=False)
    assert set(outcomes(found).values()) == {Outcome.PASS}
    early = outcomes(setting_check_results(Role.STATE, as_in_source(BUSY), BUSY, with_capacity=False))
    assert {name for name, outcome in early.items() if outcome is not Outcome.PASS} == {"billing", "autoscaling"}


def test_whether_a_table_in_use_got_its_capacity_is_reported_and_decides_nothing():
    late = capacity_check_results(Role.STATE, as_in_source(BUSY), ON_DEMAND)
    assert outcomes(late) == {"billing": Outcome.FAIL, "autoscaling": Outcome.FAIL}
    assert not any(one.decides for one in late)
    results = capacity_check_results(Role.STATE, as_in_source(BUSY), BUSY)
    assert set(outcomes(results).values()) == {Outcome.PASS}
    assert all(one.decides for one in results)


def test_an_index_is_compared_and_not_made():
    gone = replace(SOURCE, indexes={})
    assert differing_settings(SOURCE, gone) == ("indexes",)
    assert settings_to_reapply(SOURCE, gone) == ()


def without_its_index(settings):
    """A copy that lacks the index, with everything that belongs to it."""
    scaling = settings.autoscaling and {
        place: bounds for place, bounds in settings.autoscaling.items() if "/index/" not in place
    }
    insights = {name: mode for name, mode in settings.contributor_insights.items() if not name}
    billing = {**settings.billing, "indexes": {}}
    return replace(settings, indexes={}, billing=billing, autoscaling=scaling, contributor_insights=insights)


@pytest.mark.parametrize(
    "source",
    [
        BUSY,
        replace(ON_DEMAND, billing={**ON_DEMAND.billing, "indexes": {"by-day": [-1, -1]}}),
        replace(BUSY, contributor_insights={"": "THROTTLED_KEYS", "by-day": "THROTTLED_KEYS"}),
    ],
)
def test_of_an_index_that_is_missing_nothing_is_put_right_and_it_is_a_finding(source):
    copy = without_its_index(source)
    on_demand = copy.billing["mode"] == "PAY_PER_REQUEST"
    assert settings_to_reapply(source, copy) == (() if on_demand else ("billing",))
    assert capacity_to_reapply(source, copy) == ()
    late = replace(copy, time_to_live="", billing={**copy.billing, "table": [7, 7]})
    assert settings_to_reapply(source, late)[0] == "time_to_live"
    assert "billing" in settings_to_reapply(source, late) + capacity_to_reapply(source, late)
    found = {one.check: one.verdict for one in setting_check_results(Role.STATE, as_in_source(source), copy)}
    assert found["settings.state.indexes"].outcome is Outcome.FAIL
    assert "lacks by-day" in found["settings.state.indexes"].reason


@pytest.mark.parametrize(
    ("target", "index"),
    [(" dynamodb:table:ReadCapacityUnits", ""), ("/index/by-day dynamodb:index:ReadCapacityUnits", "by-day")],
)
def test_what_is_scaled_is_an_index_or_the_table(target, index):
    assert index_of_target(target) == index


def test_every_setting_is_either_put_right_or_brought_by_the_restore():
    assert set(REAPPLIED) == {field.name for field in fields(TableSettings)} - {"keys", "indexes", "encryption"}


def test_every_setting_is_a_finding_with_both_values():
    found = setting_check_results(Role.TOKENS, as_in_source(SOURCE), BARE)
    assert [one.check for one in found] == [f"settings.tokens.{field.name}" for field in fields(TableSettings)]
    failed = {one.check.rpartition(".")[2]: one for one in found if one.verdict.outcome is not Outcome.PASS}
    assert failed.keys() == {"time_to_live", "recovery", "deletion_protection", "tags"}
    assert failed["recovery"].figures == {"expected": 35, "found": 0}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"time_to_live": ""}, "time to live of the restored table: none, of the source: delete_at"),
        ({"deletion_protection": False}, "deletion protection of the restored table: False, of the source: True"),
        ({"indexes": {}}, "indexes of the restored table lacks by-day"),
        ({"indexes": {"by-day": {"kind": "local"}}}, "indexes of the restored table differs in by-day"),
        ({"tags": {"team": "identity", "more": "1"}}, "tags of the restored table has also more"),
    ],
)
def test_a_difference_is_reported_by_what_differs(changes, text):
    bad = [
        one
        for one in setting_check_results(Role.STATE, as_in_source(SOURCE), replace(SOURCE, **changes))
        if one.verdict.outcome != "PASS"
    ]
    assert [one.verdict.reason for one in bad] == [text]


def test_a_setting_that_is_not_known_is_never_passed_and_decides_nothing():
    wanted = WantedSettings(SOURCE, {"stream": "as the stacks declare", "recovery": "as the stacks declare"})
    found = {one.check.rpartition(".")[2]: one for one in setting_check_results(Role.STATE, wanted, replace(BARE))}
    assert {name for name, one in found.items() if one.verdict.outcome is Outcome.PASS} == {"stream"}
    assert found["stream"].verdict.reason == "stream as the stacks declare"
    assert found["recovery"].verdict.outcome is Outcome.FAIL
    assert found["recovery"].verdict.reason == "recovery of the restored table: 0, as the stacks declare: 35"
    unknown = [one for name, one in found.items() if name not in wanted.origins]
    assert {(one.verdict.outcome, one.decides) for one in unknown} == {(Outcome.INCONCLUSIVE, False)}
    assert all(one.verdict.reason.startswith("not covered: ") for one in unknown)
    assert found["indexes"].verdict.reason.endswith("the restored table has {'by-day': {'kind': 'global'}}")
    assert found["resource_policy"].verdict.reason.endswith("the restored table has none")


def test_whether_a_table_is_closed_is_no_setting_and_what_others_put_into_its_policy_is_one():
    anothers = {"Version": "2012-10-17", "Statement": [{"Sid": "Auditors", "Effect": "Allow"}]}
    shut = replace(SOURCE, resource_policy=blocked_policy(None, "arn"))
    assert {one.verdict.outcome for one in setting_check_results(Role.STATE, as_in_source(SOURCE), shut)} == {
        Outcome.PASS
    }
    both = replace(SOURCE, resource_policy=blocked_policy(anothers, "arn"))
    assert {
        one.verdict.outcome
        for one in setting_check_results(Role.STATE, as_in_source(replace(SOURCE, resource_policy=anothers)), both)
    } == {Outcome.PASS}
    bad = [
        one.check
        for one in setting_check_results(Role.STATE, as_in_source(SOURCE), both)
        if one.verdict.outcome is not Outcome.PASS
    ]
    assert bad == ["settings.state.resource_policy"]


@pytest.mark.parametrize(
    ("encryption", "key"), [("AWS_OWNED", ""), (["KMS", "arn:key"], "arn:key"), (["KMS", "x"], "")]
)
def test_a_restored_table_has_the_key_of_the_environment_if_it_has_one(encryption, key):
    refuse_other_key("restored", encryption, key)


@pytest.mark.parametrize("encryption", ["AWS_OWNED", ["KMS", "arn:another"]])
def test_another_key_of_a_restored_table_is_refused_with_the_command_that_changes_it(encryption):
    with pytest.raises(
        Refused, match=r"restored\.encryption.*update-table --table-name restored .*KMSMasterKeyId=arn:key"
    ):
        refuse_other_key("restored", encryption, "arn:key")
