"""The tables: capacity, how far back they go, backups of them, and where else they are."""

import dataclasses
import json

import msgspec
import pytest

from orchestrator import environments
from orchestrator.domain.recovery.backups.settings_without_source import DefaultTableSettings
from orchestrator.domain.recovery.record import Role
from tests.infrastructure.templates import named, resources, synthesise, text_of

TABLES = ("state", "tokens", "keys", "revocations")
ON_DEMAND = ("keys", "revocations")


def file_of(one, stack: str) -> dict:
    return json.loads((one.folder / f"ib-oauth-{stack}.template.json").read_bytes())


def with_stores(name: str, **changes) -> environments.Environment:
    environment = environments.load(name)
    return dataclasses.replace(environment, stores=dataclasses.replace(environment.stores, **changes))


def with_backups(name: str, **changes) -> environments.Environment:
    environment = environments.load(name)
    return dataclasses.replace(environment, backups=dataclasses.replace(environment.backups, **changes))


def table(one, what: str) -> dict:
    return named(one.service, "AWS::DynamoDB::Table", "TableName", f"ib-oauth-{what}-{one.name}")


def scaling(one) -> dict[tuple[str, str], tuple[int, int]]:
    """Bounds by table and dimension."""
    return {
        (text_of(own["ResourceId"]), own["ScalableDimension"].rpartition(":")[2]): (
            own["MinCapacity"],
            own["MaxCapacity"],
        )
        for own in resources(one.service, "AWS::ApplicationAutoScaling::ScalableTarget").values()
    }


@pytest.mark.strategy("DynamoDB: Provisioned capacity")
@pytest.mark.parametrize("name", ["local", "dev", "staging"])
def test_capacity_is_on_demand_where_traffic_is_thin(synthesised, name):
    one = synthesised(name)

    assert {table(one, what)["BillingMode"] for what in TABLES} == {"PAY_PER_REQUEST"}
    assert not scaling(one)


@pytest.mark.strategy("DynamoDB: Auto-scaling")
def test_production_provisions_what_clients_use_between_bounds(prod):
    units = environments.load("prod").stores.units
    logical = {
        what: next(
            key for key in resources(prod.service, "AWS::DynamoDB::Table") if key.startswith(f"{what.title()}Table")
        )
        for what in units
    }

    for what, own in units.items():
        assert table(prod, what)["ProvisionedThroughput"] == {
            "ReadCapacityUnits": own.least_reads,
            "WriteCapacityUnits": own.least_writes,
        }
        assert "BillingMode" not in table(prod, what)
    assert scaling(prod) == {
        **{
            (f"table/<{logical[what]}>", "ReadCapacityUnits"): (own.least_reads, own.most_reads)
            for what, own in units.items()
        },
        **{
            (f"table/<{logical[what]}>", "WriteCapacityUnits"): (own.least_writes, own.most_writes)
            for what, own in units.items()
        },
    }
    policies = resources(prod.service, "AWS::ApplicationAutoScaling::ScalingPolicy").values()
    assert {own["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for own in policies} == {70}
    assert {table(prod, what)["BillingMode"] for what in ON_DEMAND} == {"PAY_PER_REQUEST"}


def test_tables_go_back_as_far_as_the_environment_says(every):
    days = environments.load(every.name).stores.point_in_time_days

    assert {table(every, what)["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"] for what in TABLES} == {days}


@pytest.mark.strategy("DynamoDB: Backup strategy")
def test_backups_are_daily_and_take_in_what_a_restore_may_need(every):
    environment = environments.load(every.name)
    template = file_of(every, f"backups-{every.name}")
    (plan,) = resources(template, "AWS::Backup::BackupPlan").values()
    (rule,) = plan["BackupPlan"]["BackupPlanRule"]

    assert rule["ScheduleExpression"] == f"cron(0 {environment.backups.hour_utc} * * ? *)"
    assert rule["Lifecycle"] == {"DeleteAfterDays": environment.backups.keep_days}
    if every.name != "local":  # which refuses to select
        (selection,) = resources(template, "AWS::Backup::BackupSelection").values()
        taken = {text_of(arn).rpartition("/")[2] for arn in selection["BackupSelection"]["Resources"]}
        assert taken == {f"ib-oauth-{what}-{every.name}" for what in ("state", "tokens", "revocations", "ledger")}


def test_a_table_that_took_over_is_backed_up_in_addition_to_the_one_before(tmp_path):
    environment = environments.load("dev")
    service = dataclasses.replace(environment.service, tokens_table="ib-oauth-tokens-dev-restored")

    one = synthesise(tmp_path, dataclasses.replace(environment, service=service))

    (selection,) = resources(file_of(one, "backups-dev"), "AWS::Backup::BackupSelection").values()
    taken = {text_of(arn).rpartition("/")[2] for arn in selection["BackupSelection"]["Resources"]}
    assert {"ib-oauth-tokens-dev", "ib-oauth-tokens-dev-restored"} < taken


def test_aws_backup_alone_takes_on_the_role_of_backups(prod):
    (role,) = resources(file_of(prod, "backups-prod"), "AWS::IAM::Role").values()
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert trusted["Principal"] == {"Service": "backup.amazonaws.com"}
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert "Policies" not in role


@pytest.mark.strategy("Backup Strategy: DynamoDB backups")
@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("none", None),
        ("governance", {"MinRetentionDays": 7}),
        ("compliance", {"MinRetentionDays": 7, "ChangeableForDays": 3}),
    ],
)
def test_a_vault_is_locked_as_the_environment_says(tmp_path, lock, wanted):
    one = synthesise(tmp_path, with_backups("dev", lock=lock))

    (vault,) = resources(file_of(one, "backups-dev"), "AWS::Backup::BackupVault").values()
    assert vault.get("LockConfiguration") == wanted


def test_copies_are_kept_in_another_region_under_a_key_of_that_region(prod):
    backups = environments.load("prod").backups
    template = file_of(prod, f"copy-{backups.copy_region}-prod")
    (vault,) = resources(template, "AWS::Backup::BackupVault").values()
    (plan,) = resources(file_of(prod, "backups-prod"), "AWS::Backup::BackupPlan").values()
    (copy,) = plan["BackupPlan"]["BackupPlanRule"][0]["CopyActions"]
    manifest = json.loads((prod.folder / "manifest.json").read_bytes())["artifacts"]

    assert vault["LockConfiguration"] == {"MinRetentionDays": backups.copy_keep_days}
    assert "EncryptionKeyArn" in vault
    assert text_of(copy["DestinationBackupVaultArn"]).endswith(
        f":backup:{backups.copy_region}:<AWS::AccountId>:backup-vault:{vault['BackupVaultName']}"
    )
    assert manifest[f"ib-oauth-copy-{backups.copy_region}-prod"]["environment"].endswith(backups.copy_region)
    assert f"ib-oauth-copy-{backups.copy_region}-prod" in manifest["ib-oauth-backups-prod"]["dependencies"]


@pytest.mark.parametrize("name", ["local", "dev", "staging"])
def test_nothing_is_elsewhere_unless_an_environment_says_so(synthesised, name):
    assert environments.load(name).other_regions == ()
    assert not list(synthesised(name).folder.glob("*ib-oauth-copy-*.template.json"))


@pytest.fixture(scope="module")
def spread(tmp_path_factory):
    """Production with a replica in two other regions, one of which has the copies of backups, too."""
    return synthesise(tmp_path_factory.mktemp("spread"), with_stores("prod", replicas=("us-east-1", "us-east-2")))


@pytest.mark.strategy("DynamoDB: Global tables (if needed)")
def test_replicas_are_as_protected_as_the_tables_and_under_a_key_of_their_region(spread):
    tables = {own["TableName"]: own for own in resources(spread.service, "AWS::DynamoDB::GlobalTable").values()}

    assert tables.keys() == {f"ib-oauth-{what}-prod" for what in ("state", "tokens", "revocations")}
    for own in tables.values():
        assert own["TimeToLiveSpecification"] == {"AttributeName": "delete_at", "Enabled": True}
        replicas = {replica["Region"]: replica for replica in own["Replicas"]}
        assert replicas.keys() == {"us-west-1", "us-east-1", "us-east-2"}
        for region, replica in replicas.items():
            assert replica["DeletionProtectionEnabled"] is True
            assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
            key = text_of(replica["SSESpecification"]["KMSMasterKeyId"])
            assert key.endswith(f":kms:{region}:<AWS::AccountId>:alias/ib-oauth-data-prod") is (region != "us-west-1")
    for region in ("us-east-1", "us-east-2"):
        aliases = resources(file_of(spread, f"copy-{region}-prod"), "AWS::KMS::Alias").values()
        assert "alias/ib-oauth-data-prod" in {own["AliasName"] for own in aliases}


def test_the_ring_of_signing_keys_is_in_no_other_region(spread):
    assert "ib-oauth-keys-prod" in {
        own["TableName"] for own in resources(spread.service, "AWS::DynamoDB::Table").values()
    }


def test_replicated_tables_scale_between_the_same_bounds(spread):
    own = environments.load("prod").stores.units["tokens"]
    found = named(spread.service, "AWS::DynamoDB::GlobalTable", "TableName", "ib-oauth-tokens-prod")
    writes = found["WriteProvisionedThroughputSettings"]["WriteCapacityAutoScalingSettings"]
    reads = [
        replica["ReadProvisionedThroughputSettings"]["ReadCapacityAutoScalingSettings"] for replica in found["Replicas"]
    ]

    assert (writes["MinCapacity"], writes["MaxCapacity"]) == (own.least_writes, own.most_writes)
    assert {(one["MinCapacity"], one["MaxCapacity"]) for one in reads} == {(own.least_reads, own.most_reads)}


def test_the_aliases_are_the_same_text_with_replicas(spread, prod):
    for kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
        assert resources(spread.service, kind) == resources(prod.service, kind)


@pytest.mark.parametrize("name", environments.names())
def test_a_restore_of_a_deleted_table_gets_what_the_stack_declares_for_it(synthesised, name):
    one = synthesised(name)
    environment = environments.load(name)
    function = named(
        one.orchestrator, "AWS::Lambda::Function", "FunctionName", f"ib-oauth-task-reapply-settings-{name}"
    )
    declared = msgspec.json.decode(
        text_of(function["Environment"]["Variables"]["DEFAULT_TABLE_SETTINGS"]), type=DefaultTableSettings
    )
    for role in Role:
        described = table(one, role)
        recovery = described["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"]
        assert declared.recovery == recovery["RecoveryPeriodInDays"]
        assert declared.time_to_live == described["TimeToLiveSpecification"]["AttributeName"]
        assert declared.stream == described["StreamSpecification"]["StreamViewType"]
        assert declared.deletion_protection == described["DeletionProtectionEnabled"]
        assert declared.tags == {tag["Key"]: tag["Value"] for tag in described["Tags"]}
        assert described.get("TableClass", "STANDARD") == "STANDARD"
        assert (role in declared.units) is (described.get("BillingMode", "PROVISIONED") == "PROVISIONED")
    bounds = {
        role: (units.least_reads, units.most_reads, units.least_writes, units.most_writes)
        for role, units in declared.units.items()
    }
    assert bounds == {role: dataclasses.astuple(units) for role, units in (environment.stores.units or {}).items()}
    targets = {
        policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        for policy in resources(one.service, "AWS::ApplicationAutoScaling::ScalingPolicy").values()
        if "Table" in json.dumps(policy)
    }
    assert targets <= {declared.target_utilisation_percent}
