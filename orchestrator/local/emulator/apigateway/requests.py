"""API Gateway: requests on a REST API's resources, methods, deployments and responses that are rejected.

AWS:

- A greedy path variable has no siblings that are variables and no children. A method is one of HTTP's; an authorizer
  and a request validator that it names exist. An API's description is not empty.
  https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-set-up-simple-proxy.html
  https://docs.aws.amazon.com/apigateway/latest/api/API_PutMethod.html
- A deployment that a stage uses cannot be deleted, and neither can a gateway response that is not set.
  https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDeployment.html
  https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteGatewayResponse.html
- A new API is edge-optimised unless it says otherwise, and has no description; a stage names its cache's status.
  https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-endpoint-types.html

The answers were recorded on AWS (`tests/contract/parity/cases/apigateway.py` names the recordings).

Stock MiniStack accepts all of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.apigateway_v1._create_rest_api": "0e98c85ff1324d4c",
    "ministack.services.apigateway_v1._rest_api_view": "2a03b89dbd358b6d",
    "ministack.services.apigateway_v1._get_stage": "6a91f92cafd20159",
    "ministack.services.apigateway_v1._get_rest_api": "9db5101b8879a7cf",
    "ministack.services.apigateway_v1._create_resource": "d7d3fa54bf696de3",
    "ministack.services.apigateway_v1._put_method": "68269dbdc33e9189",
    "ministack.services.apigateway_v1._delete_deployment": "cb25e7c6f4f55b11",
    "ministack.services.apigateway_v1._get_gateway_responses": "6fb0858913b6bee6",
    "ministack.services.apigateway_v1._get_gateway_response": "ab3436758ed22942",
    "ministack.services.apigateway_v1._delete_gateway_response": "2be26b1fafe3756a",
}

METHODS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")

Operation = Callable[..., Any]
Request = Mapping[str, Any]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import apigateway_v1  # noqa: PLC0415 - only in the server process

    requests = _Requests(apigateway_v1)
    for name in (
        "_create_rest_api", "_get_rest_api", "_create_resource", "_put_method", "_delete_deployment",
        "_get_gateway_responses", "_get_gateway_response", "_delete_gateway_response",
    ):  # fmt: skip
        check = getattr(requests, name.removeprefix("_"))
        wrap(apigateway_v1, name, _checked(check))
    wrap(apigateway_v1, "_rest_api_view", _without_empty_description)
    wrap(apigateway_v1, "_get_stage", lambda original: _with_cache_status(original, apigateway_v1))


def _checked(check: Operation) -> Callable[[Operation], Operation]:
    """Return a wrapper that runs a check before the operation. The check returns an error response or None."""

    def wrapper(original: Operation) -> Operation:
        def operation(*arguments: Any) -> Any:
            rejection = check(*arguments)
            return original(*arguments) if rejection is None else rejection

        return operation

    return wrapper


def _without_empty_description(original: Operation) -> Operation:
    def view(api: Any) -> Any:
        shown = original(api)
        return {name: value for name, value in (shown or {}).items() if (name, value) != ("description", "")}

    return view


def _with_cache_status(original: Operation, apigateway: Any) -> Operation:
    def get_stage(api: str, name: str) -> Any:
        stage = apigateway._stages_v1.get(api, {}).get(name)
        if stage and not stage.get("cacheClusterEnabled"):
            stage.setdefault("cacheClusterStatus", "NOT_AVAILABLE")
        return original(api, name)

    return get_stage


class _Requests:
    """The checks, by the name of MiniStack's operation; each returns an error response or None."""

    def __init__(self, apigateway: Any) -> None:
        self._apigateway = apigateway

    def _bad(self, message: str) -> Any:
        return self._apigateway._v1_error("BadRequestException", message, HTTPStatus.BAD_REQUEST)

    def create_rest_api(self, data: Any) -> Any:
        if data.get("description") == "":
            return self._bad("Description cannot be an empty string")
        data.setdefault("endpointConfiguration", {"types": ["EDGE"]})
        return None

    def get_rest_api(self, api: str) -> Any:
        if api in self._apigateway._rest_apis:
            return None
        message = f"Invalid API identifier specified {self._apigateway.get_account_id()}:{api}"
        return self._apigateway._v1_error("NotFoundException", message, HTTPStatus.NOT_FOUND)

    def create_resource(self, api: str, parent: str, data: Request) -> Any:
        resources = self._apigateway._resources.get(api, {})
        part, above = data.get("pathPart", ""), resources.get(parent, {}).get("pathPart") or ""
        if above.endswith("+}"):
            return self._bad(f"Cannot create a child of a resource with a greedy path variable: {above}")
        siblings = [other.get("pathPart") or "" for other in resources.values() if other.get("parentId") == parent]
        variable = next((sibling for sibling in siblings if sibling.startswith("{") and sibling != part), "")
        if part.startswith("{") and variable:
            return self._bad(
                f"A sibling ({variable}) of this resource already has a variable path part -- only one is allowed"
            )
        return None

    def put_method(self, api: str, resource: str, method: str, data: Request) -> Any:
        if resource not in self._apigateway._resources.get(api, {}):
            return None
        if method not in METHODS:
            return self._bad(f"Invalid HttpMethod specified. Valid options are {','.join(METHODS)}")
        authorizers = self._apigateway._authorizers_v1.get(api, {})
        kinds = {"CUSTOM", "COGNITO_USER_POOLS"}
        if data.get("authorizationType") in kinds and data.get("authorizerId") not in authorizers:
            return self._bad(
                "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
                "requires a valid authorizer."
            )
        validator = data.get("requestValidatorId")
        if validator and validator not in self._apigateway._request_validators.get(api, {}):
            return self._bad("Invalid Request Validator identifier specified")
        return None

    def delete_deployment(self, api: str, deployment: str) -> Any:
        stages = self._apigateway._stages_v1.get(api, {}).values()
        if any(stage.get("deploymentId") == deployment for stage in stages):
            return self._bad("Active stages pointing to this deployment must be moved or deleted")
        return None

    def get_gateway_responses(self, api: str) -> Any:
        return self.get_rest_api(api)

    def get_gateway_response(self, api: str, kind: str) -> Any:
        kinds = self._apigateway._GATEWAY_RESPONSE_TYPES
        if kind in kinds:
            return self.get_rest_api(api)
        message = (
            f"1 validation error detected: Value '{kind}' at 'responseType' failed to satisfy constraint: Member must "
            f"satisfy enum value set: [{', '.join(kinds)}]"
        )
        return self._apigateway._v1_error("ValidationException", message, HTTPStatus.BAD_REQUEST)

    def delete_gateway_response(self, api: str, kind: str) -> Any:
        rejection = self.get_gateway_response(api, kind)
        if rejection is None and kind not in self._apigateway._gateway_responses.get(api, {}):
            message = "Gateway response type not defined on api"
            return self._apigateway._v1_error("NotFoundException", message, HTTPStatus.NOT_FOUND)
        return rejection
