"""The stack that guards the account: what rings and what does not, what the record is kept in, what no role can ever do."""

import pytest

import environments
from security.infrastructure_signs import LONGEST_PATTERN, signs_of
from tests.infrastructure.filter_patterns import matches
from tests.infrastructure.templates import resources, text_of
from tests.infrastructure.test_rights import as_list


def template_of(one, what: str) -> dict:
    (template,) = [
        found
        for found, file in zip(one.all, one.files, strict=True)
        if file.name.startswith(f"ib-oauth-{what}-{one.name}")
    ]
    return template


def security(one) -> dict:
    return template_of(one, "security")


def by_role(role: str, **event) -> dict:
    issuer = {"type": "Role", "userName": role, "arn": f"arn:aws:iam::123456789012:role/{role}"}
    identity = {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}}
    return {"userIdentity": identity, "eventType": "AwsApiCall", "sourceIPAddress": "203.0.113.7", **event}


def by_user(**event) -> dict:
    identity = {"type": "IAMUser", "userName": "ann"}
    return {"userIdentity": identity, "eventType": "AwsApiCall", "sourceIPAddress": "203.0.113.7", **event}


def by_root(**event) -> dict:
    return {"userIdentity": {"type": "Root"}, "eventType": "AwsApiCall", "sourceIPAddress": "203.0.113.7", **event}


def call(service: str, name: str, **more) -> dict:
    return {"eventSource": f"{service}.amazonaws.com", "eventName": name, **more}


CLOUDFORMATION = {"sourceIPAddress": "cloudformation.amazonaws.com"}
SESSION = {"requestParameters": {"encryptionContext": {"environment": "prod"}}}
TRAIL_BUCKET = {"requestParameters": {"bucketName": "ib-oauth-trail-prod-123456789012"}}
# By sign: events that it must ring at, and events that it must not.
EVENTS = {
    "denied-calls": (
        [
            by_role("ib-oauth-token-prod", **call("kms", "Sign", errorCode="AccessDenied")),
            by_role("ib-oauth-task-plan-prod", **call("dynamodb", "GetItem", errorCode="AccessDeniedException")),
            by_role("ib-oauth-token-prod", **call("ec2", "RunInstances", errorCode="Client.UnauthorizedOperation")),
        ],
        [
            by_role("ib-oauth-token-prod", **call("kms", "Sign")),
            by_role("ib-oauth-token-staging", **call("kms", "Sign", errorCode="AccessDenied")),
            by_role("somebody", **call("s3", "ListBuckets", errorCode="AccessDenied")),
            by_role("ib-oauth-token-prod", **call("lambda", "Invoke", errorCode="TooManyRequestsException")),
        ],
    ),
    "denied-anybody": (
        [by_user(**call("s3", "ListBuckets", errorCode="AccessDenied"))],
        [by_user(**call("s3", "ListBuckets"))],
    ),
    "signed-by-others": (
        [by_user(**call("kms", "Sign")), by_role("admin", **call("kms", "Sign")), by_root(**call("kms", "Sign"))],
        [by_role("ib-oauth-token-prod", **call("kms", "Sign")), by_user(**call("kms", "Verify"))],
    ),
    "sessions-opened": (
        [
            by_user(**call("kms", "Decrypt", **SESSION)),
            by_role("ib-oauth-token-prod", **call("kms", "Decrypt", **SESSION)),
        ],
        [
            by_role("ib-oauth-authorize-prod", **call("kms", "Decrypt", **SESSION)),
            by_role("ib-oauth-public-prod", **call("kms", "Decrypt", **SESSION)),
            by_user(**call("kms", "Decrypt", requestParameters={"encryptionContext": {"environment": "dev"}})),
            by_user(**call("kms", "Decrypt", requestParameters={"keyId": "x"})),
        ],
    ),
    "keys-changed": (
        [
            by_user(**call("kms", "ScheduleKeyDeletion")),
            by_role("admin", **call("kms", "PutKeyPolicy")),
            by_root(**call("kms", "DisableKey")),
        ],
        [
            by_role("ib-oauth-intake-rotate-keys-prod", **call("kms", "DisableKey")),
            by_role("cdk-deploy", **call("kms", "PutKeyPolicy") | CLOUDFORMATION),
            by_user(**call("kms", "DescribeKey")),
        ],
    ),
    "aliases-moved": (
        [by_user(**call("lambda", "UpdateAlias20150331")), by_role("admin", **call("lambda", "UpdateAlias20150331"))],
        [
            by_role("ib-oauth-task-shift-traffic-prod", **call("lambda", "UpdateAlias20150331")),
            by_role("ib-oauth-task-promote-prod", **call("lambda", "UpdateAlias20150331")),
            by_role("ib-oauth-task-restore-aliases-prod", **call("lambda", "UpdateAlias20150331")),
            by_user(**call("lambda", "GetAlias20150331")),
        ],
    ),
    "tables-changed": (
        [by_user(**call("dynamodb", "DeleteTable")), by_role("admin", **call("dynamodb", "UpdateContinuousBackups"))],
        [
            by_role("cdk-deploy", **call("dynamodb", "UpdateTable") | CLOUDFORMATION),
            by_role("ib-oauth-task-restore-tables-prod", **call("dynamodb", "DeleteTable")),
            by_user(**call("dynamodb", "DescribeTable")),
        ],
    ),
    "policies-changed": (
        [
            by_user(**call("iam", "AttachRolePolicy")),
            by_user(**call("iam", "PutRolePolicy")),
            by_user(**call("iam", "CreateAccessKey")),
            by_user(**call("iam", "UpdateAssumeRolePolicy")),
            by_user(**call("iam", "DeleteRolePermissionsBoundary")),
        ],
        [
            by_role("cdk-deploy", **call("iam", "PutRolePolicy") | CLOUDFORMATION),
            by_user(**call("iam", "GetRolePolicy")),
            by_user(**call("s3", "PutBucketPolicy")),
        ],
    ),
    "root-used": (
        [by_root(**call("iam", "ListUsers"))],
        [
            by_user(**call("iam", "ListUsers")),
            {"userIdentity": {"type": "Root", "invokedBy": "support.amazonaws.com"}, "eventType": "AwsApiCall"},
            by_root(**call("kms", "RotateKey")) | {"eventType": "AwsServiceEvent"},
        ],
    ),
    "login-without-mfa": (
        [
            by_user(
                eventName="ConsoleLogin",
                responseElements={"ConsoleLogin": "Success"},
                additionalEventData={"MFAUsed": "No"},
            )
        ],
        [
            by_user(
                eventName="ConsoleLogin",
                responseElements={"ConsoleLogin": "Success"},
                additionalEventData={"MFAUsed": "Yes"},
            ),
            by_user(
                eventName="ConsoleLogin",
                responseElements={"ConsoleLogin": "Failure"},
                additionalEventData={"MFAUsed": "No"},
            ),
            by_role("sso", eventName="ConsoleLogin", responseElements={"ConsoleLogin": "Success"}),
        ],
    ),
    "trail-changed": (
        [
            by_user(**call("cloudtrail", "StopLogging")),
            by_role("cdk-deploy", **call("cloudtrail", "DeleteTrail") | CLOUDFORMATION),
            by_user(**call("logs", "DeleteMetricFilter")),
            by_user(**call("s3", "PutBucketPolicy", **TRAIL_BUCKET)),
        ],
        [
            by_user(**call("cloudtrail", "LookupEvents")),
            by_user(**call("s3", "PutBucketPolicy", requestParameters={"bucketName": "another"})),
        ],
    ),
}


@pytest.mark.parametrize("what", EVENTS)
def test_a_sign_rings_at_what_should_not_be_done_and_not_at_what_we_do(prod, what):
    (found,) = [
        one
        for one in resources(security(prod), "AWS::Logs::MetricFilter").values()
        if one["FilterName"] == f"ib-oauth-{what}-prod"
    ]
    ill, well = EVENTS[what]

    assert [event for event in ill if not matches(found["FilterPattern"], event)] == []
    assert [event for event in well if matches(found["FilterPattern"], event)] == []


def test_every_sign_has_its_events_a_metric_and_an_alarm_that_tells_whoever_guards(every):
    filters = resources(security(every), "AWS::Logs::MetricFilter").values()
    alarms = resources(security(every), "AWS::CloudWatch::Alarm").values()
    counted = {
        (one["MetricTransformations"][0]["MetricNamespace"], one["MetricTransformations"][0]["MetricName"])
        for one in filters
    }

    assert {sign.what for sign in signs_of(environments.load(every.name))} == EVENTS.keys()
    assert len(filters) == len(EVENTS)
    assert all(len(one["FilterPattern"]) <= LONGEST_PATTERN for one in filters)
    assert {one["LogGroupName"]["Ref"] for one in filters} == resources(security(every), "AWS::Logs::LogGroup").keys()
    watched = {(one["Namespace"], one["MetricName"]) for one in alarms}
    assert watched == counted | {("AWS/WAFV2", "BlockedRequests")}
    topics = resources(security(every), "AWS::SNS::Topic")
    assert all(one["AlarmActions"] == [{"Ref": topic}] for one in alarms for topic in topics)


def test_the_alarm_on_the_web_acl_watches_the_one_that_there_is(every):
    (acl,) = resources(every.service, "AWS::WAFv2::WebACL").values()
    (alarm,) = [
        one for one in resources(security(every), "AWS::CloudWatch::Alarm").values() if one["Namespace"] == "AWS/WAFV2"
    ]

    assert {one["Name"]: one["Value"] for one in alarm["Dimensions"]} == {
        "WebACL": acl["VisibilityConfig"]["MetricName"],
        "Region": "us-west-1",
        "Rule": "ALL",
    }


# --- the record ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_the_trail_sees_every_region_and_shows_what_was_changed_in_it(synthesised, name):
    (trail,) = resources(security(synthesised(name)), "AWS::CloudTrail::Trail").values()

    assert (trail["IsLogging"], trail["IsMultiRegionTrail"], trail["EnableLogFileValidation"]) == (True, True, True)
    assert trail["IncludeGlobalServiceEvents"] is True
    assert trail["EventSelectors"] == [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]
    assert trail["KMSKeyId"] == {"Fn::GetAtt": ["SecurityKey60575D22", "Arn"]}
    assert trail["CloudWatchLogsLogGroupArn"]


def test_what_the_trail_writes_is_private_encrypted_and_kept(prod):
    template = security(prod)
    (bucket,) = resources(template, "AWS::S3::Bucket").values()

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    retention = environments.load("prod").log_retention_days
    assert bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": retention}
    (expiry,) = bucket["LifecycleConfiguration"]["Rules"]
    assert expiry["ExpirationInDays"] > retention
    kept = [one for one in template["Resources"].values() if one["Type"] in {"AWS::S3::Bucket", "AWS::KMS::Key"}]
    assert {(one["DeletionPolicy"], one["UpdateReplacePolicy"]) for one in kept} == {("Retain", "Retain")}


def test_nobody_but_this_trail_writes_into_its_bucket_and_nobody_without_tls(prod):
    (policy,) = resources(security(prod), "AWS::S3::BucketPolicy").values()
    statements = policy["PolicyDocument"]["Statement"]
    allowed = [one for one in statements if one["Effect"] == "Allow"]
    denied = [one for one in statements if one["Effect"] == "Deny"]

    assert {one["Principal"]["Service"] for one in allowed} == {"cloudtrail.amazonaws.com"}
    assert {action for one in allowed for action in as_list(one["Action"])} == {"s3:GetBucketAcl", "s3:PutObject"}
    (this_trail,) = [one for one in denied if one.get("Sid") == "ThisTrailAlone"]
    source = text_of(this_trail["Condition"]["StringNotEquals"]["aws:SourceArn"])
    assert source.endswith(":trail/ib-oauth-trail-prod")
    assert {"Bool": {"aws:SecureTransport": "false"}} in [one["Condition"] for one in denied]


def test_services_use_the_key_for_this_account_alone(prod):
    key = resources(security(prod), "AWS::KMS::Key")["SecurityKey60575D22"]
    services = {
        text_of(one["Principal"]["Service"]): one.get("Condition")
        for one in key["KeyPolicy"]["Statement"]
        if "Service" in one["Principal"]
    }

    assert key["EnableKeyRotation"] is True
    assert services.keys() == {f"{name}.amazonaws.com" for name in ("cloudwatch", "events", "cloudtrail")}
    assert all(services.values())


# --- what is switched on -------------------------------------------------------------------------------------


def test_an_accounts_detector_and_recorder_are_switched_on_by_one_environment_that_says_so(prod, everything_on):
    kinds = ("AWS::GuardDuty::Detector", "AWS::Config::ConfigurationRecorder", "AWS::Config::ConfigRule")

    assert not [kind for kind in kinds if resources(security(prod), kind)]
    assert [bool(resources(security(everything_on), kind)) for kind in kinds] == [True, True, True]


def test_findings_are_told_to_whoever_guards(everything_on):
    template = security(everything_on)
    rules = {one["Name"]: one for one in resources(template, "AWS::Events::Rule").values()}
    (topic,) = resources(template, "AWS::SNS::Topic")

    assert rules.keys() == {f"ib-oauth-{what}-findings-staging" for what in ("guard-duty", "config-rules")}
    assert all([target["Arn"] for target in rule["Targets"]] == [{"Ref": topic}] for rule in rules.values())
    pattern = rules["ib-oauth-guard-duty-findings-staging"]["EventPattern"]
    assert pattern["detail"] == {"severity": [{"numeric": [">=", 4]}]}


def test_config_writes_into_a_bucket_that_is_not_locked(everything_on):
    buckets = {
        text_of(one["BucketName"]).partition("-staging")[0]: one
        for one in resources(security(everything_on), "AWS::S3::Bucket").values()
    }

    assert "ObjectLockConfiguration" not in buckets["ib-oauth-config"]
    assert "ObjectLockConfiguration" in buckets["ib-oauth-trail"]
