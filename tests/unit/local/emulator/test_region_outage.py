"""Which requests belong to a lost region."""

import pytest

from orchestrator.local.control_api import Controls
from orchestrator.local.emulator.cloudformation.failed_creations import CreationFaults
from orchestrator.local.emulator.region_outage import OUTAGE, Outage, in_lost_region
from orchestrator.local.emulator.throttled_services import Throttles

HOME, OTHER = "us-west-1", "us-east-2"


def signed(region: str, service: str = "dynamodb", path: str = "/") -> dict:
    credential = f"AWS4-HMAC-SHA256 Credential=test/20261124/{region}/{service}/aws4_request, SignedHeaders=host"
    return {"type": "http", "path": path, "query_string": b"", "headers": [(b"authorization", credential.encode())]}


def unsigned(path: str, query: str = "") -> dict:
    return {"type": "http", "path": path, "query_string": query.encode(), "headers": []}


@pytest.fixture
def outage():
    found = Outage({"api1": HOME}.get, {"assets": HOME}.get)
    found.set_lost_regions([HOME])
    return found


def test_nothing_is_lost_at_first():
    assert not Outage({}.get, {}.get).affects(signed(HOME))


def test_a_request_belongs_to_the_region_it_is_signed_for(outage):
    assert outage.affects(signed(HOME))
    assert not outage.affects(signed(OTHER))


def test_a_presigned_request_is_signed_too(outage):
    presigned = f"X-Amz-Credential=test%2F20261124%2F{HOME}%2Fs3%2Faws4_request"
    assert outage.affects(unsigned("/bucket/key", presigned))
    assert not outage.affects(unsigned("/bucket/key", presigned.replace(HOME, OTHER)))


def test_an_api_and_a_bucket_are_where_they_are_whichever_client_calls(outage):
    assert outage.affects(unsigned("/_aws/execute-api/api1/live/token"))
    assert outage.affects(unsigned("/restapis/api1/live/_user_request_/token"))
    assert not outage.affects(unsigned("/_aws/execute-api/api2/live/token"))
    assert outage.affects(signed(OTHER, "s3", "/assets/key"))
    assert not outage.affects(signed(OTHER, "s3", "/elsewhere/key"))


def test_global_services_and_what_belongs_to_no_region_go_on(outage):
    assert not outage.affects(signed(HOME, "iam"))
    assert not outage.affects(unsigned("/_ministack/health"))


def test_what_is_switched_later_replaces_what_was(outage):
    outage.set_lost_regions([OTHER])
    assert outage.affects(signed(OTHER))
    assert not outage.affects(signed(HOME))


def test_a_resource_of_a_lost_region_is_out_of_reach():
    arn = f"arn:aws:dynamodb:{HOME}:000000000000:table/t"
    assert not in_lost_region(arn)
    OUTAGE.set_lost_regions([HOME])
    try:
        assert in_lost_region(arn)
    finally:
        OUTAGE.set_lost_regions([])


def test_the_switches_do_what_makes_sense_and_refuse_the_rest(outage):
    enforced: list[bool] = []
    faults = CreationFaults()
    throttles = Throttles()
    controls = Controls(enforced.append, outage, faults, throttles)
    assert controls.apply("/_local/policies", {"enforce": True})
    assert enforced == [True]
    assert controls.apply("/_local/regions", {"lost": []})
    assert outage.lost == frozenset()
    assert controls.apply("/_local/creations", {"fail": ["AWS::KMS::*", "TokensTable"]})
    assert faults.patterns == ("AWS::KMS::*", "TokensTable")
    assert controls.apply("/_local/throttles", {"throttle": ["lambda"]})
    assert throttles.error_for(signed(HOME, "lambda"))
    for path, body in (
        ("/_local/creations", {"fail": "AWS::KMS::Key"}),
        ("/_local/policies", {"enforce": "yes"}),
        ("/_local/regions", {"lost": HOME}),
        ("/_local/regions", {"lost": [1]}),
        ("/_local/regions", []),
        ("/_local/throttles", {"throttle": ["volcano"]}),
        ("/_local/throttles", {"throttle": "lambda"}),
    ):
        assert not controls.apply(path, body)
