"""Lambda: provisioned concurrency takes time to allocate, is validated, and can be listed.

AWS:

- "The status of the allocation process": first IN_PROGRESS, later READY or FAILED.
  https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
- ListProvisionedConcurrencyConfigs returns the configurations of a function's versions and aliases. It is the same
  request as GetProvisionedConcurrencyConfig, with ``List=ALL`` instead of a qualifier.
  https://docs.aws.amazon.com/lambda/latest/api/API_ListProvisionedConcurrencyConfigs.html
- ``$LATEST`` cannot have it. The sum over a function's versions is limited by the function's reserved concurrency.
  https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
- A version has it by itself or by an alias, not both: the second request is a ResourceConflictException. It is deleted
  with its alias. These answers were recorded on AWS (`tests/contract/parity/cases/lambda_.py` names the recordings).

Stock MiniStack accepts every request, is READY at once, and answers a list request with
ProvisionedConcurrencyConfigNotFoundException. Neither stock MiniStack nor this patch starts workers in advance: the
provisioned concurrency is only a number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._get_provisioned_concurrency": "e579a7415a6daf67",
    "ministack.services.lambda_svc._put_provisioned_concurrency": "c9f084246ab90bdf",
    "ministack.services.lambda_svc._delete_provisioned_concurrency": "fe70f5acfe356c29",
    "ministack.services.lambda_svc._func_arn": "0fae69e5f3899f71",
}

ALLOCATION_SECONDS = 1.0
"""How long versions are IN_PROGRESS here. AWS takes one to three minutes."""

_REQUESTED = "RequestedProvisionedConcurrentExecutions"
_READY_AT = "ready_at"

Config = Mapping[str, Any]
Rejection = tuple[str, str, int]
"""An error's code, message and HTTP status."""

LATEST = "$LATEST"
INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
CONFLICT = "ResourceConflictException"


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    wrap(lambda_svc, "_put_provisioned_concurrency", lambda original: _validating_and_delayed(original, lambda_svc))
    wrap(lambda_svc, "_delete_provisioned_concurrency", lambda original: _deleting(original, lambda_svc))
    wrap(lambda_svc, "_get_provisioned_concurrency", lambda original: _listing(original, lambda_svc))


def _validating_and_delayed(original: Callable[..., Any], lambda_svc: Any) -> Callable[..., Any]:
    def put_provisioned_concurrency(function_name: str, qualifier: str | None, request: Config) -> Any:
        function = lambda_svc._functions.get(function_name)
        arn = lambda_svc._func_arn(function_name)
        rejected = (
            _not_positive(request) or missing(function, arn, qualifier) or _rejection(function, qualifier, request)
        )
        if rejected:
            return lambda_svc.error_response_json(*rejected)
        response = original(function_name, qualifier, request)
        config = (function or {}).get("provisioned_concurrency", {}).get(qualifier)
        if config is None:
            return response
        config[_READY_AT] = time.monotonic() + ALLOCATION_SECONDS
        return lambda_svc.json_response(_current(config), 202)

    return put_provisioned_concurrency


def _deleting(original: Callable[..., Any], lambda_svc: Any) -> Callable[..., Any]:
    def delete_provisioned_concurrency(function_name: str, qualifier: str | None) -> Any:
        function = lambda_svc._functions.get(function_name)
        rejected = missing(function, lambda_svc._func_arn(function_name), qualifier) or _unpublished(qualifier)
        return lambda_svc.error_response_json(*rejected) if rejected else original(function_name, qualifier)

    return delete_provisioned_concurrency


def _listing(original: Callable[..., Any], lambda_svc: Any) -> Callable[..., Any]:
    def get_provisioned_concurrency(function_name: str, qualifier: str | None) -> Any:
        function = lambda_svc._functions.get(function_name)
        configs = (function or {}).get("provisioned_concurrency", {})
        if qualifier in configs:
            return lambda_svc.json_response(_current(configs[qualifier]))
        if qualifier or not function:
            rejected = missing(function, lambda_svc._func_arn(function_name), qualifier) or _unpublished(qualifier)
            return lambda_svc.error_response_json(*rejected) if rejected else original(function_name, qualifier)
        arn = lambda_svc._func_arn(function_name)
        listed = [{"FunctionArn": f"{arn}:{name}", **_current(config)} for name, config in configs.items()]
        return lambda_svc.json_response({"ProvisionedConcurrencyConfigs": listed})

    return get_provisioned_concurrency


def missing(function: Mapping[str, Any] | None, arn: str, qualifier: str | None) -> Rejection | None:
    """Return AWS's answer for a version or an alias that does not exist; None if it does.

    Args:
        function: MiniStack's record: `versions`, `aliases`; None for a function that does not exist.
        arn: the function's ARN, without a qualifier.
        qualifier: a version, an alias, or None for a list of the function's.
    """
    if function and qualifier in {None, LATEST, *function["versions"], *function["aliases"]}:
        return None
    if qualifier is None or qualifier == LATEST:
        return (NOT_FOUND, f"Function not found: {arn}", 404)
    if qualifier.isdigit():
        return (NOT_FOUND, f"Function not found: {arn}:{qualifier}", 404)
    return (NOT_FOUND, f"Cannot find alias arn: {arn}:{qualifier}", 404)


def _unpublished(qualifier: str | None) -> Rejection | None:
    if qualifier != LATEST:
        return None
    return (INVALID, "The function resource provided must be an alias or a published version.", 400)


def _not_positive(request: Config) -> Rejection | None:
    count = request.get("ProvisionedConcurrentExecutions", 0)
    if count >= 1:
        return None
    constraint = "Member must have value greater than or equal to 1"
    at = f"Value '{count}' at 'provisionedConcurrentExecutions'"
    message = f"1 validation error detected: {at} failed to satisfy constraint: {constraint}"
    return ("ValidationException", message, 400)


def _rejection(function: Mapping[str, Any], qualifier: str | None, request: Config) -> Rejection | None:
    """Return why AWS rejects the request; None if it does not."""
    if qualifier in {None, LATEST}:
        message = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        return (INVALID, message, 400)
    configs = function.get("provisioned_concurrency", {})
    aliases = function["aliases"]
    if qualifier in aliases and aliases[qualifier]["FunctionVersion"] in configs:
        message = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        return (CONFLICT, message, 409)
    if any(name in configs and alias["FunctionVersion"] == qualifier for name, alias in aliases.items()):
        return (CONFLICT, "Version is pointed by a Provisioned Concurrency alias", 409)
    reserved = function.get("concurrency")
    if isinstance(reserved, Mapping):
        reserved = reserved.get("ReservedConcurrentExecutions")
    others = (config[_REQUESTED] for name, config in configs.items() if name != qualifier)
    if reserved is not None and request["ProvisionedConcurrentExecutions"] + sum(others) > reserved:
        message = (
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )
        return (INVALID, message, 400)
    return None


def _current(config: Config) -> dict[str, Any]:
    """Return a configuration with its current status."""
    described = {key: value for key, value in config.items() if key != _READY_AT}
    if time.monotonic() >= config.get(_READY_AT, 0.0):
        return described
    nothing_yet = {"AvailableProvisionedConcurrentExecutions": 0, "AllocatedProvisionedConcurrentExecutions": 0}
    return {**described, **nothing_yet, "Status": "IN_PROGRESS"}
