"""The record of the API's domain: the calls, and AWS's answers."""

from types import SimpleNamespace

import pytest

from orchestrator.aws.failover.domain_record import DomainRecord, DomainTarget
from orchestrator.domain.errors import Refused
from tests.fakes.errors import client_error


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
