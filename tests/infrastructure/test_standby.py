"""A standby region: what the home region gets, what the standby region gets, and what an environment without one does not."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from infrastructure.security.permissions_boundary import boundary_name
from infrastructure.standby.failover import lease_threshold_seconds
from infrastructure.standby.functions import FAILOVER_HANDLERS, FAILOVER_TASKS
from orchestrator.aws.clients import BRIEF
from orchestrator.domain.incidents import regions
from state_machines import definitions
from tests.infrastructure.templates import STANDBY, named, paired, resources, text_of
from tests.infrastructure.test_alarms import OF_A_STANDBY_REGION, section_of
from tests.infrastructure.test_boundary import LONGEST_POLICY, Names, boundary_of, ever
from tests.infrastructure.test_rights import as_list
from tests.infrastructure.variables import read_by


def functions(one):
    return {found["FunctionName"]: found for found in resources(one.orchestrator, "AWS::Lambda::Function").values()}


def statements(one, function):
    role = functions(one)[function]["Role"]["Fn::GetAtt"][0]
    (policy,) = one.orchestrator["Resources"][role]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


def machines(one):
    return {
        found["StateMachineName"] for found in resources(one.orchestrator, "AWS::StepFunctions::StateMachine").values()
    }


def variables(one, name):
    found = named(one.service, "AWS::Lambda::Function", "FunctionName", f"ib-oauth-{name}-prod")
    return found["Environment"]["Variables"]


def test_without_the_setting_there_is_nothing_of_it(prod):
    assert "ISSUING_LEASE" not in variables(prod, "token")
    assert not any("failover" in name or "renew-lease" in name for name in functions(prod))
    assert "ib-oauth-failover-prod" not in machines(prod)


def test_a_standby_region_that_waits_reports_no_lost_region(standby):
    """It has the names of an environment that was moved. Only a failover says that the home region is lost."""
    variables = [found["Environment"]["Variables"].get("LOST_REGION") for found in functions(standby).values()]
    assert {value for value in variables if value is not None} == {regions.STANDBY}


def test_the_home_region_only_renews_its_lease(home):
    assert variables(home, "token")["ISSUING_LEASE"] == "on"
    assert "ib-oauth-failover-prod" not in machines(home)
    assert "ib-oauth-event-renew-lease-prod" in functions(home)
    assert not any(f"ib-oauth-task-{name.replace('_', '-')}-prod" in functions(home) for name in FAILOVER_TASKS)


def test_the_home_region_reads_the_assignment_and_nothing_else_of_the_other_ledger(home):
    elsewhere = [one for one in statements(home, "ib-oauth-event-renew-lease-prod") if STANDBY in json.dumps(one)]
    reads = [one for one in elsewhere if one["Action"] == "dynamodb:GetItem"]
    assert [one["Condition"] for one in reads] == [
        {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["issuing-assignment"]}}
    ]
    (decrypts,) = [one for one in elsewhere if one["Action"] == "kms:Decrypt"]
    assert decrypts["Condition"]["ForAnyValue:StringEquals"] == {"kms:ResourceAliases": "alias/ib-oauth-ledger-prod"}
    assert len(elsewhere) == 2


def test_only_the_standby_region_records_what_the_home_region_serves(home, standby):
    name = "ib-oauth-event-record-home-release-prod"
    assert name not in functions(home)
    elsewhere = [one for one in statements(standby, name) if f":{paired().region}:" in json.dumps(one["Resource"])]
    assert [one["Action"] for one in elsewhere] == ["lambda:GetFunctionConfiguration"]
    assert all(text_of(arn).endswith("-prod:live") for one in elsewhere for arn in as_list(one["Resource"]))
    rules = resources(standby.orchestrator, "AWS::Events::Rule").values()
    (rule,) = [one for one in rules if one.get("Name") == "ib-oauth-event-record-home-release-prod"]
    assert rule["ScheduleExpression"] == "rate(1 minute)"


def test_of_its_ledger_the_evaluation_writes_only_the_records_of_clients(standby):
    own = statements(standby, "ib-oauth-event-evaluate-failover-prod")
    (write,) = [one for one in own if "dynamodb:PutItem" in as_list(one["Action"])]
    assert write["Action"] == "dynamodb:PutItem"
    assert text_of(write["Resource"]).endswith(f":dynamodb:{STANDBY}:123456789012:table/ib-oauth-ledger-prod")
    assert write["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["clients"]}}
    keys = {one["Sid"]: "kms:GenerateDataKey" in json.dumps(one["Action"]) for one in own if one.get("Sid")}
    assert keys["LedgerKey"] is True
    assert keys["RingKey"] is False, "it writes to no table of the service"


def test_the_evaluation_reports_a_home_region_that_drops_packets_within_its_time(standby):
    attempts = BRIEF.retries["total_max_attempts"]
    # Two reads of clients, of the lease and the functions; S3, whose name has eight addresses.
    unconnected = (2 + 1 + 1 + 8) * attempts * BRIEF.connect_timeout
    unanswered = (2 + 1 + 1 + 1) * attempts * (BRIEF.connect_timeout + BRIEF.read_timeout)
    assert max(unconnected, unanswered) < functions(standby)["ib-oauth-event-evaluate-failover-prod"]["Timeout"] / 2


def test_only_the_evaluation_reads_the_lease_and_the_records_of_clients_of_the_home_region_and_nothing_else(standby):
    home = paired().region
    readers, elsewhere = set(), []
    for name in functions(standby):
        found = [one for one in statements(standby, name) if f":dynamodb:{home}:" in json.dumps(one["Resource"])]
        readers |= {name for _ in found}
        elsewhere += found
    assert readers == {"ib-oauth-event-evaluate-failover-prod"}
    read, query = elsewhere
    assert (read["Action"], query["Action"]) == ("dynamodb:GetItem", "dynamodb:Query")
    assert text_of(read["Resource"]) == f"arn:<AWS::Partition>:dynamodb:{home}:123456789012:table/ib-oauth-keys-prod"
    assert read["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["issuing-lease"]}}
    assert text_of(query["Resource"]).endswith(f":dynamodb:{home}:123456789012:table/ib-oauth-ledger-prod")
    assert query["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["clients"]}}
    own = statements(standby, "ib-oauth-event-evaluate-failover-prod")
    decrypts = [one for one in own if f":kms:{home}:" in json.dumps(one["Resource"])]
    assert [one["Action"] for one in decrypts] == ["kms:Decrypt"] * 2
    assert [one["Condition"]["ForAnyValue:StringEquals"]["kms:ResourceAliases"] for one in decrypts] == [
        "alias/ib-oauth-data-prod",
        "alias/ib-oauth-ledger-prod",
    ]


def test_what_takes_over_changes_only_the_items_of_clients_in_restored_tables(standby):
    own = statements(standby, "ib-oauth-task-take-over-prod")
    (tables,) = [one for one in own if "table/ib-oauth-restored-" in json.dumps(one["Resource"])]
    assert set(tables["Action"]) == {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"}
    assert tables["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["client#*"]}}


def test_only_what_renews_the_lease_and_what_takes_over_may_write_it(standby):
    writers = {
        name
        for name in functions(standby)
        for one in statements(standby, name)
        if "issuing-lease" in json.dumps(one.get("Condition", {})) and "dynamodb:PutItem" in one["Action"]
    }
    assert writers == {"ib-oauth-event-renew-lease-prod", "ib-oauth-task-take-over-prod"}


def test_the_standby_region_has_the_machine_with_its_tasks(standby):
    machine = named(
        standby.orchestrator, "AWS::StepFunctions::StateMachine", "StateMachineName", "ib-oauth-failover-prod"
    )
    definition = definitions.load("failover")
    assert machine["DefinitionString"] == definition.text
    assert machine["DefinitionSubstitutions"].keys() == definition.placeholders
    assert {definitions.module_of(one) for one in definition.placeholders} == FAILOVER_TASKS.keys()


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        *((f"task-{name}", spec) for name, spec in FAILOVER_TASKS.items()),
        *((f"event-{name}", spec) for name, spec in FAILOVER_HANDLERS.items()),
    ],
)
def test_a_function_has_every_variable_that_it_reads(standby, name, spec):
    variables = functions(standby)[f"ib-oauth-{name.replace('_', '-')}-prod"]["Environment"]["Variables"]
    assert read_by(f"{spec.package}.{name.partition('-')[2]}") <= set(variables)


def test_roles_and_buckets_of_the_two_regions_have_different_names(home, standby):
    names = [
        {
            text_of(role["RoleName"])
            for role in resources(one.orchestrator, "AWS::IAM::Role").values()
            if "RoleName" in role
        }
        for one in (home, standby)
    ]
    assert names[0].isdisjoint(names[1])


def test_the_standby_region_serves_the_domain_and_leaves_the_record_to_the_failover(home, standby):
    assert len(resources(home.service, "AWS::Route53::RecordSet")) == 1
    assert resources(standby.service, "AWS::Route53::RecordSet") == {}
    assert len(resources(standby.service, "AWS::ApiGateway::DomainName")) == 1


def test_only_the_failover_changes_the_record_and_only_in_its_zone(standby):
    changes = {
        (name, text_of(one["Resource"]))
        for name in functions(standby)
        for one in statements(standby, name)
        if one["Action"] == "route53:ChangeResourceRecordSets"
    }
    assert changes == {("ib-oauth-task-update-dns-prod", "arn:<AWS::Partition>:route53:::hostedzone/Z0EXAMPLE")}


def test_only_aws_backup_assumes_the_role_that_restores_copies(standby):
    role = named(standby.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-restores-prod-us-east-2")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_alarms_name_their_sections(home, standby):
    def alarms(one):
        return {found["AlarmName"]: found for found in resources(one.orchestrator, "AWS::CloudWatch::Alarm").values()}

    own = [
        found for name, found in alarms(standby).items() if re.search("failover|issuing-lease|evidence-copies", name)
    ]
    assert {section_of(found) for found in own} - {"event-handler-errors"} == OF_A_STANDBY_REGION
    assert alarms(home)["ib-oauth-issuing-lease-prod"]["TreatMissingData"] == "breaching"
    assert alarms(standby)["ib-oauth-issuing-lease-prod"]["TreatMissingData"] == "notBreaching"
    assert alarms(home)["ib-oauth-issuing-lease-prod"]["Threshold"] == 720
    assert "ib-oauth-failover-plan-prod" not in alarms(home)
    assert {"ib-oauth-failover-plan-prod", "ib-oauth-failover-executionsfailed-prod"} <= alarms(standby).keys()


def test_a_failover_restores_under_the_key_of_the_standby_region_s_tables(standby):
    for name in ("task-restore-copies", "event-evaluate-failover"):
        own = statements(standby, f"ib-oauth-{name}-prod")
        (described,) = [one for one in own if one["Action"] == "kms:DescribeKey"]
        variable = functions(standby)[f"ib-oauth-{name}-prod"]["Environment"]["Variables"]["DATA_KEY"]
        assert described["Resource"] == variable
        assert "DataKey" in json.dumps(variable), "it is the key of the service's stack"
    own = statements(standby, "ib-oauth-task-restore-copies-prod")
    (grants,) = [one for one in own if "kms:CreateGrant" in as_list(one["Action"])]
    assert "kms:ReEncryptTo" in grants["Action"], "DynamoDB restores under it with the caller's rights"


BACKUP_ROLE = "ib-oauth-backups-prod"


@pytest.mark.parametrize(
    ("where", "function", "role", "tagged"),
    [
        ("home", "task-start-restore", "DrillRestoreRole", True),
        ("standby", "task-start-restore", "DrillRestoreRole", True),
        ("standby", "task-restore-copies", "ib-oauth-restores-prod-us-east-2", False),
    ],
)
def test_drills_restore_what_has_the_tag_and_a_failover_restores_copies_with_a_role_of_its_own(
    request, where, function, role, tagged
):
    own = statements(request.getfixturevalue(where), f"ib-oauth-{function}-prod")
    # Drills also pass the role of the backup plan, with which copies are copied back.
    plan = f":role/{BACKUP_ROLE}"
    passes = [one for one in own if one["Action"] == "iam:PassRole" and plan not in text_of(one["Resource"])]
    (passed,) = passes
    assert role in text_of(passed["Resource"])
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}}
    (points,) = [
        one
        for one in own
        if one["Action"] == "backup:StartRestoreJob" and ":recovery-point:" in json.dumps(one["Resource"])
    ]
    expected = {"StringEquals": {"aws:ResourceTag/environment": "prod"}} if tagged else None
    assert points.get("Condition") == expected


def test_the_boundary_of_a_standby_region_allows_what_a_failover_does(standby):
    names = Names(standby, STANDBY)
    boundary = boundary_of(names)
    beyond, looked_at = set(), 0
    for name in FAILOVER_TASKS:
        for one in statements(standby, f"ib-oauth-task-{name.replace('_', '-')}-prod"):
            actions = [action for action in as_list(one["Action"]) if action.startswith("backup:")]
            looked_at += len(actions)
            beyond |= {(name, action) for action in actions if not ever(boundary, action, "*")}
    assert looked_at
    assert beyond == set()


def test_the_boundary_of_a_standby_region_allows_what_its_evaluation_reads_in_the_home_region(standby):
    boundary, home = boundary_of(Names(standby, STANDBY)), paired().region
    read = [
        (action, text_of(resource).replace("<AWS::Partition>", "aws"))
        for one in statements(standby, "ib-oauth-event-evaluate-failover-prod")
        if f":{home}:" in json.dumps(one["Resource"])
        for action in as_list(one["Action"])
        for resource in as_list(one["Resource"])
    ]
    assert {action for action, _ in read} == {
        *("dynamodb:GetItem", "dynamodb:Query", "kms:Decrypt"),
        "lambda:GetFunctionConfiguration",
    }
    bucket = Names(standby, STANDBY).real("arn:aws:s3:::ib-oauth-evidence-prod-<AWS::AccountId>")
    read.append(("s3:ListBucket", bucket))
    assert [(action, arn) for action, arn in read if not ever(boundary, action, arn, {})] == []


COPIES_BUCKET = f"ib-oauth-evidence-copies-prod-<AWS::AccountId>-{STANDBY}"


def test_the_home_region_replicates_its_evidence_under_the_key_of_the_copies(home):
    bucket = bucket_of(home.orchestrator, "ib-oauth-evidence-prod-<AWS::AccountId>")
    (rule,) = bucket["ReplicationConfiguration"]["Rules"]
    destination = rule["Destination"]
    assert text_of(destination["Bucket"]) == f"arn:<AWS::Partition>:s3:::{COPIES_BUCKET}"
    key = text_of(destination["EncryptionConfiguration"]["ReplicaKmsKeyID"])
    assert key == f"arn:<AWS::Partition>:kms:{STANDBY}:123456789012:alias/ib-oauth-evidence-copies-prod"
    assert rule["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
    assert (rule["Filter"], rule["DeleteMarkerReplication"]) == ({"Prefix": ""}, {"Status": "Disabled"})
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def copies_template(home):
    (template,) = (one for one in home.all if any("copies" in text_of(b["BucketName"]) for b in buckets_of(one)))
    return template


def buckets_of(template):
    return [one for one in resources(template, "AWS::S3::Bucket").values() if "BucketName" in one]


def bucket_of(template, name):
    (found,) = (one for one in buckets_of(template) if text_of(one["BucketName"]) == name)
    return found


def test_the_bucket_of_copies_is_locked_versioned_and_encrypted_with_a_key_of_its_region(home):
    template = copies_template(home)
    bucket = bucket_of(template, COPIES_BUCKET)
    evidence = bucket_of(home.orchestrator, "ib-oauth-evidence-prod-<AWS::AccountId>")
    for setting in ("ObjectLockConfiguration", "VersioningConfiguration", "LifecycleConfiguration"):
        assert bucket[setting] == evidence[setting]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert "EvidenceCopiesKey" in json.dumps(encryption)
    aliases = [one["AliasName"] for one in resources(template, "AWS::KMS::Alias").values()]
    assert "alias/ib-oauth-evidence-copies-prod" in aliases


def test_only_s3_assumes_the_role_of_the_replication_and_it_writes_nothing_but_copies(home):
    role = named(home.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-replication-prod")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    assert "Condition" not in trust, "AWS documents none that S3 meets when it replicates"
    assert "PermissionsBoundary" not in role, "the boundary ends at the region"
    (policy,) = role["Policies"]
    assert '"Evidence4' not in json.dumps(policy), "the bucket refers to the role"
    writes = {
        text_of(one["Resource"])
        for one in policy["PolicyDocument"]["Statement"]
        if "s3:ReplicateObject" in as_list(one["Action"])
    }
    assert writes == {f"arn:<AWS::Partition>:s3:::{COPIES_BUCKET}/*"}
    (encrypts,) = [one for one in policy["PolicyDocument"]["Statement"] if "kms:Encrypt" in as_list(one["Action"])]
    assert encrypts["Condition"]["ForAnyValue:StringEquals"] == {
        "kms:ResourceAliases": "alias/ib-oauth-evidence-copies-prod"
    }
    assert not any(
        "Delete" in action for one in policy["PolicyDocument"]["Statement"] for action in as_list(one["Action"])
    )


def test_failed_copies_are_measured_at_home_and_late_ones_in_the_standby_region(home, standby):
    def alarms(one):
        return {found["AlarmName"]: found for found in resources(one.orchestrator, "AWS::CloudWatch::Alarm").values()}

    failed, late = "ib-oauth-evidence-copies-failed-prod", "ib-oauth-evidence-copies-late-prod"
    assert (failed in alarms(standby), late in alarms(home)) == (False, False)
    for alarm, metric in (
        (alarms(home)[failed], "OperationsFailedReplication"),
        (alarms(standby)[late], "ReplicationLatency"),
    ):
        assert alarm["MetricName"] == metric
        dimensions = {one["Name"]: text_of(one["Value"]) for one in alarm["Dimensions"]}
        assert dimensions == {
            "SourceBucket": "ib-oauth-evidence-prod-<AWS::AccountId>",
            "DestinationBucket": COPIES_BUCKET,
            "RuleId": "to-the-standby-region",
        }


def test_the_standby_region_replicates_nothing_and_its_evaluation_only_lists_both_buckets(standby):
    bucket = bucket_of(standby.orchestrator, f"ib-oauth-evidence-prod-<AWS::AccountId>-{STANDBY}")
    assert "ReplicationConfiguration" not in bucket
    own = statements(standby, "ib-oauth-event-evaluate-failover-prod")
    found = {(text_of(one["Resource"]), one["Action"]) for one in own if "s3:" in json.dumps(one["Action"])}
    assert found == {
        ("arn:<AWS::Partition>:s3:::ib-oauth-evidence-prod-<AWS::AccountId>", "s3:ListBucket"),
        (f"arn:<AWS::Partition>:s3:::{COPIES_BUCKET}", "s3:ListBucket"),
    }


def test_without_a_standby_region_nothing_is_replicated(prod):
    assert "ReplicationConfiguration" not in json.dumps(prod.orchestrator)


@pytest.mark.parametrize("lease_seconds", [120, 180, 900])
def test_the_alarm_of_a_lease_can_fire_for_every_permitted_lease(lease_seconds):
    """The metric is never below 0."""
    assert 0 < lease_threshold_seconds(timedelta(seconds=lease_seconds)) < lease_seconds


@pytest.mark.parametrize("region", ["home", "standby"])
def test_the_boundary_fits_into_a_managed_policy(request, region):
    (template,) = (
        found for found in request.getfixturevalue(region).all if resources(found, "AWS::IAM::ManagedPolicy")
    )
    name = boundary_name(paired() if region == "home" else paired().in_standby_region())
    boundary = named(template, "AWS::IAM::ManagedPolicy", "ManagedPolicyName", name)
    text = json.dumps(resolved(boundary["PolicyDocument"]), separators=(",", ":"))
    assert len(text.replace("<AWS::Partition>", "aws")) < LONGEST_POLICY


def resolved(part):
    """A part of a template with texts in place of what CloudFormation joins."""
    match part:
        case {"Fn::Join": _} | {"Ref": _} | {"Fn::GetAtt": _}:
            return text_of(part)
        case dict():
            return {key: resolved(value) for key, value in part.items()}
        case list():
            return [resolved(value) for value in part]
    return part
