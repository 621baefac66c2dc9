"""Lambda: provisioned concurrency takes a while, is refused where AWS refuses it, and can be listed.

AWS:

- "The status of the allocation process": IN_PROGRESS first, READY or FAILED later.
  https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
- ListProvisionedConcurrencyConfigs answers what versions and aliases of a function have. It is the same request as
  GetProvisionedConcurrencyConfig, with ``List=ALL`` in place of a qualifier.
  https://docs.aws.amazon.com/lambda/latest/api/API_ListProvisionedConcurrencyConfigs.html
- ``$LATEST`` cannot have it, and what versions have together is at most what is reserved for the function.
  https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html

MiniStack takes every request, is READY at once, and answers a list with ProvisionedConcurrencyConfigNotFoundException. Workers are
not started beforehand in either case: what is kept warm here is a number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.lambda_svc._get_provisioned_concurrency": "e579a7415a6daf676f0e5a358f5b970fe8288dddfee783ee8dd4c8a20f0a5b1e",
    "ministack.services.lambda_svc._put_provisioned_concurrency": "c9f084246ab90bdfbfd797891434abcd0812fb67d387fca7a9f2e39bf2e48b01",
    "ministack.services.lambda_svc._func_arn": "0fae69e5f3899f714909a8b1b49df49ea8c49f30280de8775eb6d0b0996885ba",
}

TAKES_SECONDS = 1.0
"""How long versions are IN_PROGRESS here. One to three minutes on AWS."""

_REQUESTED = "RequestedProvisionedConcurrentExecutions"
_READY_AT = "ready_at"

Config = Mapping[str, Any]


def install(_options: Options) -> None:
    """Put the mend in place, in this process."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    wrap(lambda_svc, "_put_provisioned_concurrency", lambda original: _refusing_and_slow(original, lambda_svc))
    wrap(lambda_svc, "_get_provisioned_concurrency", lambda original: _listing(original, lambda_svc))


def _refusing_and_slow(original: Callable[..., Any], lambda_svc: Any) -> Callable[..., Any]:
    def put_provisioned_concurrency(function_name: str, qualifier: str | None, request: Config) -> Any:
        function = lambda_svc._functions.get(function_name)
        why = _refused(function, qualifier, request) if function else ""
        if why:
            return lambda_svc.error_response_json("InvalidParameterValueException", why, 400)
        answer = original(function_name, qualifier, request)
        taken = (function or {}).get("provisioned_concurrency", {}).get(qualifier)
        if taken is None:
            return answer
        taken[_READY_AT] = time.monotonic() + TAKES_SECONDS
        return lambda_svc.json_response(_as_it_is(taken), 202)

    return put_provisioned_concurrency


def _listing(original: Callable[..., Any], lambda_svc: Any) -> Callable[..., Any]:
    def get_provisioned_concurrency(function_name: str, qualifier: str | None) -> Any:
        function = lambda_svc._functions.get(function_name)
        found = (function or {}).get("provisioned_concurrency", {})
        if qualifier in found:
            return lambda_svc.json_response(_as_it_is(found[qualifier]))
        if qualifier or not function:
            return original(function_name, qualifier)
        arn = lambda_svc._func_arn(function_name)
        listed = [{"FunctionArn": f"{arn}:{name}", **_as_it_is(config)} for name, config in found.items()]
        return lambda_svc.json_response({"ProvisionedConcurrencyConfigs": listed})

    return get_provisioned_concurrency


def _refused(function: Mapping[str, Any], qualifier: str | None, request: Config) -> str:
    """Why AWS refuses the request; empty where it does not."""
    if qualifier in {None, "$LATEST"}:
        return "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    reserved = function.get("concurrency")
    if isinstance(reserved, Mapping):
        reserved = reserved.get("ReservedConcurrentExecutions")
    others = (one[_REQUESTED] for name, one in function.get("provisioned_concurrency", {}).items() if name != qualifier)
    if reserved is not None and request["ProvisionedConcurrentExecutions"] + sum(others) > reserved:
        return (
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )
    return ""


def _as_it_is(config: Config) -> dict[str, Any]:
    """A configuration as it is by now."""
    told = {key: value for key, value in config.items() if key != _READY_AT}
    if time.monotonic() >= config.get(_READY_AT, 0.0):
        return told
    nothing_yet = {"AvailableProvisionedConcurrentExecutions": 0, "AllocatedProvisionedConcurrentExecutions": 0}
    return {**told, **nothing_yet, "Status": "IN_PROGRESS"}
