"""What upkeep reads of an account's history, against AWS's own model of the calls."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from orchestrator.aws.upkeep.account import KEY_TYPES, AccountHistory, tracking_start
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.upkeep.expiry import CertificateReading
from orchestrator.domain.upkeep.resources import PermissionUse

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
JOB = "a" * 36
ROLE = "arn:aws:iam::123456789012:role/ib-oauth-token-prod"


class Account:
    """Clients whose answers are given, in order, and validated by botocore's models."""

    def __init__(self):
        self.stubs, self.slept = {}, []
        self.history = AccountHistory(lambda service: self.stub(service).client, self.slept.append)

    def stub(self, service):
        if service not in self.stubs:
            client = botocore.session.get_session().create_client(
                service, region_name="us-west-1", aws_access_key_id="test", aws_secret_access_key="test"
            )
            self.stubs[service] = Stubber(client)
            self.stubs[service].activate()
        return self.stubs[service]

    def answers(self, service, operation, response, params=None):
        self.stub(service).add_response(operation, response, params)


@pytest.fixture
def account():
    found = Account()
    yield found
    for stub in found.stubs.values():
        stub.assert_no_pending_responses()


def advised(*services, status="COMPLETED", **more):
    return {
        "JobStatus": status,
        "JobCreationDate": NOW,
        "JobCompletionDate": NOW,
        "ServicesLastAccessed": services,
        **more,
    }


def used(namespace, at=None, **more):
    last = {"LastAuthenticated": at} if at else {}
    return {"ServiceName": namespace, "ServiceNamespace": namespace, **last, **more}


def test_the_access_advisor_is_polled_and_all_pages_are_read(account):
    account.answers(
        "iam", "generate_service_last_accessed_details", {"JobId": JOB}, {"Arn": ROLE, "Granularity": "ACTION_LEVEL"}
    )
    account.answers("iam", "get_service_last_accessed_details", advised(status="IN_PROGRESS"), {"JobId": JOB})
    first = advised(used("kms", NOW), IsTruncated=True, Marker="m")
    account.answers("iam", "get_service_last_accessed_details", first, {"JobId": JOB})
    actions = [{"ActionName": "PutObject"}, {"ActionName": "GetObject", "LastAccessedTime": NOW}]
    second = advised(used("s3", TrackedActionsLastAccessed=actions))
    account.answers("iam", "get_service_last_accessed_details", second, {"JobId": JOB, "Marker": "m"})

    assert account.history.read_permission_uses({"token": ROLE}) == [
        PermissionUse("token", "kms", NOW),
        PermissionUse("token", "s3", None, ("PutObject",)),
    ]
    assert account.slept == [1.0]


def test_a_report_that_failed_is_no_answer(account):
    account.answers("iam", "generate_service_last_accessed_details", {"JobId": JOB})
    account.answers("iam", "get_service_last_accessed_details", advised(status="FAILED"))
    with pytest.raises(Unreachable, match="IAM's report of token is FAILED"):
        account.history.read_permission_uses({"token": ROLE})


def test_a_report_that_never_ends_is_no_answer(account):
    account.answers("iam", "generate_service_last_accessed_details", {"JobId": JOB})
    for _ in range(31):
        account.answers("iam", "get_service_last_accessed_details", advised(status="IN_PROGRESS"))
    with pytest.raises(Unreachable, match="IN_PROGRESS"):
        account.history.read_permission_uses({"token": ROLE})


def change(name, state, at=NOW):
    data = {"version": "1.0", "oldState": {"stateValue": "OK"}, "newState": {"stateValue": state}}
    return {"AlarmName": name, "Timestamp": at, "HistoryItemType": "StateUpdate", "HistoryData": json.dumps(data)}


def test_only_changes_to_alarm_count(account):
    request = {
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "HistoryItemType": "StateUpdate", "StartDate": NOW, "EndDate": NOW,
    }  # fmt: skip
    page = {"AlarmHistoryItems": [change("a", "ALARM"), change("a", "OK")], "NextToken": "next"}
    account.answers("cloudwatch", "describe_alarm_history", page, request)
    page = {"AlarmHistoryItems": [change("b", "INSUFFICIENT_DATA"), change("a", "ALARM")]}
    account.answers("cloudwatch", "describe_alarm_history", page, {**request, "NextToken": "next"})
    assert account.history.read_alarm_history(NOW, NOW) == {"a": [NOW, NOW]}


def test_certificates_of_every_key_type_are_listed_and_only_those_of_the_domain_returned(account):
    arn = "arn:aws:acm:us-west-1:123456789012:certificate/0b"
    found = [
        {"CertificateArn": f"{arn}1", "DomainName": "a.example.com", "NotAfter": NOW},
        {
            "CertificateArn": f"{arn}2",
            "DomainName": "b.example.com",
            "SubjectAlternativeNameSummaries": ["a.example.com"],
        },
        {"CertificateArn": f"{arn}3", "DomainName": "b.example.com"},
    ]
    account.answers(
        "acm", "list_certificates", {"CertificateSummaryList": found}, {"Includes": {"keyTypes": list(KEY_TYPES)}}
    )
    assert account.history.read_certificates("a.example.com") == [
        CertificateReading("a.example.com", f"{arn}1", NOW),
        CertificateReading("a.example.com", f"{arn}2", None),
    ]


def day(on, usd):
    return {
        "TimePeriod": {"Start": on, "End": on},
        "Total": {"UnblendedCost": {"Amount": usd, "Unit": "USD"}},
        "Estimated": True,
    }


def test_the_bill_is_of_the_environment_s_tag_by_day_and_all_pages_are_read(account):
    request = {
        "TimePeriod": {"Start": "2026-11-28", "End": "2026-11-30"}, "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"], "Filter": {"Tags": {"Key": "environment", "Values": ["prod"]}},
    }  # fmt: skip
    first = {"ResultsByTime": [day("2026-11-28", "1.25")], "NextPageToken": "next"}
    account.answers("ce", "get_cost_and_usage", first, request)
    second = {"ResultsByTime": [day("2026-11-29", "2")]}
    account.answers("ce", "get_cost_and_usage", second, {**request, "NextPageToken": "next"})
    assert account.history.read_daily_cost("prod", date(2026, 11, 28), date(2026, 11, 30)) == {
        date(2026, 11, 28): 1.25,
        date(2026, 11, 29): 2.0,
    }


def test_an_account_without_a_bill_has_no_days_and_any_other_error_is_raised(account):
    account.stub("ce").add_client_error("get_cost_and_usage", "DataUnavailableException")
    assert account.history.read_daily_cost("prod", date(2026, 11, 28), date(2026, 11, 30)) == {}
    account.stub("ce").add_client_error("get_cost_and_usage", "AccessDeniedException")
    with pytest.raises(ClientError):
        account.history.read_daily_cost("prod", date(2026, 11, 28), date(2026, 11, 30))


def test_the_tracking_period_of_the_access_advisor_is_400_days():
    assert (NOW - tracking_start(NOW)).days == 400
