"""The status page in the templates: only where it is enabled, private, with strict headers, and writable by one function."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import environments
from orchestrator.domain.mail.settings import MailSettings
from orchestrator.domain.status_page.headers import CONTENT_SECURITY_POLICY, SECURITY_HEADERS
from orchestrator.domain.status_page.settings import StatusPageSettings, decode_status_page
from orchestrator.domain.status_page.triggers import EVENT_TYPES
from tests.infrastructure.rule_packs import add_packs, violations
from tests.infrastructure.templates import named, resources, synthesise, text_of
from tests.infrastructure.test_checks import NOT_LINTED
from tests.infrastructure.test_rights import as_list

CERTIFICATE = "arn:aws:acm:us-east-1:210987654321:certificate/00000000-0000-0000-0000-000000000000"
ELSEWHERE = StatusPageSettings(
    enabled=True,
    account="210987654321",
    region="eu-central-1",
    domain="status.example.com",
    certificate_arn=CERTIFICATE,
    subscribers=MailSettings("status@example.com", "arn:aws:ses:eu-central-1:210987654321:identity/example.com"),
)


def template(one):
    return json.loads((one.folder / f"ib-oauth-status-{one.name}.template.json").read_bytes())


@pytest.fixture(scope="module")
def page(everything_on):
    return template(everything_on)


@pytest.fixture(scope="module")
def elsewhere_page(assemblies):
    dev = environments.load("dev")
    return assemblies.of(dataclasses.replace(dev, account="123456789012", status_page=ELSEWHERE), prepare=add_packs)


def only(one, kind):
    (found,) = resources(one, kind).values()
    return found


def test_without_the_setting_there_is_nothing_of_a_status_page(every):
    assert not [file for file in every.files if "status" in file.name]
    text = json.dumps(every.orchestrator)
    assert "publish_status_page" not in text
    assert "status-page" not in text


def test_the_bucket_is_private_and_only_cloudfront_reads_it(page):
    bucket = only(page, "AWS::S3::Bucket")
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    statements = only(page, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    allowed = [one for one in statements if one["Effect"] == "Allow"]
    assert [(one["Action"], one["Principal"]) for one in allowed] == [
        ("s3:GetObject", {"Service": "cloudfront.amazonaws.com"})
    ]
    assert "distribution/" in text_of(allowed[0]["Condition"]["StringEquals"]["AWS:SourceArn"])
    origin, _ = only(page, "AWS::CloudFront::Distribution")["DistributionConfig"]["Origins"]
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    assert (
        only(page, "AWS::CloudFront::OriginAccessControl")["OriginAccessControlConfig"]["SigningBehavior"] == "always"
    )


def test_every_file_is_served_with_the_headers_that_serve_has_and_with_hsts(page):
    config = only(page, "AWS::CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    assert security["ContentSecurityPolicy"]["ContentSecurityPolicy"] == CONTENT_SECURITY_POLICY
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] == 63_072_000
    assert security["FrameOptions"]["FrameOption"] == SECURITY_HEADERS["X-Frame-Options"]
    assert security["ReferrerPolicy"]["ReferrerPolicy"] == SECURITY_HEADERS["Referrer-Policy"]
    assert "ContentTypeOptions" in security
    (permissions,) = config["CustomHeadersConfig"]["Items"]
    assert permissions["Value"] == SECURITY_HEADERS["Permissions-Policy"]


def test_a_reader_sees_a_change_within_ten_seconds_and_over_tls_only(page):
    config = only(page, "AWS::CloudFront::Distribution")["DistributionConfig"]
    behaviour = config["DefaultCacheBehavior"]
    assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
    assert config["DefaultRootObject"] == "index.html"
    cache = only(page, "AWS::CloudFront::CachePolicy")["CachePolicyConfig"]
    assert (cache["MinTTL"], cache["DefaultTTL"], cache["MaxTTL"]) == (0, 5, 10)


def test_the_page_can_be_in_an_account_and_region_of_its_own(elsewhere_page):
    manifest = json.loads((elsewhere_page.folder / "manifest.json").read_bytes())
    artifact = manifest["artifacts"]["ib-oauth-status-dev"]
    assert artifact["environment"] == "aws://210987654321/eu-central-1"
    found = template(elsewhere_page)
    config = only(found, "AWS::CloudFront::Distribution")["DistributionConfig"]
    assert config["Aliases"] == ["status.example.com"]
    assert config["ViewerCertificate"]["AcmCertificateArn"] == CERTIFICATE
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    (writer,) = [
        one
        for one in only(found, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
        if one.get("Sid") == "LetPublisherWrite"
    ]
    assert writer["Action"] == "s3:PutObject"
    assert text_of(writer["Principal"]["AWS"]).endswith(":iam::123456789012:root")
    role = text_of(writer["Condition"]["ArnEquals"]["aws:PrincipalArn"])
    assert role.endswith(":iam::123456789012:role/ib-oauth-event-publish-status-page-dev")
    named(elsewhere_page.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-event-publish-status-page-dev")
    # No other stack refers to the page's, which may not exist in their account.
    assert "ib-oauth-status-dev" not in json.dumps(elsewhere_page.service)


def test_packs_of_rules_find_nothing_in_the_page_s_stack_that_is_not_explained(elsewhere_page):
    assert [found for found in violations(elsewhere_page.folder) if "ib-oauth-status" in found[1]] == []


def test_events_that_change_a_state_and_the_clock_have_the_page_published(everything_on):
    rules = {
        name: named(
            everything_on.orchestrator, "AWS::Events::Rule", "Name", f"ib-oauth-event-status-page-{name}-staging"
        )
        for name in ("events", "alarms", "clock")
    }
    assert rules["events"]["EventPattern"]["detail-type"] == list(EVENT_TYPES)
    assert rules["alarms"]["EventPattern"]["detail"] == {"alarmName": [{"wildcard": "ib-oauth-*-staging"}]}
    assert rules["clock"]["ScheduleExpression"] == "rate(1 minute)"
    for rule in rules.values():
        (target,) = rule["Targets"]
        assert text_of(target["Arn"]).startswith("<EventPublishStatusPage")
        assert text_of(target["DeadLetterConfig"]["Arn"]).startswith("<DeadLetters")


def test_the_page_is_watched_from_its_own_stack_which_reaches_nothing_but_its_bucket(everything_on):
    page = template(everything_on)
    function = named(page, "AWS::Lambda::Function", "Handler", "orchestrator.event_handlers.publish_status_page.watch")
    variables = function["Environment"]["Variables"]
    assert set(variables) == {"ENVIRONMENT", "STATUS_BUCKET", "STATUS_REGION", "POWERTOOLS_SERVICE_NAME", "LOG_LEVEL"}
    role = named(page, "AWS::IAM::Role", "RoleName", "ib-oauth-status-watch-staging")
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    rights = {action: text_of(one["Resource"]) for one in statements for action in as_list(one["Action"])}
    bucket = "arn:<AWS::Partition>:s3:::ib-oauth-status-staging-<AWS::AccountId>"
    assert {action: resource for action, resource in rights.items() if action.startswith("s3:")} == {
        "s3:GetObject": f"{bucket}/page.json",
        "s3:ListBucket": bucket,
        "s3:PutObject": f"{bucket}/*",
    }
    assert {action.partition(":")[0] for action in rights} == {"s3", "logs", "xray"}
    (rule,) = resources(page, "AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["Targets"][0]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 1}


def test_the_function_may_do_what_it_needs_and_nothing_else(everything_on):
    role = named(everything_on.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-event-publish-status-page-staging")
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    found = {action for one in statements for action in as_list(one["Action"])}
    assert found == {
        "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem",
        "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey",
        "lambda:GetAlias", "lambda:GetFunctionConfiguration", "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData",
        "s3:PutObject",
        "sqs:SendMessage",
        "logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords",
    }  # fmt: skip
    (writes,) = [one for one in statements if one["Action"] == "s3:PutObject"]
    assert text_of(writes["Resource"]).endswith(":s3:::ib-oauth-status-staging-<AWS::AccountId>/*")


def test_no_other_function_may_write_to_the_page_s_bucket(everything_on):
    writers = [
        role["RoleName"]
        for role in resources(everything_on.orchestrator, "AWS::IAM::Role").values()
        if "ib-oauth-status-staging" in json.dumps(role.get("Policies", []))
    ]
    assert writers == ["ib-oauth-event-publish-status-page-staging"]


def test_the_settings_reach_the_function(everything_on):
    function = named(
        everything_on.orchestrator,
        "AWS::Lambda::Function",
        "Handler",
        "orchestrator.event_handlers.publish_status_page.handler",
    )
    variables = function["Environment"]["Variables"]
    assert decode_status_page(variables["STATUS_PAGE"]).address == "https://status.example.com"
    assert variables["STATUS_REGION"] == "eu-central-1"


def test_cfn_lint_finds_nothing_in_the_page_s_stack(elsewhere_page):
    file = elsewhere_page.folder / "ib-oauth-status-dev.template.json"
    command = [Path(sys.executable).with_name("cfn-lint"), "--regions", "eu-central-1", "--ignore-checks", *NOT_LINTED]
    finished = subprocess.run([*map(str, command), "--", str(file)], capture_output=True, text=True, check=False)
    assert (finished.stdout, finished.returncode) == ("", 0)


def test_the_command_line_names_the_bucket_as_the_stack_does(everything_on, page):
    from orchestrator.cli.context import status_bucket

    name = text_of(only(page, "AWS::S3::Bucket")["BucketName"])
    staging = environments.load("staging")
    assert name.replace("<AWS::AccountId>", "123456789012") == status_bucket(staging, "123456789012")


def test_an_environment_with_a_page_is_synthesised_without_an_account(tmp_path):
    dev = environments.load("dev")
    page_of_dev = StatusPageSettings(enabled=True, address="https://status.example.com", region="eu-west-1")
    one = synthesise(tmp_path, dataclasses.replace(dev, status_page=page_of_dev))
    assert template(one)["Outputs"].keys() >= {"Bucket", "DomainTarget"}
