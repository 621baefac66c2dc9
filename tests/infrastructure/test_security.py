"""The stack that guards the account: what fires and what does not, what the record is kept in, what no role can ever do."""

import pytest

from infrastructure.security.cloudtrail_alarms import cloudtrail_alarms
from orchestrator import environments
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


@pytest.mark.strategy("Audit Trails: Security events")
def test_every_sign_has_its_events_a_metric_and_an_alarm_that_notifies_the_security_contacts(every):
    filters = resources(security(every), "AWS::Logs::MetricFilter").values()
    alarms = resources(security(every), "AWS::CloudWatch::Alarm").values()
    counted = {
        (one["MetricTransformations"][0]["MetricNamespace"], one["MetricTransformations"][0]["MetricName"])
        for one in filters
    }

    assert len(filters) == len(cloudtrail_alarms(environments.load(every.name)))
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
    assert {(one["DeletionPolicy"], one["UpdateReplacePolicy"]) for one in kept} == {("RetainExceptOnCreate", "Retain")}


def test_no_principal_but_this_trail_writes_into_its_bucket_and_none_without_tls(prod):
    (policy,) = resources(security(prod), "AWS::S3::BucketPolicy").values()
    statements = policy["PolicyDocument"]["Statement"]
    allowed = [one for one in statements if one["Effect"] == "Allow"]
    denied = [one for one in statements if one["Effect"] == "Deny"]

    assert {one["Principal"]["Service"] for one in allowed} == {"cloudtrail.amazonaws.com"}
    assert {action for one in allowed for action in as_list(one["Action"])} == {"s3:GetBucketAcl", "s3:PutObject"}
    (this_trail,) = [one for one in denied if one.get("Sid") == "DenyOtherTrails"]
    source = text_of(this_trail["Condition"]["StringNotEquals"]["aws:SourceArn"])
    assert source.endswith(":trail/ib-oauth-trail-prod")
    assert {"Bool": {"aws:SecureTransport": "false"}} in [one["Condition"] for one in denied]


@pytest.mark.parametrize("switched_on", [False, True], ids=["prod", "everything on"])
def test_services_use_the_key_for_this_account_alone(prod, everything_on, switched_on):
    """EventBridge uses it only where a rule publishes. Every statement has its condition: one without would be the widest."""
    one = everything_on if switched_on else prod
    key = resources(security(one), "AWS::KMS::Key")["SecurityKey60575D22"]
    services = [
        (
            text_of(statement["Principal"]["Service"]).removesuffix(".amazonaws.com"),
            {name: text_of(value) for name, value in statement.get("Condition", {}).get("StringEquals", {}).items()},
        )
        for statement in key["KeyPolicy"]["Statement"]
        if "Service" in statement["Principal"]
    ]

    assert key["EnableKeyRotation"] is True
    arn = "arn:<AWS::Partition>:{}:us-west-1:<AWS::AccountId>:{}"
    for_events = {"kms:EncryptionContext:aws:sns:topicArn": arn.format("sns", f"ib-oauth-security-{one.name}")}
    assert sorted(services) == [
        ("cloudtrail", {"aws:SourceArn": arn.format("cloudtrail", f"trail/ib-oauth-trail-{one.name}")}),
        ("cloudwatch", {"aws:SourceAccount": "<AWS::AccountId>"}),
        *([("events", for_events)] if switched_on else []),
    ]


def test_no_policy_asks_eventbridge_for_what_its_requests_lack(every, everything_on):
    """Of EventBridge, SNS and KMS see neither the source account nor the source's ARN: such a permission is met by none.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    unmet, allowed = [], []
    for template in (*every.all, *everything_on.all):
        for kind, document in (
            ("AWS::KMS::Key", "KeyPolicy"),
            ("AWS::SNS::TopicPolicy", "PolicyDocument"),
        ):
            for logical_id, found in resources(template, kind).items():
                for one in found[document]["Statement"]:
                    principal = one.get("Principal", {})
                    if isinstance(principal, dict) and principal.get("Service") == "events.amazonaws.com":
                        allowed.append(logical_id)
                        if "aws:Source" in str(one.get("Condition", {})):
                            unmet.append(logical_id)

    assert allowed
    assert unmet == []


# --- what is switched on -------------------------------------------------------------------------------------


def test_an_accounts_detector_and_recorder_are_switched_on_by_one_environment_that_says_so(prod, everything_on):
    kinds = ("AWS::GuardDuty::Detector", "AWS::Config::ConfigurationRecorder", "AWS::Config::ConfigRule")

    assert not [kind for kind in kinds if resources(security(prod), kind)]
    assert [bool(resources(security(everything_on), kind)) for kind in kinds] == [True, True, True]


@pytest.mark.strategy("Monitoring & Optimization: Security assessment")
def test_findings_are_sent_to_the_security_contacts(everything_on):
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
