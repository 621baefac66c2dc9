"""Application Auto Scaling: scalable targets are registered, described and deregistered, with their policies.

AWS:

- RegisterScalableTarget registers a resource for a dimension, with both bounds. Repeated, it changes what it names. The
  table must exist.
  https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
- DescribeScalableTargets returns the targets of the named resources. A resource without a target is no error.
  https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalableTargets.html
- DeregisterScalableTarget also deletes the policies of the target. Without a target it is ObjectNotFoundException.
  https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeregisterScalableTarget.html
- PutScalingPolicy creates or changes a policy of a registered target.
  https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html

Here a policy changes no table's units and creates no alarms, and requests are not authorized.

Stock MiniStack does not have the service: it rejects every request, with the HTTP status 400.
"""

from __future__ import annotations

import importlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.options import Options

PINNED = {
    "ministack.app._lazy_handler": "6cfcc348de123193",
    "ministack.core.router._is_aws_service_name": "12b437d0256187cf",
    "ministack.core.responses.json_response": "e6a4da6038be24fa",
    "ministack.core.responses.error_response_json": "37b83f60219dea51",
}

Json = dict[str, Any]
Response = tuple[int, Mapping[str, str], bytes]
_SERVICE: Final = "application-autoscaling"
_KEY: Final = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_BOUNDS: Final = ("MinCapacity", "MaxCapacity")
_PAGE: Final = 50


class ScalingError(Exception):
    """The response to a request that Application Auto Scaling rejects."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def install(_options: Options) -> None:
    """Install the patch in this process."""
    importlib.import_module("ministack.app").SERVICE_HANDLERS[_SERVICE] = ScalableTargets().handle_request


class ScalableTargets:
    """The targets and their policies, of all accounts and regions."""

    def __init__(self) -> None:
        scoped = importlib.import_module("ministack.core.responses").AccountRegionScopedDict
        self._targets, self._policies = scoped(), scoped()
        self._operations: Mapping[str, Callable[[Json], Json]] = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": lambda request: _page("ScalableTargets", self._targets, request),
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": lambda request: _page("ScalingPolicies", self._policies, request),
            "DeleteScalingPolicy": self._delete_policy,
        }

    async def handle_request(
        self, _method: str, _path: str, headers: Mapping[str, str], body: bytes, _params: Mapping[str, Any]
    ) -> Response:
        """Return the response to a request, in the form of MiniStack's handlers."""
        responses = importlib.import_module("ministack.core.responses")
        operation = self._operations.get(headers.get("x-amz-target", "").rpartition(".")[2], _unknown)
        try:
            response: Response = responses.json_response(operation(json.loads(body or b"{}")))
        except ScalingError as error:
            response = responses.error_response_json(
                error.code, str(error), HTTPStatus.BAD_REQUEST.value, message_key="Message"
            )
        return response

    def _register(self, request: Json) -> Json:
        key = _key(request)
        target = self._targets.get(key)
        if target is None:
            if missing := [bound for bound in _BOUNDS if bound not in request]:
                raise ScalingError("ValidationException", f"{missing[0]} must be specified for a new scalable target")
            _refuse_missing_table(request["ResourceId"])
            target = {
                "CreationTime": time.time(),
                "ScalableTargetARN": _arn(_SERVICE, f"scalable-target/{uuid.uuid4().hex}"),
            }
        changed = {**target, **request}
        if changed["MinCapacity"] > changed["MaxCapacity"]:
            raise ScalingError("ValidationException", "Maximum capacity cannot be less than minimum capacity")
        self._targets[key] = changed
        return {"ScalableTargetARN": changed["ScalableTargetARN"]}

    def _deregister(self, request: Json) -> Json:
        key = self._registered(request)
        del self._targets[key]
        for policy in [one for one in self._policies if one[:-1] == key]:
            del self._policies[policy]
        return {}

    def _put_policy(self, request: Json) -> Json:
        key = (*self._registered(request), request["PolicyName"])
        before = self._policies.get(key) or {
            "PolicyARN": _arn("autoscaling", f"scalingPolicy:{uuid.uuid4()}:policyName/{request['PolicyName']}"),
            "CreationTime": time.time(),
            "Alarms": [],
        }
        self._policies[key] = {**before, **request}
        return {name: before[name] for name in ("PolicyARN", "Alarms")}

    def _delete_policy(self, request: Json) -> Json:
        key = (*_key(request), request.get("PolicyName"))
        if key not in self._policies:
            raise ScalingError("ObjectNotFoundException", f"No scaling policy found for {_described(request)}")
        del self._policies[key]
        return {}

    def _registered(self, request: Json) -> tuple[str, ...]:
        """Return the key of a registered target.

        Raises:
            ScalingError: it is not registered.
        """
        key = _key(request)
        if key not in self._targets:
            raise ScalingError("ObjectNotFoundException", f"No scalable target registered for {_described(request)}")
        return key


def _unknown(_request: Json) -> Json:
    raise ScalingError("UnknownOperationException", "the local cloud does not have this operation")


def _key(request: Json) -> tuple[str, ...]:
    return tuple(str(request.get(name)) for name in _KEY)


def _described(request: Json) -> str:
    namespace, resource, dimension = _key(request)
    return f"service namespace: {namespace}, resource ID: {resource}, scalable dimension: {dimension}"


def _refuse_missing_table(resource: str) -> None:
    """Refuse a table that does not exist.

    Raises:
        ScalingError: there is no such table.
    """
    kind, _, name = resource.partition("/")
    tables = importlib.import_module("ministack.services.dynamodb")._tables
    if kind == "table" and name.partition("/")[0] not in tables:
        raise ScalingError("ValidationException", f"DynamoDB table does not exist: {resource}")


def _page(name: str, records: Mapping[tuple[str, ...], Json], request: Json) -> Json:
    """Return a page of the targets or policies that a request selects, and the token of the next one."""
    resources = request.get("ResourceIds") or [request[key] for key in ("ResourceId",) if key in request]
    selected = [
        record
        for _, record in sorted(records.items())
        if record["ServiceNamespace"] == request.get("ServiceNamespace")
        and (not resources or record["ResourceId"] in resources)
        and request.get("ScalableDimension") in {None, record["ScalableDimension"]}
        and (not request.get("PolicyNames") or record.get("PolicyName") in request["PolicyNames"])
    ]
    start, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or _PAGE)
    more = {"NextToken": str(start + size)} if start + size < len(selected) else {}
    return {name: selected[start : start + size], **more}


def _arn(service: str, resource: str) -> str:
    responses = importlib.import_module("ministack.core.responses")
    return f"arn:aws:{service}:{responses.get_region()}:{responses.get_account_id()}:{resource}"
