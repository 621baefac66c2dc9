"""A region without an issuing lease issues no tokens to clients, and takes nothing from them."""

import pytest

from tests.unit.service.conftest import VERIFIER, Service


@pytest.fixture
def service(aws, variables):
    return Service(aws, {**variables, "ISSUING_LEASE": "on"})


def lease(service, until):
    item = {"pk": {"S": "issuing-lease"}, "epoch": {"N": "1"}, "until": {"N": str(until)}}
    service.aws.dynamodb.put_item(TableName=service.variables["KEYS_TABLE"], Item=item)
    service.now += 2


def test_without_a_lease_a_code_is_not_consumed_and_gets_its_tokens_later(service):
    code = service.code()
    refused = service.redeem(code)
    assert refused.status == 503
    assert refused.header("retry-after")
    lease(service, service.now + 900)
    assert service.redeem(code).status == 200


def test_after_the_end_of_the_lease_a_refresh_token_is_not_exchanged_and_stays_valid(service):
    lease(service, service.now + 900)
    tokens = service.redeem(service.code()).json
    service.now += 901
    assert service.refresh(tokens["refresh_token"]).status == 503
    lease(service, service.now + 900)
    assert service.refresh(tokens["refresh_token"]).status == 200


def test_the_synthetic_identity_needs_no_lease(service):
    issued = service.redeem(
        service.synthetic_code(),
        client_id="synthetic",
        redirect_uri="https://synthetic.invalid/callback",
        code_verifier=VERIFIER,
    )
    assert issued.status == 200
    assert service.refresh(issued.json["refresh_token"], client_id="synthetic").status == 200
