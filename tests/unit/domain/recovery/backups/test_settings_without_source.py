"""What a restored table must have whose source no longer exists."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from orchestrator.domain.recovery.backups.settings_without_source import (
    DECLARED,
    OF_BACKUP,
    BackedUpSettings,
    DeclaredUnits,
    DefaultTableSettings,
    defaults_without_source,
    wanted_without_source,
)
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.table_settings import (
    TableSettings,
    capacity_check_results,
    capacity_to_reapply,
    setting_check_results,
    settings_to_reapply,
)
from orchestrator.domain.verdict import Outcome

ON_DEMAND = {"mode": "PAY_PER_REQUEST", "table": [-1, -1], "indexes": {}}
KEYS = [["pk", "S", "HASH"]]
RESTORED = TableSettings(keys=KEYS, billing=ON_DEMAND, encryption="AWS_OWNED")
"""As DynamoDB restores a table: without anything that a restore drops."""
STACKS = DefaultTableSettings("delete_at", 35, True, "NEW_AND_OLD_IMAGES", {"owner": "identity"})
BOUNDS = DeclaredUnits(20, 1000, 30, 2000)
SCALED = replace(STACKS, units={Role.STATE: BOUNDS}, target_utilisation_percent=70)
BACKUP = BackedUpSettings(KEYS, {}, ON_DEMAND, "AWS_OWNED")
NEITHER = {"resource_policy", "contributor_insights"}


def provisioned(reads, writes, indexes=()):
    return {"mode": "PROVISIONED", "table": [reads, writes], "indexes": dict(indexes)}


def unknown(results):
    return {one.check.rpartition(".")[2] for one in results if one.verdict.outcome is Outcome.INCONCLUSIVE}


def test_what_a_restore_drops_is_applied_and_is_no_pass_before():
    wanted = wanted_without_source(Role.STATE, RESTORED, STACKS, BACKUP)
    names = settings_to_reapply(wanted.settings, RESTORED)
    assert names == ("tags", "time_to_live", "recovery", "stream", "deletion_protection")
    failed = {
        one.check.rpartition(".")[2]
        for one in setting_check_results(Role.STATE, wanted, RESTORED)
        if one.verdict.outcome is Outcome.FAIL
    }
    assert failed == set(names)


@pytest.mark.parametrize("backup", [BACKUP, None])
def test_what_neither_the_stacks_nor_the_backup_state_is_reported_as_not_covered(backup):
    wanted = wanted_without_source(Role.STATE, RESTORED, STACKS, backup)
    results = setting_check_results(Role.STATE, wanted, wanted.settings)
    assert unknown(results) == NEITHER | (set() if backup else {"keys", "indexes", "encryption"})
    assert {one.verdict.outcome for one in results} == {Outcome.PASS, Outcome.INCONCLUSIVE}
    assert len(results) == len(fields(TableSettings))
    assert not any("as in the source" in one.verdict.reason for one in results)
    assert not any(one.decides for one in results if one.verdict.outcome is Outcome.INCONCLUSIVE)


def test_keys_indexes_and_encryption_are_those_that_the_backup_states():
    stated = replace(BACKUP, indexes={"by-day": {"kind": "global"}}, encryption=["KMS", "arn:key"])
    wanted = wanted_without_source(Role.STATE, RESTORED, STACKS, stated)
    results = {one.check: one.verdict for one in setting_check_results(Role.STATE, wanted, RESTORED)}
    assert results["settings.state.keys"].reason == f"keys {OF_BACKUP}"
    assert results["settings.state.indexes"].outcome is Outcome.FAIL
    assert results["settings.state.encryption"].reason == (
        f"encryption of the restored table: AWS_OWNED, {OF_BACKUP}: ['KMS', 'arn:key']"
    )


def test_a_key_that_differs_from_the_backup_s_is_reported_and_does_not_stop_a_restore():
    """The tables are gone, and AWS documents neither that a backup states its key nor that a restore keeps it."""
    stated = replace(BACKUP, encryption=["KMS", "arn:key"])
    wanted = wanted_without_source(Role.STATE, RESTORED, STACKS, stated)
    (found,) = [one for one in setting_check_results(Role.STATE, wanted, RESTORED) if one.check.endswith("encryption")]
    assert (found.verdict.outcome, found.decides) == (Outcome.FAIL, False)


def test_what_the_restored_table_has_and_the_backup_does_not_state_is_not_covered():
    restored = replace(RESTORED, indexes={"by-day": {"kind": "global"}}, encryption=["KMS", "arn:key"])
    wanted = wanted_without_source(Role.STATE, restored, STACKS, BACKUP)
    assert {"indexes", "encryption"} <= unknown(setting_check_results(Role.STATE, wanted, restored))


def test_tags_that_the_account_adds_to_new_tables_stay_and_stop_no_restore():
    restored = replace(RESTORED, tags={"created-by": "ann", "owner": "other"})
    wanted = wanted_without_source(Role.STATE, restored, STACKS, BACKUP)
    assert wanted.settings.tags == {"created-by": "ann", "owner": "identity"}


@pytest.mark.parametrize(
    ("stated", "units"),
    [
        (provisioned(400, 70), [400, 70]),
        (provisioned(5, 9000), [20, 2000]),  # outside the declared bounds
        (None, [20, 30]),
    ],
)
def test_a_provisioned_table_gets_the_units_of_its_backup_within_the_declared_bounds_last(stated, units):
    backup = replace(BACKUP, billing=stated) if stated else None
    wanted = wanted_without_source(Role.STATE, RESTORED, SCALED, backup)
    assert wanted.settings.billing == {"mode": "PROVISIONED", "table": units, "indexes": {}}
    assert not {"billing", "autoscaling"} & set(settings_to_reapply(wanted.settings, RESTORED))
    assert capacity_to_reapply(wanted.settings, RESTORED) == ("billing",)
    scaled = wanted.settings.autoscaling
    assert {name: (one["min"], one["max"]) for name, one in scaled.items()} == {
        " dynamodb:table:ReadCapacityUnits": (20, 1000),
        " dynamodb:table:WriteCapacityUnits": (30, 2000),
    }
    (policy,) = scaled[" dynamodb:table:WriteCapacityUnits"]["policies"].values()
    assert policy == {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"},
        "TargetValue": 70.0,
    }
    early = {one.check: one.verdict for one in setting_check_results(Role.STATE, wanted, RESTORED, with_capacity=False)}
    assert early["settings.state.billing"].reason == "billing on demand until the service uses the table"
    late = capacity_check_results(Role.STATE, wanted, replace(wanted.settings))
    assert [one.verdict.reason for one in late] == [
        f"billing {OF_BACKUP if stated else DECLARED}",
        f"autoscaling {DECLARED}",
    ]


def test_indexes_of_a_provisioned_table_have_units_too():
    by_day = {"by-day": {"kind": "global"}}
    backup = replace(BACKUP, indexes=by_day, billing=provisioned(40, 40, {"by-day": [7, 8]}))
    restored = replace(RESTORED, indexes=by_day)
    units = wanted_without_source(Role.STATE, restored, SCALED, backup).settings.billing["indexes"]
    assert units == {"by-day": [7, 8]}
    units = wanted_without_source(Role.STATE, restored, SCALED, None).settings.billing["indexes"]
    assert units == {"by-day": [20, 30]}
    wanted = wanted_without_source(Role.STATE, restored, STACKS, None)
    assert wanted.settings.billing == {**ON_DEMAND, "indexes": {"by-day": [-1, -1]}}
    assert wanted.origins["billing"] == wanted.origins["autoscaling"] == DECLARED


def test_the_limits_of_a_table_on_demand_are_those_of_its_backup():
    limited = {**ON_DEMAND, "table": [100, 100]}
    wanted = wanted_without_source(Role.STATE, RESTORED, SCALED, replace(BACKUP, billing=limited))
    assert settings_to_reapply(wanted.settings, RESTORED)[-1] == "billing"
    assert (wanted.settings.billing, wanted.settings.autoscaling) == (limited, None)
    assert wanted.origins["billing"] == OF_BACKUP


def test_of_a_provisioned_table_that_the_stacks_have_on_demand_nothing_states_how_it_was_scaled():
    stated = provisioned(400, 70)
    wanted = wanted_without_source(Role.STATE, RESTORED, STACKS, replace(BACKUP, billing=stated))
    assert wanted.settings.billing == stated
    in_use = replace(RESTORED, billing=stated, autoscaling={})
    assert capacity_to_reapply(wanted.settings, in_use) == ()
    assert unknown(capacity_check_results(Role.STATE, wanted, in_use)) == {"autoscaling"}


def test_a_copy_from_the_other_region_gets_what_the_stacks_declare_for_every_table():
    assert defaults_without_source(RESTORED, STACKS) == replace(
        RESTORED, time_to_live="delete_at", recovery=35, deletion_protection=True, stream="NEW_AND_OLD_IMAGES"
    )
