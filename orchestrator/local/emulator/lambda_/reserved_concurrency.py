"""Lambda: reserved concurrency limits a function across its versions and aliases; a throttle has its own error name.

AWS:

- ``ReservedConcurrentExecutions`` limits the function, "the function's versions and aliases share it". Above it Invoke
  returns 429 TooManyRequestsException with Reason ReservedFunctionConcurrentInvocationLimitExceeded.
  https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
- In Step Functions this is the error Lambda.TooManyRequestsException.
  https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception

Stock MiniStack reads the setting from the record that runs, which has it for ``$LATEST`` only. It reports a throttle as
Lambda.Unknown in Step Functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._reserved_concurrency": "ebec4b4bba775119",
    "ministack.services.lambda_svc._acquire_execution_slot": "ed3b38149e2e14aa",
    "ministack.services.lambda_svc._throttle_response": "647221d5b0775feb",
    "ministack.services.stepfunctions._call_lambda": "25830369b12636da",
}

_THROTTLE = "TooManyRequestsException"


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import lambda_svc, stepfunctions  # noqa: PLC0415 - only in the server process

    execution_error = stepfunctions._ExecutionError

    def reading_function(original: Callable[..., int | None]) -> Callable[..., int | None]:
        def reserved_concurrency(record: Mapping[str, Any] | None, config: Mapping[str, Any]) -> int | None:
            account, region = lambda_svc._account_region_from_function_config(config)
            function = lambda_svc._functions.get_scoped(account, region, config.get("FunctionName"))
            return original(function or record, config)

        return reserved_concurrency

    def naming_throttles(original: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def call_lambda(function: str, event: Any) -> Any:
            try:
                return original(function, event)
            except execution_error as failure:
                throttle = _throttle_message(failure.cause)
                if throttle is None:
                    raise
                raise execution_error(f"Lambda.{_THROTTLE}", throttle) from failure

        return call_lambda

    wrap(lambda_svc, "_reserved_concurrency", reading_function)
    wrap(stepfunctions, "_call_lambda", naming_throttles)


def _throttle_message(cause: str) -> str | None:
    """Return the message of a throttle that MiniStack reports as an error of the function; None for other causes."""
    try:
        error = json.loads(cause)
    except ValueError:
        return None
    throttled = isinstance(error, dict) and error.get("__type") == _THROTTLE
    return str(error["message"]) if throttled else None
