"""Subscribers in the page's stack: only where a sender is set, with few permissions, throttled, and with dead letters."""

from __future__ import annotations

import dataclasses
import json

import pytest

from orchestrator import environments
from orchestrator.domain.notifications.delivery import LEASE, RECEIVES
from orchestrator.domain.status_page.settings import StatusPageSettings, decode_status_page
from orchestrator.domain.subscribers.messages import CONFIRM_PATH, REQUEST_PATH, UNSUBSCRIBE_PATH
from tests.fakes.subscribers import SENDER
from tests.infrastructure.templates import named, resources, synthesise, text_of
from tests.infrastructure.test_alarms import ALARM, OK, plain, section_of, state
from tests.infrastructure.test_rights import as_list
from tests.infrastructure.test_status_page import only, template


@pytest.fixture(scope="module")
def page(everything_on):
    return template(everything_on)


def statements(page, role):
    policies = named(page, "AWS::IAM::Role", "RoleName", f"ib-oauth-status-{role}-staging")["Policies"]
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def actions(page, role):
    return {action for one in statements(page, role) for action in as_list(one["Action"])}


def function(page, module):
    return named(page, "AWS::Lambda::Function", "Handler", f"orchestrator.event_handlers.{module}.handler")


COMMON = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}


def test_the_endpoint_can_neither_send_e_mail_nor_change_the_page(page):
    assert actions(page, "serve-subscriptions") == {
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query",
        "sqs:SendMessage", "secretsmanager:GetSecretValue", *COMMON,
    }  # fmt: skip


def test_the_sender_sends_as_one_identity_from_one_address_and_reads_one_file(page):
    assert actions(page, "deliver-to-subscribers") == {
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query",
        "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
        "sqs:ChangeMessageVisibility", "s3:GetObject", "s3:ListBucket", "ses:SendEmail", "ses:SendRawEmail",
        "secretsmanager:GetSecretValue", *COMMON,
    }  # fmt: skip
    found = statements(page, "deliver-to-subscribers")
    (mail,) = [one for one in found if "ses:SendEmail" in as_list(one["Action"])]
    assert (mail["Resource"], mail["Condition"]) == (
        SENDER.identity_arn,
        {"StringEquals": {"ses:FromAddress": SENDER.sender}},
    )
    (reads,) = [one for one in found if one["Action"] == "s3:GetObject"]
    assert text_of(reads["Resource"]).endswith("ib-oauth-status-staging-<AWS::AccountId>/announcements.json")


def test_personal_data_is_deleted_by_time_encrypted_and_in_short_backups(page):
    table = only(page, "AWS::DynamoDB::Table")
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"] == 7
    assert "StreamSpecification" not in table


def test_requests_reach_the_function_through_cloudfront_uncached_and_throttled(page):
    config = only(page, "AWS::CloudFront::Distribution")["DistributionConfig"]
    (behavior,) = config["CacheBehaviors"]
    assert behavior["PathPattern"] == "/subscriptions/*"
    assert all(path.startswith("/subscriptions/") for path in (REQUEST_PATH, CONFIRM_PATH, UNSUBSCRIBE_PATH))
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "Managed-CachingDisabled"
    assert "POST" in behavior["AllowedMethods"]
    assert config["DefaultCacheBehavior"]["AllowedMethods"] == ["GET", "HEAD"]
    (settings,) = only(page, "AWS::ApiGateway::Stage")["MethodSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (5, 10)
    paths = {one["PathPart"] for one in resources(page, "AWS::ApiGateway::Resource").values()}
    assert paths == {"subscriptions", "request", "confirm", "unsubscribe"}


def test_a_new_file_of_announcements_reaches_the_queue_and_only_from_this_bucket(page):
    bucket = only(page, "AWS::S3::Bucket")
    (reported,) = bucket["NotificationConfiguration"]["QueueConfigurations"]
    assert reported["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "announcements.json"}]
    allowed = [
        one
        for policy in resources(page, "AWS::SQS::QueuePolicy").values()
        for one in policy["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    (one,) = allowed
    assert one["Principal"] == {"Service": "s3.amazonaws.com"}
    assert text_of(one["Condition"]["ArnEquals"]["aws:SourceArn"]).endswith(
        ":s3:::ib-oauth-status-staging-<AWS::AccountId>"
    )
    assert "Custom::" not in json.dumps(page), "no function that may change other buckets"


def test_a_message_is_tried_again_for_hours_and_kept_afterwards(page):
    messages = named(page, "AWS::SQS::Queue", "QueueName", "ib-oauth-subscriber-messages-staging")
    assert messages["RedrivePolicy"]["maxReceiveCount"] == RECEIVES
    timeout = function(page, "deliver_to_subscribers")["Timeout"]
    assert messages["VisibilityTimeout"] >= 6 * timeout
    assert LEASE.total_seconds() > timeout
    (mapping,) = resources(page, "AWS::Lambda::EventSourceMapping").values()
    assert (mapping["BatchSize"], mapping["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    (alarm,) = [plain(one) for one in resources(page, "AWS::CloudWatch::Alarm").values()]
    assert section_of(alarm) == "dead-letters"
    assert state(alarm, {"ApproximateNumberOfMessagesVisible": 1}) == ALARM
    assert state(alarm, {"ApproximateNumberOfMessagesVisible": 0}) == OK


def test_the_settings_reach_the_functions_without_the_key(page):
    for module in ("serve_subscriptions", "deliver_to_subscribers"):
        variables = function(page, module)["Environment"]["Variables"]
        assert decode_status_page(variables["STATUS_PAGE"]).subscribers == SENDER
        assert text_of(variables["LINK_KEY"]).startswith("<SubscribersLinkKey")


def test_a_page_without_a_sender_has_nothing_of_subscribers(tmp_path):
    dev = environments.load("dev")
    settings = StatusPageSettings(enabled=True, address="https://status.example.com", region="eu-west-1")
    found = template(synthesise(tmp_path, dataclasses.replace(dev, status_page=settings)))
    (watch,) = resources(found, "AWS::Lambda::Function").values()
    assert watch["Handler"] == "orchestrator.event_handlers.publish_status_page.watch"
    assert not resources(found, "AWS::DynamoDB::Table")
