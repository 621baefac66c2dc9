"""The plan of a rebuild: what comes back from where, and what it refuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.configuration.normalization import Part, redact
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot
from orchestrator.domain.errors import Refused
from orchestrator.domain.rebuild.plan import (
    Found,
    FoundKey,
    Import,
    Sources,
    TableSource,
    plan_rebuild,
    tables_of,
)
from orchestrator.domain.recovery.backup_times import Backup
from tests.unit.domain.rebuild.test_template import BUCKET, KEEP, KEY, TABLE

pytestmark = pytest.mark.decision
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
STACK = "ib-oauth-stack-local"
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {"Environment": {"Variables": {"TOKENS_TABLE": "t", "STATE_TABLE": {"Ref": "Other"}}}},
}
TEMPLATE = {
    "Resources": {
        "Key": KEY,
        "Table": TABLE,
        "Bucket": BUCKET,
        "Function": FUNCTION,
        "Odd": {"Type": "AWS::CodeBuild::Project", "Properties": {"Environment": "text"}},
    }
}
OTHER = {"Resources": {"Own": {**TABLE, "Properties": {"TableName": "own"}}}}
TEMPLATES = {STACK: TEMPLATE, "ib-oauth-orchestrator-local": OTHER}
SNAPSHOT = ConfigurationSnapshot(
    "local",
    "1",
    "r",
    AT,
    "schedule",
    tuple(Part("stack", name, {"template": redact("template", template)}) for name, template in TEMPLATES.items()),
)
SOURCES = Sources("rb-1", "1", "r", SNAPSHOT, "c-1", "configuration/c", "0" * 64, TEMPLATES, "sha256:a")
ENABLED = FoundKey("k-1", "arn:k-1", "Enabled")
SYSTEM = Backup("arn:system", "t$DeletedTableBackup", "arn:t", 1, AT, of_deleted_table=True)
USER = Backup("arn:user", "nightly", "arn:t", 1, AT - timedelta(hours=1))
FOUND = Found(
    stacks={},
    keys={(STACK, "Key"): (ENABLED,)},
    names={"AWS::S3::Bucket": {"b-1-r"}},
    tables={"t": "ACTIVE", "own": "ACTIVE"},
    backups={},
)
GONE = replace(FOUND, tables={"own": "ACTIVE"}, backups={"t": (SYSTEM, USER)})


def test_everything_that_was_retained_is_imported_and_nothing_is_lost():
    plan = plan_rebuild(SOURCES, FOUND)
    assert [(table.name, table.source) for table in plan.tables] == [
        ("t", TableSource.RETAINED),
        ("own", TableSource.RETAINED),
    ]
    assert plan.stacks[0].imports == (
        Import("Key", "AWS::KMS::Key", "k-1"),
        Import("Table", "AWS::DynamoDB::Table", "t"),
        Import("Bucket", "AWS::S3::Bucket", "b-1-r"),
    )
    assert (plan.keys, plan.notes, plan.environment, plan.snapshot) == ((), (), "local", "c-1")


def test_the_tables_to_look_for_are_those_of_the_stacks_and_those_in_use():
    assert tables_of(SOURCES) == {"t", "own"}


def test_a_table_that_is_gone_comes_back_from_its_newest_backup_with_its_key():
    plan = plan_rebuild(SOURCES, GONE)
    table = plan.tables[0]
    assert (table.source, table.backup_arn, table.content_at, table.key_arn) == (
        TableSource.BACKUP,
        "arn:system",
        AT,
        "arn:k-1",
    )
    assert not table.ends_logins, "nothing was written after the backup that its deletion left"
    assert plan.stacks[0].imports[1] == Import("Table", "AWS::DynamoDB::Table", "t", restored=True)


def test_tokens_of_an_older_backup_end_all_logins():
    plan = plan_rebuild(SOURCES, replace(GONE, backups={"t": (USER,)}))
    assert plan.tables[0].ends_logins
    assert any("every login" in note for note in plan.notes)


def test_a_table_without_a_key_of_ours_is_restored_without_one():
    found = replace(FOUND, tables={"t": "ACTIVE"}, backups={"own": (USER,)})
    table = plan_rebuild(SOURCES, found).tables[1]
    assert (table.source, table.key_arn, table.ends_logins) == (TableSource.BACKUP, "", False)


@pytest.mark.parametrize(("backups", "why"), [({}, "it has no backup"), ({"t": (USER,)}, "the key of its backups")])
def test_a_table_that_cannot_come_back_is_refused_unless_it_may_be_empty(backups, why):
    found = replace(GONE, backups=backups, keys={} if backups else FOUND.keys)
    with pytest.raises(Refused, match=why):
        plan_rebuild(SOURCES, found)
    plan = plan_rebuild(replace(SOURCES, empty=("t",)), found)
    assert plan.tables[0].source is TableSource.EMPTY
    assert any("its items are lost" in note for note in plan.notes)
    assert "Table" not in {one.logical_id for one in plan.stacks[0].imports}


def test_keys_that_are_disabled_or_about_to_be_deleted_are_made_usable_again():
    pending = FoundKey("k-2", "arn:k-2", "PendingDeletion")
    found = replace(
        FOUND, keys={(STACK, "Key"): (pending,)}, tables={**FOUND.tables, "t": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}
    )
    assert plan_rebuild(SOURCES, found).keys == ("k-2",)


def test_a_usable_key_is_preferred_to_one_that_is_about_to_be_deleted():
    pending = FoundKey("k-2", "arn:k-2", "PendingDeletion")
    plan = plan_rebuild(SOURCES, replace(FOUND, keys={(STACK, "Key"): (pending, ENABLED)}))
    assert (plan.keys, plan.stacks[0].imports[0].identifier) == ((), "k-1")


def test_several_keys_that_fit_are_refused():
    keys = {(STACK, "Key"): (ENABLED, FoundKey("k-3", "arn:k-3", "Disabled"))}
    with pytest.raises(Refused, match="k-1, k-3"):
        plan_rebuild(SOURCES, replace(FOUND, keys=keys))


def test_a_key_that_cannot_be_made_usable_is_refused():
    keys = {(STACK, "Key"): (FoundKey("k-4", "arn:k-4", "Unavailable"),)}
    with pytest.raises(Refused, match="its state is Unavailable"):
        plan_rebuild(SOURCES, replace(FOUND, keys=keys))


def test_a_key_that_is_gone_is_named_as_lost():
    plan = plan_rebuild(SOURCES, replace(FOUND, keys={}))
    assert any("the key is gone" in note for note in plan.notes)
    assert "Key" not in {one.logical_id for one in plan.stacks[0].imports}


def test_a_bucket_that_is_gone_is_created_anew():
    plan = plan_rebuild(SOURCES, replace(FOUND, names={}))
    assert "Bucket" not in {one.logical_id for one in plan.stacks[0].imports}


def test_an_environment_that_is_not_emptied_is_refused_with_its_stacks():
    found = replace(FOUND, stacks={STACK: "UPDATE_COMPLETE", "another": "CREATE_COMPLETE"})
    with pytest.raises(Refused, match=rf"{STACK} \(UPDATE_COMPLETE\)"):
        plan_rebuild(SOURCES, found)


@pytest.mark.parametrize(
    ("status", "why"),
    [("DELETING", "repeat when it is ACTIVE"), ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", "none of the 1 keys")],
)
def test_a_table_that_cannot_be_used_is_refused(status, why):
    with pytest.raises(Refused, match=why):
        plan_rebuild(SOURCES, replace(FOUND, tables={**FOUND.tables, "t": status}))


def test_another_assembly_than_the_deployed_one_is_refused():
    changed = {**TEMPLATES, STACK: {"Resources": {**TEMPLATE["Resources"], "New": FUNCTION}}}
    with pytest.raises(Refused, match="--assembly"):
        plan_rebuild(replace(SOURCES, templates=changed), FOUND)
    with pytest.raises(Refused, match="ib-oauth-orchestrator-local"):
        plan_rebuild(replace(SOURCES, templates={STACK: TEMPLATE}), FOUND)


def test_a_snapshot_without_stacks_is_refused():
    with pytest.raises(Refused, match="it has no stacks"):
        plan_rebuild(replace(SOURCES, snapshot=replace(SNAPSHOT, parts=())), FOUND)


def test_tables_of_a_restore_must_exist_since_no_stack_creates_them():
    used = {"Environment": {"Variables": {"TOKENS_TABLE": "ib-oauth-restored-1", "STATE_TABLE": "t"}}}
    template = {"Resources": {**TEMPLATE["Resources"], "Function": {**FUNCTION, "Properties": used}}}
    parts = (Part("stack", STACK, {"template": redact("template", template)}),)
    sources = replace(SOURCES, templates={STACK: template}, snapshot=replace(SNAPSHOT, parts=parts))
    with pytest.raises(Refused, match="ib-oauth-restored-1"):
        plan_rebuild(sources, FOUND)
    assert plan_rebuild(sources, replace(FOUND, tables={**FOUND.tables, "ib-oauth-restored-1": "ACTIVE"})).tables


def test_without_functions_no_table_is_the_one_of_tokens():
    template = {"Resources": {"Table": {**TABLE, **KEEP}}}
    parts = (Part("stack", STACK, {"template": redact("template", template)}),)
    sources = replace(SOURCES, templates={STACK: template}, snapshot=replace(SNAPSHOT, parts=parts))
    plan = plan_rebuild(sources, replace(GONE, backups={"t": (USER,)}, keys={}))
    assert not plan.tables[0].ends_logins
