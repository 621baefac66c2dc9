"""Lambda: what GetFunction, GetPolicy, Invoke and the settings of asynchronous invocation answer.

AWS:

- A version or an alias that does not exist is named in the error; a function without a policy has none to return.
  https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html#API_GetFunction_Errors
  https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html
- An answer names the executed version only if a version was executed: not for an event, not for a dry run.
  https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
- Settings of asynchronous invocation are of ``$LATEST`` unless a qualifier is named, set something, and send no event
  of a function to itself. https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html

The answers were recorded on AWS (`tests/contract/parity/cases/lambda_.py` names the recordings).

Stock MiniStack leaves the qualifier out of the error, returns an empty policy, names an executed version in every
answer, and accepts any settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._get_function": "4d089b87a93984a2",
    "ministack.services.lambda_svc._get_function_config": "846856e3230f485c",
    "ministack.services.lambda_svc._get_policy": "3f1ea49b41d8a3c5",
    "ministack.services.lambda_svc._invoke": "ab193779e5c2ea94",
    "ministack.services.lambda_svc._get_event_invoke_config": "e05c2c3e32b45ca9",
    "ministack.services.lambda_svc._put_event_invoke_config": "e53a9f8cbd9cf1c1",
    "ministack.services.lambda_svc._delete_event_invoke_config": "b309c08b988a7af7",
    "ministack.services.lambda_svc._func_arn": "0fae69e5f3899f71",
}

Operation = Callable[..., Any]

_LATEST: Final = "$LATEST"
_NOT_FOUND: Final = "ResourceNotFoundException"
_INVALID: Final = "InvalidParameterValueException"
_VERSION_HEADER: Final = "X-Amz-Executed-Version"


def event_settings_error(arn: str, settings: Mapping[str, Any]) -> str:
    """Return why AWS rejects settings of asynchronous invocation; empty if it does not. `arn`: the function's."""
    names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    if not any(name in settings for name in names):
        return "You must specify at least one of error handling or destination setting."
    destinations = (settings.get("DestinationConfig") or {}).values()
    if any(destination.get("Destination") == arn for destination in destinations):
        return "You can't specify the function as a destination for itself."
    return ""


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    answers = _Answers(lambda_svc)
    wrap(lambda_svc, "_get_function", answers.naming_the_qualifier)
    wrap(lambda_svc, "_get_function_config", answers.naming_the_qualifier)
    wrap(lambda_svc, "_get_policy", answers.requiring_a_policy)
    wrap(lambda_svc, "_invoke", answers.naming_executed_versions)
    wrap(lambda_svc, "_get_event_invoke_config", answers.requiring_settings)
    wrap(lambda_svc, "_delete_event_invoke_config", answers.requiring_settings)
    wrap(lambda_svc, "_put_event_invoke_config", answers.checking_settings)


class _Answers:
    """Replacements of MiniStack's operations."""

    def __init__(self, lambda_svc: Any) -> None:
        self._lambda = lambda_svc

    def _not_found(self, message: str) -> Any:
        return self._lambda.error_response_json(_NOT_FOUND, message, HTTPStatus.NOT_FOUND)

    def _qualifiers(self, name: str) -> set[str | None]:
        function = self._lambda._functions.get(name)
        return {None, _LATEST, *function["versions"], *function["aliases"]} if function else set()

    def naming_the_qualifier(self, original: Operation) -> Operation:
        def get_function(name: str, qualifier: str | None = None) -> Any:
            known = self._qualifiers(name)
            if known and qualifier not in known:
                return self._not_found(f"Function not found: {self._lambda._func_arn(name)}:{qualifier}")
            return original(name, qualifier)

        return get_function

    def requiring_a_policy(self, original: Operation) -> Operation:
        def get_policy(name: str, *request: Any) -> Any:
            function = self._lambda._functions.get(name)
            if function and not function["policy"]["Statement"]:
                return self._not_found("The resource you requested does not exist.")
            return original(name, *request)

        return get_policy

    def naming_executed_versions(self, original: Operation) -> Operation:
        async def invoke(*arguments: Any, **settings: Any) -> Any:
            response = await original(*arguments, **settings)
            if response[0] in {HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}:
                headers = {name: value for name, value in response[1].items() if name != _VERSION_HEADER}
                return response[0], headers, *response[2:]
            return response

        return invoke

    def requiring_settings(self, original: Operation) -> Operation:
        def operation(name: str, qualifier: str | None = None) -> Any:
            response = original(name, qualifier)
            if response[0] != HTTPStatus.NOT_FOUND:
                return response
            arn = f"{self._lambda._func_arn(name)}:{qualifier or _LATEST}"
            return self._not_found(f"The function {arn} doesn't have an EventInvokeConfig")

        return operation

    def checking_settings(self, original: Operation) -> Operation:
        def put_event_invoke_config(name: str, qualifier: str | None, data: Any) -> Any:
            if (qualifier or None) not in self._qualifiers(name):
                return self._not_found("The function doesn't exist.")
            error = event_settings_error(self._lambda._func_arn(name), data)
            if error:
                return self._lambda.error_response_json(_INVALID, error, HTTPStatus.BAD_REQUEST)
            response = original(name, qualifier, data)
            if qualifier or response[0] != HTTPStatus.OK:
                return response
            settings = json.loads(response[2])
            return self._lambda.json_response(settings | {"FunctionArn": f"{settings['FunctionArn']}:{_LATEST}"})

        return put_event_invoke_config
