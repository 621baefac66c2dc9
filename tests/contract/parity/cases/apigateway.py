"""API Gateway: REST APIs, resources, methods, stages, gateway responses, routing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.contract.parity.case import Case, NotCovered, Rejection

API = "apigateway/test_apigateway_api::"
RESOURCES = API + "TestApiGatewayApiResource::"
METHODS = API + "TestApiGatewayApiMethod::"
RESPONSES = API + "TestApiGatewayGatewayResponse::"
COMMON = "apigateway/test_apigateway_common::"


def _api(aws: Any, **settings: Any) -> str:
    return str(aws.client("apigateway").create_rest_api(name=aws.new_name("api"), **settings)["id"])


def _root(aws: Any, api: str) -> str:
    return str(aws.client("apigateway").get_resources(restApiId=api)["items"][0]["id"])


def _deployed(aws: Any) -> tuple[str, str]:
    """Create an API with GET /asked, answered by the gateway itself, and stage it as ``live``: API and deployment."""
    client, api = aws.client("apigateway"), _api(aws)
    resource = client.create_resource(restApiId=api, parentId=_root(aws, api), pathPart="asked")["id"]
    where = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
    client.put_method(**where, authorizationType="NONE")
    client.put_method_response(**where, statusCode="200")
    client.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    client.put_integration_response(
        **where, statusCode="200", responseTemplates={"application/json": json.dumps({"answer": 1})}
    )
    return api, client.create_deployment(restApiId=api, stageName="live")["id"]


def _new_api(aws: Any) -> dict[str, Any]:
    found = aws.client("apigateway").get_rest_api(restApiId=_api(aws))
    wanted = ("apiKeySource", "disableExecuteApiEndpoint", "description")
    facts = {name: found[name] for name in wanted if name in found}
    return facts | {"types": found["endpointConfiguration"]["types"]}


def _absent_api(operation: str, **parameters: Any) -> Callable[[Any], Any]:
    return lambda aws: getattr(aws.client("apigateway"), operation)(restApiId="absent", **parameters)


def _create_resource(parent: str | None = None, *parts: str) -> Callable[[Any], Any]:
    """Return a request that creates resources below a parent: the root unless named."""

    def request(aws: Any) -> str:
        api = _api(aws)
        for part in parts:
            aws.client("apigateway").create_resource(restApiId=api, parentId=parent or _root(aws, api), pathPart=part)
        return "accepted"

    return request


def _child_of_proxy(aws: Any) -> str:
    client, api = aws.client("apigateway"), _api(aws)
    proxy = client.create_resource(restApiId=api, parentId=_root(aws, api), pathPart="{proxy+}")["id"]
    client.create_resource(restApiId=api, parentId=proxy, pathPart="below")
    return "accepted"


def _put_method(**change: Any) -> Callable[[Any], Any]:
    def request(aws: Any) -> str:
        api = _api(aws)
        wanted = {"restApiId": api, "resourceId": _root(aws, api), "httpMethod": "GET", "authorizationType": "NONE"}
        aws.client("apigateway").put_method(**wanted | change)
        return "accepted"

    return request


def _absent_method(aws: Any) -> Any:
    api = _api(aws)
    return aws.client("apigateway").get_method(restApiId=api, resourceId=_root(aws, api), httpMethod="POST")


def _new_stage(aws: Any) -> dict[str, Any]:
    api, deployment = _deployed(aws)
    stage = aws.client("apigateway").get_stage(restApiId=api, stageName="live")
    facts = {name: stage.get(name) for name in ("stageName", "cacheClusterEnabled", "cacheClusterStatus")}
    return facts | {
        "deployment": stage["deploymentId"] == deployment,
        "methodSettings": stage.get("methodSettings"),
        "tracingEnabled": stage.get("tracingEnabled"),
    }


def _listed_stages(aws: Any) -> list[str]:
    api, _deployment = _deployed(aws)
    return [stage["stageName"] for stage in aws.client("apigateway").get_stages(restApiId=api)["item"]]


def _delete_used_deployment(aws: Any) -> str:
    api, deployment = _deployed(aws)
    aws.client("apigateway").delete_deployment(restApiId=api, deploymentId=deployment)
    return "accepted"


def _response(aws: Any, kind: str, **settings: Any) -> dict[str, Any]:
    client, api = aws.client("apigateway"), _api(aws)
    if settings:
        client.put_gateway_response(restApiId=api, responseType=kind, **settings)
    found = client.get_gateway_response(restApiId=api, responseType=kind)
    return {name: found.get(name) for name in ("defaultResponse", "responseType", "statusCode", "responseTemplates")}


def _default_responses(aws: Any) -> set[str]:
    items = aws.client("apigateway").get_gateway_responses(restApiId=_api(aws))["items"]
    return {item["responseType"] for item in items if item["defaultResponse"]} & {
        "DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED", "WAF_FILTERED",
    }  # fmt: skip


def _delete_response_not_set(aws: Any) -> Any:
    return aws.client("apigateway").delete_gateway_response(restApiId=_api(aws), responseType="DEFAULT_4XX")


def _unknown_response(aws: Any) -> Any:
    return aws.client("apigateway").get_gateway_response(restApiId=_api(aws), responseType="FAKE")


def _send(path: str, method: str = "GET") -> Callable[[Any], Any]:
    """Return a request to a deployed API: status, body, and the error type that a header names."""

    def request(aws: Any) -> dict[str, Any]:
        if aws.api_url is None:
            raise NotCovered("it serves no deployed API")
        api, _deployment = aws.shared("deployed api", lambda: _deployed(aws))
        sent = urllib.request.Request(f"{aws.api_url(api, 'live')}{path}", method=method)
        try:
            with urllib.request.urlopen(sent, timeout=10) as answer:
                return {"status": answer.status, "body": json.loads(answer.read())}
        except urllib.error.HTTPError as error:
            body = json.loads(error.read() or b"{}")
            return {"status": error.code, "body": body, "type": error.headers.get("x-amzn-ErrorType")}

    return request


_NO_API = Rejection("NotFoundException", 404, r"^Invalid API identifier specified \d{12}:absent$")
_NO_RESOURCE = Rejection("NotFoundException", 404, "^Invalid Resource identifier specified$")
_TEMPLATE = {"application/json": '{"message":$context.error.messageString}'}
_NOT_FOUND = {
    "status": 403,
    "body": {"message": "Missing Authentication Token"},
    "type": "MissingAuthenticationTokenException",
}

CASES = (
    Case("apigateway:CreateRestApi", "its defaults", API + "TestApiGatewayApiRestApi::test_create_rest_api_with_optional_params", _new_api, {"apiKeySource": "HEADER", "disableExecuteApiEndpoint": False, "types": ["EDGE"]}),
    Case("apigateway:CreateRestApi", "an empty description", API + "TestApiGatewayApiRestApi::test_create_rest_api_with_optional_params", lambda aws: _api(aws, description=""), Rejection("BadRequestException", 400, "^Description cannot be an empty string$")),
    Case("apigateway:GetRestApi", "one that does not exist", API + "TestApiGatewayApiRestApi::test_get_api_case_insensitive", _absent_api("get_rest_api"), _NO_API),
    Case("apigateway:CreateResource", "a parent that does not exist", RESOURCES + "test_resource_lifecycle", _create_resource("absent", "a"), _NO_RESOURCE),
    Case("apigateway:CreateResource", "a name that exists", RESOURCES + "test_update_resource_behaviour", _create_resource(None, "pets", "pets"), Rejection("ConflictException", 409, "^Another resource with the same parent already has this name: pets$")),
    Case("apigateway:CreateResource", "a second variable", RESOURCES + "test_create_proxy_resource_validation", _create_resource(None, "{proxy+}", "{other}"), Rejection("BadRequestException", 400, r"^A sibling \(\{proxy\+\}\) of this resource already has a variable path part -- only one is allowed$")),
    Case("apigateway:CreateResource", "below a greedy variable", RESOURCES + "test_create_proxy_resource_validation", _child_of_proxy, Rejection("BadRequestException", 400, r"^Cannot create a child of a resource with a greedy path variable: \{proxy\+\}$")),
    Case("apigateway:PutMethod", "a resource that does not exist", METHODS + "test_put_method_validation", _put_method(resourceId="absent"), _NO_RESOURCE),
    Case("apigateway:PutMethod", "a method that is none", METHODS + "test_put_method_validation", _put_method(httpMethod="MADE"), Rejection("BadRequestException", 400, "^Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY$")),
    Case("apigateway:PutMethod", "an authorizer that is not named", METHODS + "test_put_method_validation", _put_method(authorizationType="CUSTOM"), Rejection("BadRequestException", 400, "^Invalid authorizer ID specified")),
    Case("apigateway:PutMethod", "a request validator that does not exist", METHODS + "test_put_method_validation", _put_method(requestValidatorId="absent"), Rejection("BadRequestException", 400, "^Invalid Request Validator identifier specified$")),
    Case("apigateway:GetMethod", "one that does not exist", METHODS + "test_update_method_validation", _absent_method, Rejection("NotFoundException", 404, "^Invalid Method identifier specified$")),
    Case("apigateway:CreateStage", "its defaults", COMMON + "TestDeployments::test_create_delete_deployments", _new_stage, {"stageName": "live", "cacheClusterEnabled": False, "cacheClusterStatus": "NOT_AVAILABLE", "deployment": True, "methodSettings": {}, "tracingEnabled": False}),
    Case("apigateway:GetStages", "the stages of an API", COMMON + "TestDeployments::test_create_delete_deployments", _listed_stages, ["live"]),
    Case("apigateway:DeleteDeployment", "one that a stage uses", COMMON + "TestDeployments::test_create_delete_deployments", _delete_used_deployment, Rejection("BadRequestException", 400, "^Active stages pointing to this deployment must be moved or deleted$")),
    Case("apigateway:GetGatewayResponses", "an API that does not exist", RESPONSES + "test_gateway_response_validation", _absent_api("get_gateway_responses"), _NO_API),
    Case("apigateway:GetGatewayResponses", "the default responses are listed", RESPONSES + "test_gateway_response_crud", _default_responses, {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED", "WAF_FILTERED"}),
    Case("apigateway:GetGatewayResponse", "a default response", RESPONSES + "test_gateway_response_crud", lambda aws: _response(aws, "MISSING_AUTHENTICATION_TOKEN"), {"defaultResponse": True, "responseType": "MISSING_AUTHENTICATION_TOKEN", "statusCode": "403", "responseTemplates": _TEMPLATE}),
    Case("apigateway:PutGatewayResponse", "is no default any more", RESPONSES + "test_gateway_response_put", lambda aws: _response(aws, "MISSING_AUTHENTICATION_TOKEN", statusCode="404"), {"defaultResponse": False, "responseType": "MISSING_AUTHENTICATION_TOKEN", "statusCode": "404", "responseTemplates": _TEMPLATE}),
    Case("apigateway:GetGatewayResponse", "a type that is none", RESPONSES + "test_gateway_response_validation", _unknown_response, Rejection("ValidationException", 400, "^1 validation error detected: Value 'FAKE' at 'responseType' failed to satisfy constraint: Member must satisfy enum value set")),
    Case("apigateway:DeleteGatewayResponse", "one that is not set", RESPONSES + "test_gateway_response_validation", _delete_response_not_set, Rejection("NotFoundException", 404, "^Gateway response type not defined on api$")),
    Case("apigateway:execute", "a path that does not exist", COMMON + "TestApigatewayRouting::test_routing_not_found", _send("/absent"), _NOT_FOUND),
    Case("apigateway:execute", "a method that does not exist", COMMON + "TestApigatewayRouting::test_routing_not_found", _send("/asked", "DELETE"), _NOT_FOUND),
    Case("apigateway:execute", "an answer of the gateway itself", "apigateway/test_apigateway_basic::TestAPIGateway::test_api_gateway_mock_integration", _send("/asked"), {"status": 200, "body": {"answer": 1}}),
)  # fmt: skip
