"""Which headers a REST API takes away or renames between a client and a Lambda proxy integration."""

import json
import urllib.error
import urllib.request

import pytest

from tests.contract.apis import rest_api

CHALLENGING = """
def handler(event, context):
    return {
        "statusCode": 401,
        "multiValueHeaders": {"WWW-Authenticate": ['Bearer realm="x"'], "x-own": ["kept"], "Via": ["me"]},
        "body": '{"headers": %s}' % __import__("json").dumps(sorted(name.lower() for name in event["headers"])),
    }
"""


def fetch(url, **headers):
    """Status, headers and body of a GET."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, json.load(answer)


@pytest.fixture
def url(cloud):
    return rest_api(cloud, cloud.function(CHALLENGING)).url


def test_a_function_s_challenge_leaves_under_another_name(url):
    status, headers, _ = fetch(url)
    assert status == 401
    assert headers["www-authenticate"] is None
    assert headers["x-amzn-remapped-www-authenticate"] == 'Bearer realm="x"'
    assert headers["x-own"] == "kept"


def test_a_gateway_response_does_not_rename_a_function_s_header_back(cloud):
    api = rest_api(cloud, cloud.function(CHALLENGING))
    client = cloud.client("apigateway")
    for response_type in ("UNAUTHORIZED", "DEFAULT_4XX"):
        client.put_gateway_response(
            restApiId=api.id,
            responseType=response_type,
            responseParameters={"gatewayresponse.header.WWW-Authenticate": "'Bearer'"},
        )
    client.create_deployment(restApiId=api.id, stageName=api.stage)
    _, headers, _ = fetch(api.url)
    assert headers["www-authenticate"] is None
    assert headers["x-amzn-remapped-www-authenticate"] == 'Bearer realm="x"'


def test_a_function_s_via_is_dropped(url):
    assert fetch(url)[1]["via"] is None


def test_a_request_s_connection_headers_do_not_reach_the_function(url):
    _, _, body = fetch(url, **{"Max-Forwards": "3", "TE": "trailers", "Authorization": "Bearer token", "X-Own": "kept"})
    assert {"authorization", "x-own"} <= set(body["headers"])
    assert not {"max-forwards", "te", "connection"} & set(body["headers"])


@pytest.mark.both
def test_the_api_s_own_refusal_carries_the_challenge_of_a_gateway_response(cloud):
    api = rest_api(cloud, cloud.function(CHALLENGING), authorization="AWS_IAM")
    client = cloud.client("apigateway")
    client.put_gateway_response(
        restApiId=api.id,
        responseType="DEFAULT_4XX",
        responseParameters={"gatewayresponse.header.WWW-Authenticate": "'Bearer'"},
    )
    client.create_deployment(restApiId=api.id, stageName=api.stage)
    status, headers, _ = fetch(f"{api.url}nowhere")
    assert status == 403
    assert headers["www-authenticate"] == "Bearer"
