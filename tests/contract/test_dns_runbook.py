"""The DNS runbook's commands, on the local cloud's Route 53: a name is pointed elsewhere, and back by what was there.

UPSERT makes a record or replaces it (https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html).
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.runbook import Runbook

pytestmark = pytest.mark.both
NAME = "api.oauth.example.com"
BEFORE, AFTER = "d-before.execute-api.us-west-1.amazonaws.com", "d-after.execute-api.us-east-2.amazonaws.com"
SEE, READ_TARGET, TEST, POINT = range(4)


def records(printed: str) -> list:
    """The record sets, which are printed before the domains."""
    found, _ = json.JSONDecoder().raw_decode(printed)
    return found


def targets(printed: str) -> list[str]:
    return [one["AliasTarget"]["DNSName"].rstrip(".") for one in records(printed) if one["Type"] == "A"]


@pytest.mark.strategy("Manual Intervention: DNS changes")
def test_a_name_is_pointed_elsewhere_and_back(cloud):
    route53, environ = cloud.client("route53"), cloud.local.environ
    made = route53.create_hosted_zone(Name="oauth.example.com", CallerReference=cloud.name("zone"))
    zone = made["HostedZone"]["Id"].rpartition("/")[2]
    runbook = Runbook("dns", {"ZONE=Z0000000EXAMPLE": f"ZONE={zone}"})

    def point_at(target: str) -> None:
        here = f"ZONE={zone}\nNAME={NAME}\nTARGET={target}\nTARGET_ZONE=ZOJJZC49E0EPZ"
        assert runbook.run(here, runbook.blocks[POINT], environ=environ).strip() == "INSYNC"

    point_at(BEFORE)
    seen = runbook.run(runbook.blocks[SEE], environ=environ)
    assert targets(seen) == [BEFORE]

    point_at(AFTER)
    assert targets(runbook.run(runbook.blocks[SEE], environ=environ)) == [AFTER]

    point_at(targets(seen)[0])
    assert targets(runbook.run(runbook.blocks[SEE], environ=environ)) == [BEFORE]
