"""Notifications in the templates: only where there are destinations, with retries, dead letters, an alarm and few permissions."""

from __future__ import annotations

import json

from orchestrator.domain.mail.settings import decode_mail
from orchestrator.domain.notifications.bus_events import NOTIFIED
from orchestrator.domain.notifications.delivery import LEASE, RECEIVES
from orchestrator.domain.notifications.destinations import decode_destinations
from orchestrator.environments import settings_file
from tests.fakes.notification_providers import SENDER, Providers
from tests.infrastructure.templates import named, resources, text_of
from tests.infrastructure.test_alarms import ALARM, OK, plain, section_of, state
from tests.infrastructure.test_rights import as_list

RUNBOOK = settings_file().parent / "docs/runbooks/alarms.md"


def queue(one, name):
    return named(one.orchestrator, "AWS::SQS::Queue", "QueueName", f"ib-oauth-{name}-{one.name}")


def function(one):
    return named(
        one.orchestrator,
        "AWS::Lambda::Function",
        "Handler",
        "orchestrator.event_handlers.deliver_notifications.handler",
    )


def test_without_destinations_there_is_nothing_of_notifications(every):
    text = json.dumps(every.orchestrator)
    assert "deliver_notifications" not in text
    assert "ib-oauth-notifications" not in text
    assert not resources(every.orchestrator, "AWS::Lambda::EventSourceMapping")


def test_events_of_the_bus_and_of_every_alarm_reach_the_queue_with_retries_and_dead_letters(everything_on):
    rules = {
        name: named(
            everything_on.orchestrator, "AWS::Events::Rule", "Name", f"ib-oauth-event-notification-{name}-staging"
        )
        for name in ("events", "alarms")
    }
    assert rules["events"]["EventPattern"] == {
        "source": ["ib-oauth.orchestrator"],
        "detail-type": list(NOTIFIED),
    }
    assert rules["alarms"]["EventPattern"]["detail"] == {"alarmName": [{"wildcard": "ib-oauth-*-staging"}]}
    assert "EventBusName" in rules["events"]
    assert "EventBusName" not in rules["alarms"]
    for rule in rules.values():
        (target,) = rule["Targets"]
        assert text_of(target["Arn"]).startswith("<Notifications")
        assert text_of(target["DeadLetterConfig"]["Arn"]).startswith("<NotificationDeadLetters")
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}


def test_a_message_is_tried_again_for_hours_and_kept_afterwards(everything_on):
    messages, dead = queue(everything_on, "notifications"), queue(everything_on, "notification-dead-letters")
    assert messages["RedrivePolicy"]["maxReceiveCount"] == RECEIVES
    assert text_of(messages["RedrivePolicy"]["deadLetterTargetArn"]).startswith("<NotificationDeadLetters")
    assert dead["MessageRetentionPeriod"] == 14 * 86_400
    assert (messages["SqsManagedSseEnabled"], dead["SqsManagedSseEnabled"]) == (True, True)
    # Lambda asks for six times the timeout; a claim outlasts the function that made it.
    timeout = function(everything_on)["Timeout"]
    assert messages["VisibilityTimeout"] >= 6 * timeout
    assert LEASE.total_seconds() > timeout


def test_each_message_is_worked_on_alone_and_reported_alone(everything_on):
    (mapping,) = resources(everything_on.orchestrator, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 20}


def test_only_eventbridge_may_put_messages_from_outside_and_only_by_these_rules(everything_on):
    allowed = [
        statement
        for policy in resources(everything_on.orchestrator, "AWS::SQS::QueuePolicy").values()
        if "Notification" in json.dumps(policy["Queues"])
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert allowed
    for statement in allowed:
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert "Rule" in text_of(statement["Condition"]["ArnEquals"]["aws:SourceArn"])


def test_the_function_may_do_what_it_needs_and_nothing_else(everything_on):
    role = named(
        everything_on.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-event-deliver-notifications-staging"
    )
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    found = {action for one in statements for action in as_list(one["Action"])}
    assert found == {
        "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem",
        "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey",
        "sqs:SendMessage", "sqs:ChangeMessageVisibility", "sqs:ReceiveMessage", "sqs:DeleteMessage",
        "sqs:GetQueueAttributes", "secretsmanager:GetSecretValue", "ses:SendEmail", "ses:SendRawEmail",
        "logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords",
    }  # fmt: skip
    (secrets,) = [one for one in statements if one["Action"] == "secretsmanager:GetSecretValue"]
    *destinations, link_key = sorted(map(text_of, secrets["Resource"]), key=lambda arn: "link-key" in arn)
    assert set(destinations) == {one.secret for one in Providers(None).destinations() if one.secret}
    assert link_key.endswith(":secret:ib-oauth-link-key-staging-??????")


def test_the_function_sends_e_mail_of_one_identity_and_from_one_address_alone(everything_on):
    role = named(
        everything_on.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-event-deliver-notifications-staging"
    )
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    (mail,) = [one for one in statements if "ses:SendEmail" in as_list(one["Action"])]
    assert mail["Resource"] == SENDER.identity_arn
    assert mail["Condition"] == {"StringEquals": {"ses:FromAddress": SENDER.sender}}
    assert decode_mail(function(everything_on)["Environment"]["Variables"]["MAIL"]) == SENDER


def test_an_environment_without_a_sender_has_no_right_to_send_e_mail(every):
    assert "ses:Send" not in json.dumps(every.all)


def test_the_settings_reach_the_function_without_a_secret(everything_on):
    variables = function(everything_on)["Environment"]["Variables"]
    assert decode_destinations(variables["NOTIFICATIONS"]) == Providers(None).destinations()
    assert "https://hooks" not in variables["NOTIFICATIONS"]


def test_what_was_not_delivered_and_what_raised_an_exception_have_alarms(everything_on):
    alarms = {
        alarm["AlarmName"]: plain(alarm)
        for alarm in resources(everything_on.orchestrator, "AWS::CloudWatch::Alarm").values()
    }
    undelivered = alarms["ib-oauth-orchestrator-undelivered-notifications-staging"]
    assert section_of(undelivered) == "dead-letters"
    assert state(undelivered, {"ApproximateNumberOfMessagesVisible": 1}) == ALARM
    assert state(undelivered, {"ApproximateNumberOfMessagesVisible": 0}) == OK
    assert "ib-oauth-notification-dead-letters-staging" in json.dumps(undelivered)
    errors = alarms["ib-oauth-orchestrator-event-deliver-notifications-errors-staging"]
    assert state(errors, {"Errors": 1}) == ALARM
    assert "undelivered-notifications" in RUNBOOK.read_text(encoding="utf-8")
