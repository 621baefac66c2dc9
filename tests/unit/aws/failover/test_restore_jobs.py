"""Restore jobs of AWS Backup, and the record of the API's domain: the calls, and AWS's answers."""

from types import SimpleNamespace

import pytest

from orchestrator.aws.failover.domain_record import DomainRecord, DomainTarget
from orchestrator.aws.failover.restore_jobs import RestoreJobs, is_recovery_point
from orchestrator.domain.errors import Refused, Throttled
from tests.fakes.errors import client_error

POINT = "arn:aws:backup:us-east-2:123456789012:recovery-point:1EB3B5E7"


def test_a_recovery_point_is_told_by_its_service():
    assert is_recovery_point(POINT)
    assert not is_recovery_point("arn:aws:dynamodb:us-east-2:123456789012:table/t/backup/0123")


def test_a_job_is_started_with_a_token_that_makes_a_repetition_the_same_job():
    calls = []
    client = SimpleNamespace(start_restore_job=lambda **call: calls.append(call) or {"RestoreJobId": "job-1"})
    assert RestoreJobs(client).start(POINT, "restored", "arn:role", "fo-1-state") == "job-1"
    (call,) = calls
    assert (call["RecoveryPointArn"], call["IamRoleArn"], call["IdempotencyToken"]) == (POINT, "arn:role", "fo-1-state")
    assert call["Metadata"]["targetTableName"] == "restored"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InvalidParameterValueException", Refused),
        ("ResourceNotFoundException", Refused),
        ("ThrottlingException", Throttled),
    ],
)
def test_a_job_that_cannot_start_is_refused_and_a_busy_service_is_tried_again(code, error):
    def start(**_call):
        raise client_error(code, "no", status=400)

    with pytest.raises(error):
        RestoreJobs(SimpleNamespace(start_restore_job=start)).start(POINT, "t", "r", "x")


@pytest.mark.parametrize(
    ("described", "failure", "created"),
    [
        ({"Status": "RUNNING"}, "", ""),
        ({"Status": "COMPLETED", "CreatedResourceArn": "arn:table"}, "", "arn:table"),
        ({"Status": "FAILED", "StatusMessage": "no key"}, "no key", ""),
        ({"Status": "ABORTED"}, "ABORTED", ""),
    ],
)
def test_a_job_says_what_it_created_or_why_it_failed(described, failure, created):
    jobs = RestoreJobs(SimpleNamespace(describe_restore_job=lambda **_: described))
    assert (jobs.failure("job-1"), jobs.created("job-1")) == (failure, created)


def record(**operations):
    return DomainRecord(lambda _service: SimpleNamespace(**operations), "login.example.com", "Z0EXAMPLE")


def test_the_target_is_what_api_gateway_serves_the_domain_at():
    found = {"regionalDomainName": "d-1.execute-api.us-east-2.amazonaws.com", "regionalHostedZoneId": "ZOJJZC49E0EPZ"}
    target = record(get_domain_name=lambda **_: found).target()
    assert target == DomainTarget("d-1.execute-api.us-east-2.amazonaws.com", "ZOJJZC49E0EPZ")


def test_a_domain_that_is_not_served_has_no_target_and_a_zone_that_is_not_there_is_refused():
    def absent(code):
        def call(**_):
            raise client_error(code, "no")

        return call

    assert record(get_domain_name=absent("NotFoundException")).target() is None
    with pytest.raises(Refused, match="hosted_zone_id"):
        record(change_resource_record_sets=absent("NoSuchHostedZone")).point_at(DomainTarget("d", "Z"))


def test_the_record_is_an_alias_that_is_written_absolutely():
    calls = []
    answer = {"ChangeInfo": {"Id": "/change/C1"}}
    change = record(change_resource_record_sets=lambda **call: calls.append(call) or answer).point_at(
        DomainTarget("d", "Z")
    )
    ((one,),) = [call["ChangeBatch"]["Changes"] for call in calls]
    assert (change, one["Action"]) == ("/change/C1", "UPSERT")
    assert one["ResourceRecordSet"]["AliasTarget"] == {
        "DNSName": "d",
        "HostedZoneId": "Z",
        "EvaluateTargetHealth": False,
    }


@pytest.mark.parametrize(("status", "in_sync"), [("PENDING", False), ("INSYNC", True)])
def test_a_change_is_in_sync_when_route_53_says_so(status, in_sync):
    assert record(get_change=lambda **_: {"ChangeInfo": {"Status": status}}).in_sync("/change/C1") is in_sync
