"""The checks of templates: sound ones pass, and each change of one property fails the control that it concerns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.compliance.catalogue.controls import controls_of
from orchestrator.domain.compliance.control import Framework, Method
from orchestrator.domain.compliance.data_protection_checks import TEMPLATE_CHECKS
from orchestrator.domain.compliance.infrastructure_checks import CHECKS
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.compliance.templates import Expectations, run_template_checks, subject_of
from tests.unit.domain.compliance.sound_templates import sound

pytestmark = pytest.mark.decision
ALL = {**CHECKS, **TEMPLATE_CHECKS}
EXPECTED = Expectations(boundary=True, network=True)


def results(templates, expected=EXPECTED):
    return {one.control: one for one in run_template_checks(ALL, subject_of(templates, expected))}


def failing(templates, expected=EXPECTED):
    return {name: one.reason for name, one in results(templates, expected).items() if one.status is Status.FAIL}


def changed(name, **properties):
    templates = sound()
    templates["ib-oauth-stack-test"]["Resources"][name]["Properties"].update(properties)
    return templates


def without(*names):
    templates = sound()
    for name in names:
        del templates["ib-oauth-stack-test"]["Resources"][name]
    return templates


def added(kind, **properties):
    templates = sound()
    templates["ib-oauth-stack-test"]["Resources"]["Added"] = {"Type": kind, "Properties": properties}
    return templates


def policy(action, effect="Allow"):
    return {"PolicyDocument": {"Statement": {"Effect": effect, "Action": action}}}


def stage(**setting):
    all_methods = {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10}
    return changed("Stage", MethodSettings=[{**all_methods, **setting}])


def trust(principal, **extra):
    statement = {"Effect": "Allow", "Principal": principal, **extra}
    return changed("Role", AssumeRolePolicyDocument={"Statement": [statement]})


WRONG = [
    ("infra-table-encryption", changed("Table", SSESpecification={"SSEEnabled": False})),
    ("infra-table-capacity", without("Scaling")),
    ("infra-table-point-in-time", changed("Table", PointInTimeRecoverySpecification=None)),
    ("infra-table-backup-plan", changed("Selection", BackupSelection={"Resources": ["table/ib-oauth-state-test-2"]})),
    ("infra-table-deletion-protection", changed("Table", DeletionProtectionEnabled=False)),
    ("infra-function-runtime", changed("Function", Runtime="python3.8")),
    ("infra-function-not-public", changed("Permission", Principal="*")),
    ("infra-function-not-public", changed("Permission", SourceArn=None)),
    ("infra-function-tracing", changed("Function", TracingConfig=None)),
    ("infra-function-variables-encrypted", changed("Function", KmsKeyArn=None)),
    ("infra-function-own-log-group", changed("Function", LoggingConfig=None)),
    ("infra-log-encryption", changed("Logs", KmsKeyId=None)),
    ("infra-alarm-actions", without("Composite")),
    ("infra-bucket-not-public", changed("Evidence", PublicAccessBlockConfiguration={"BlockPublicAcls": True})),
    ("infra-bucket-tls", without("EvidencePolicy")),
    ("infra-bucket-tls", changed("EvidencePolicy", PolicyDocument=None)),
    ("infra-bucket-versions", changed("Evidence", VersioningConfiguration={"Status": "Suspended"})),
    ("infra-bucket-encryption", changed("Evidence", BucketEncryption=None)),
    ("infra-bucket-no-acl", changed("Evidence", OwnershipControls=None)),
    ("infra-bucket-lifecycle", changed("Evidence", LifecycleConfiguration={"Rules": [{"Status": "Disabled"}]})),
    ("infra-records-locked", changed("Evidence", ObjectLockEnabled=False)),
    ("infra-topic-encryption", changed("Topic", KmsMasterKeyId=None)),
    ("infra-topic-tls", without("TopicPolicy")),
    ("infra-queue-encryption", changed("Queue", SqsManagedSseEnabled=False)),
    ("infra-key-rotation", changed("Key", EnableKeyRotation=False)),
    ("infra-key-not-public", changed("Key", KeyPolicy={"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}}]})),
    ("infra-key-deletion-window", changed("Key", PendingWindowInDays=1)),
    ("infra-role-no-administrator", changed("Policy", **policy("*"))),
    ("infra-role-no-service-wildcard", changed("Policy", **policy(["s3:GetObject", "dynamodb:*"]))),
    ("infra-role-trust", trust("*")),
    ("infra-role-trust", trust({"Federated": "token.actions.githubusercontent.com"})),
    ("infra-role-boundary", changed("Role", PermissionsBoundary=None)),
    ("infra-no-users", added("AWS::IAM::User")),
    ("infra-no-users", added("AWS::IAM::AccessKey")),
    ("infra-api-access-log", changed("Stage", AccessLogSetting=None)),
    ("infra-api-tracing", changed("Stage", TracingEnabled=False)),
    ("infra-api-throttle", stage(ThrottlingRateLimit=0)),
    ("infra-api-throttle", stage(ResourcePath="/~1token")),
    ("infra-api-no-payload-log", stage(DataTraceEnabled=True)),
    ("infra-api-firewall", changed("Association", ResourceArn={"Ref": "AnotherStage"})),
    ("infra-api-domain-tls", changed("Domain", SecurityPolicy="TLS_1_0")),
    ("infra-api-domain-tls", without("Domain")),
    ("infra-api-default-endpoint", changed("Api", DisableExecuteApiEndpoint=False)),
    ("infra-firewall-rate", changed("Acl", Rules=[{"Statement": {"GeoMatchStatement": {}}}])),
    ("infra-firewall-logs", changed("AclLogs", ResourceArn={"Ref": "AnotherAcl"})),
    ("infra-machine-logs", changed("Machine", LoggingConfiguration={"Level": "OFF"})),
    ("infra-machine-tracing", changed("Machine", TracingConfiguration=None)),
    ("infra-trail-regions", changed("Trail", IsMultiRegionTrail=False)),
    ("infra-trail-encryption", changed("Trail", KMSKeyId=None)),
    ("infra-trail-validation", changed("Trail", EnableLogFileValidation=False)),
    ("infra-trail-logs", changed("Trail", CloudWatchLogsLogGroupArn=None)),
    ("infra-backup-encryption", changed("Vault", EncryptionKeyArn=None)),
    ("infra-backup-lock", changed("Vault", LockConfiguration=None)),
    ("infra-backup-copies", changed("Plan", BackupPlan={"BackupPlanRule": [{"Lifecycle": {"DeleteAfterDays": 9}}]})),
    ("infra-network-ingress", changed("Group", SecurityGroupIngress=[{"CidrIp": "0.0.0.0/0"}])),
    ("infra-network-ingress", changed("Group", SecurityGroupIngress={"CidrIpv6": "::/0"})),
    ("infra-network-flow-logs", without("Flow")),
    ("infra-events-dead-letters", changed("Rule", Targets=[{"Arn": "a"}])),
    ("infra-tagged", changed("Function", Tags=[{"Key": "owner", "Value": "identity"}])),
    ("data-tables-expire", changed("Table", TimeToLiveSpecification=None)),
    ("data-log-retention", changed("Logs", RetentionInDays=400)),
    ("data-backup-retention", changed("Plan", BackupPlan={"BackupPlanRule": [{"DestinationBackupVaultArn": "a"}]})),
    ("data-access-log-no-secrets", changed("Stage", AccessLogSetting={"DestinationArn": "a", "Format": "$context.path"})),
    ("data-firewall-log-redacted", changed("AclLogs", RedactedFields=[{"QueryString": {}}])),
    ("data-machine-no-payload", changed("Machine", LoggingConfiguration={"Level": "ALL", "IncludeExecutionData": True})),
    (
        "data-tables-not-shared",
        changed("Table", ResourcePolicy={"PolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}}]}}),
    ),
]  # fmt: skip


def test_sound_templates_pass_every_control():
    assert failing(sound()) == {}
    assert {one.status for one in results(sound()).values()} == {Status.PASS}


@pytest.mark.strategy("Compliance Checks: Security standards")
@pytest.mark.parametrize(("control", "templates"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_one_wrong_property_fails_its_control_and_no_other(control, templates):
    assert set(failing(templates)) == {control}


def test_what_concerns_two_controls_fails_both():
    for_ever = changed("Logs", RetentionInDays=None)
    no_rules = changed("Acl", Rules=[])
    exports = changed("Exports", LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 30}]})

    assert set(failing(for_ever)) == {"infra-log-retention", "data-log-retention"}
    assert set(failing(no_rules)) == {"infra-firewall-rules", "infra-firewall-rate"}
    assert set(failing(exports)) == {"infra-bucket-versions", "data-exports-expire"}


def test_the_failing_resources_are_named_and_counted():
    assert failing(changed("Table", TimeToLiveSpecification=None)) == {"data-tables-expire": "1 of 2: Table"}


def test_every_control_of_templates_has_a_wrong_example():
    controls = {
        one.id
        for one in controls_of([Framework.INFRASTRUCTURE, Framework.DATA_PROTECTION])
        if one.method is Method.TEMPLATE
    }
    examples = {control for control, _ in WRONG}
    both = {"infra-log-retention", "infra-firewall-rules", "data-exports-expire"}

    assert set(ALL) == controls
    assert controls == examples | both


@pytest.mark.parametrize(
    ("expected", "controls"),
    [
        (
            replace(EXPECTED, customer_managed_keys=False),
            {
                "infra-table-encryption",
                "infra-function-variables-encrypted",
                "infra-log-encryption",
                "infra-backup-encryption",
            },
        ),
        (replace(EXPECTED, deletion_protection=False), {"infra-table-deletion-protection"}),
        (replace(EXPECTED, deletion_protection=False, evidence_lock=False), {"infra-table-deletion-protection", "infra-records-locked"}),
        (replace(EXPECTED, boundary=False), {"infra-role-boundary"}),
        (replace(EXPECTED, domain=False), {"infra-api-domain-tls", "infra-api-default-endpoint"}),
        (replace(EXPECTED, network=False), {"infra-network-ingress", "infra-network-flow-logs"}),
        (replace(EXPECTED, copy_region=False), {"infra-backup-copies"}),
        (replace(EXPECTED, backup_lock=False), {"infra-backup-lock"}),
        (replace(EXPECTED, local=True), {"infra-records-locked", "infra-backup-lock"}),
    ],
)  # fmt: skip
def test_what_the_settings_do_not_ask_for_does_not_apply_and_says_why(expected, controls):
    found = {name: one for name, one in results(sound(), expected).items() if one.status is Status.NOT_APPLICABLE}

    assert set(found) == controls
    assert all(one.reason for one in found.values())


def test_in_an_account_what_is_missing_fails_and_on_the_local_cloud_it_does_not_apply():
    templates = without("Trail", "Selection", "Vault", "Association", "Evidence", "Trails", "EvidencePolicy", "Exports")

    assert failing(templates)["infra-trail-regions"] == "there is no AWS::CloudTrail::Trail"
    assert failing(templates)["infra-table-backup-plan"] == "1 of 1: Table"
    assert failing(templates)["infra-records-locked"] == "there are none"
    locally = results(templates, replace(EXPECTED, local=True))
    assert locally["infra-trail-regions"].reason == "the local cloud has no AWS::CloudTrail::Trail"
    assert locally["data-exports-expire"].status is Status.NOT_APPLICABLE
    assert not {name for name, one in locally.items() if one.status is Status.FAIL}


def test_a_role_and_a_policy_without_a_document_grant_nothing():
    assert failing(added("AWS::IAM::ManagedPolicy")) == {}
    assert failing(changed("Role", Policies=None)) == {}


def test_without_a_template_nothing_is_checked_and_nothing_passes():
    found = results({"empty": {}})

    assert {one.status for one in found.values()} == {Status.NOT_CHECKED}
    assert "--assembly" in found["infra-tagged"].remedy
