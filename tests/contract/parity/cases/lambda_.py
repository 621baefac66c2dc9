"""Lambda: versions, aliases, provisioned and reserved concurrency, asynchronous invocation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.contract.parity.case import Case, Rejection

API = "lambda_/test_lambda_api::"
VERSIONS = API + "TestLambdaVersions::"
ALIASES = API + "TestLambdaAlias::"
ROUTING = ALIASES + "test_notfound_and_invalid_routingconfigs"
PROVISIONED = API + "TestLambdaProvisionedConcurrency::"
EVENT_INVOKE = API + "TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_exceptions"
MISSING_VERSION = API + "TestLambdaFunction::test_ops_on_nonexisting_version"
MISSING_FUNCTION = API + "TestLambdaFunction::test_ops_on_nonexisting_fn"

_ONE = "def handler(event, context): return 1"
_TWO = "def handler(event, context): return 2"
_NO_FUNCTION = r"Function not found: arn:aws:lambda:[\w-]+:\d{12}:function:[\w-]+"


def _function(aws: Any) -> str:
    return str(aws.shared("function", lambda: aws.function(_ONE, _TWO)))


def _own_function(aws: Any) -> str:
    return str(aws.function(_ONE, _TWO))


def _call(operation: str, **parameters: Any) -> Callable[[Any], Any]:
    """Return a request on the shared function; a callable parameter gets the emulator."""

    def request(aws: Any) -> Any:
        values = {name: value(aws) if callable(value) else value for name, value in parameters.items()}
        getattr(aws.client("lambda"), operation)(**{"FunctionName": _function(aws)} | values)
        return "accepted"

    return request


def _create_alias(version: str, weights: dict[str, float] | None = None, **parameters: Any) -> Callable[[Any], Any]:
    routing = {"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights is not None else {}
    return _call(
        "create_alias", Name=lambda aws: aws.new_name("alias"), FunctionVersion=version, **routing, **parameters
    )


def _update_alias(**change: Any) -> Callable[[Any], Any]:
    def request(aws: Any) -> Any:
        name = aws.new_name("alias")
        client = aws.client("lambda")
        client.create_alias(FunctionName=_function(aws), Name=name, FunctionVersion="1")
        client.update_alias(FunctionName=_function(aws), Name=name, **change)
        return "accepted"

    return request


def _alias_answer(aws: Any, **parameters: Any) -> dict[str, Any]:
    answer = aws.client("lambda").create_alias(
        FunctionName=_function(aws), Name=aws.new_name("alias"), FunctionVersion="1", **parameters
    )
    wanted = ("Description", "FunctionVersion", "RoutingConfig")
    return {name: answer[name] for name in wanted if name in answer}


def _existing_alias(aws: Any) -> Any:
    name = aws.new_name("alias")
    for _ in range(2):
        aws.client("lambda").create_alias(FunctionName=_function(aws), Name=name, FunctionVersion="1")
    return "accepted"


def _delete_missing_alias(aws: Any) -> str:
    aws.client("lambda").delete_alias(FunctionName=_function(aws), Name="absent")
    return "accepted"


def _publish_again(aws: Any) -> list[str]:
    name = aws.function(_ONE)
    return [aws.client("lambda").publish_version(FunctionName=name)["Version"] for _ in range(2)]


def _publish_at_stale_revision(aws: Any) -> Any:
    client, name = aws.client("lambda"), aws.function(_ONE)
    aws.client("lambda").publish_version(FunctionName=name, RevisionId="00000000-0000-4000-8000-000000000000")
    return client


def _versions(aws: Any) -> list[str]:
    listed = aws.client("lambda").list_versions_by_function(FunctionName=_function(aws))["Versions"]
    return [version["Version"] for version in listed]


def _version_description(aws: Any) -> dict[str, Any]:
    name = aws.function(_ONE)
    aws.client("lambda").update_function_configuration(FunctionName=name, Description="of $LATEST")
    published = aws.client("lambda").publish_version(FunctionName=name, Description="of the version")
    return {"Version": published["Version"], "Description": published["Description"]}


def _provision(aws: Any, name: str, qualifier: str, count: int = 1) -> Any:
    return aws.client("lambda").put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def _provision_answer(aws: Any) -> dict[str, Any]:
    answer = _provision(aws, _own_function(aws), "1")
    return {
        "status": answer["ResponseMetadata"]["HTTPStatusCode"],
        "Requested": answer["RequestedProvisionedConcurrentExecutions"],
        "Available": answer["AvailableProvisionedConcurrentExecutions"],
        "Allocated": answer["AllocatedProvisionedConcurrentExecutions"],
        "Status": answer["Status"],
    }


def _provision_alias_of_provisioned_version(aws: Any) -> str:
    name = _own_function(aws)
    aws.client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    _provision(aws, name, "1")
    _provision(aws, name, "live")
    return "accepted"


def _provision_version_of_provisioned_alias(aws: Any) -> str:
    name = _own_function(aws)
    aws.client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    _provision(aws, name, "live")
    _provision(aws, name, "1")
    return "accepted"


def _provisioned_after_deletion(aws: Any) -> Any:
    name, client = _own_function(aws), aws.client("lambda")
    _provision(aws, name, "1")
    client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    return client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")


def _delete_absent_provisioned(aws: Any) -> int:
    answer = aws.client("lambda").delete_provisioned_concurrency_config(FunctionName=_own_function(aws), Qualifier="1")
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def _provisioned_of_deleted_alias(aws: Any) -> Any:
    name, client = _own_function(aws), aws.client("lambda")
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    _provision(aws, name, "live")
    client.delete_alias(FunctionName=name, Name="live")
    return client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")


def _list_provisioned(aws: Any) -> list[dict[str, int]]:
    listed = aws.client("lambda").list_provisioned_concurrency_configs(FunctionName=_own_function(aws))
    return list(listed["ProvisionedConcurrencyConfigs"])


def _reserve_with_qualifier(aws: Any) -> str:
    client, name = aws.client("lambda"), _function(aws)
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.put_function_concurrency(FunctionName=f"{arn}:1", ReservedConcurrentExecutions=1)
    return "accepted"


def _unreserved(aws: Any) -> list[str]:
    answer = aws.client("lambda").get_function_concurrency(FunctionName=_own_function(aws))
    return sorted(answer.keys() - {"ResponseMetadata"})


def _invoke(aws: Any, **parameters: Any) -> dict[str, Any]:
    answer = aws.client("lambda").invoke(FunctionName=_function(aws), Payload=json.dumps({}), **parameters)
    facts = {"StatusCode": answer["StatusCode"], "Payload": answer["Payload"].read().decode()}
    return facts | {name: answer[name] for name in ("ExecutedVersion", "FunctionError") if name in answer}


def _invoke_that_raises(aws: Any) -> dict[str, Any]:
    name = aws.function("def handler(event, context): raise ValueError('no')")
    answer = aws.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    payload = json.loads(answer["Payload"].read())
    facts = {"StatusCode": answer["StatusCode"], "FunctionError": answer.get("FunctionError")}
    return facts | {key: payload.get(key) for key in ("errorType", "errorMessage")} if payload else facts


def _policy_absent(aws: Any) -> Any:
    return aws.client("lambda").get_policy(FunctionName=aws.function(_ONE))


def _event_invoke_answer(aws: Any) -> dict[str, Any]:
    answer = aws.client("lambda").put_function_event_invoke_config(
        FunctionName=_own_function(aws), MaximumRetryAttempts=1
    )
    return {
        "MaximumRetryAttempts": answer["MaximumRetryAttempts"],
        "qualifier": answer["FunctionArn"].rpartition(":")[2],
    }


def _event_invoke_of_itself(aws: Any) -> Any:
    client, name = aws.client("lambda"), _function(aws)
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})
    return "accepted"


_WEIGHTS = (
    r"^1 validation error detected: Value '\{2=%s\}' at 'routingConfig\.additionalVersionWeights' failed to satisfy "
    r"constraint: Map value must satisfy constraint: \[Member must have value less than or equal to 1\.0, "
)
_TOO_HIGH = Rejection("ValidationException", 400, _WEIGHTS % r"2\.0")
_TOO_LOW = Rejection("ValidationException", 400, _WEIGHTS % r"-1\.0")
_LATEST_WEIGHTED = Rejection(
    "ValidationException",
    400,
    r"^1 validation error detected: Value '\{\$LATEST=0\.5\}' at 'routingConfig\.additionalVersionWeights' failed to "
    r"satisfy constraint: Map keys must satisfy constraint: \[.*regular expression pattern: \[0-9\]\+\]",
)
_TOO_MANY = Rejection("InvalidParameterValueException", 400, r"^Number of items in AdditionalVersionWeights cannot be")
_SAME = Rejection(
    "InvalidParameterValueException",
    400,
    r"^Invalid function version 1\. Function version 1 is already included in routing configuration\.$",
)
_NO_VERSION = Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + ":10$")
_LATEST_PRIMARY = Rejection(
    "InvalidParameterValueException", 400, r"^\$LATEST is not supported for an alias pointing to more than 1 version$"
)
_NO_CONFIG = Rejection(
    "ProvisionedConcurrencyConfigNotFoundException", 404, "^No Provisioned Concurrency Config found for this function$"
)
_NO_ALIAS = Rejection("ResourceNotFoundException", 404, r"^Cannot find alias arn: arn:.*:function:[\w-]+:absent$")
_UNQUALIFIED = Rejection(
    "InvalidParameterValueException", 400, "^The function resource provided must be an alias or a published version"
)
_NO_EVENT_CONFIG = Rejection(
    "ResourceNotFoundException", 404, r"^The function arn:.*:function:[\w-]+:[\w$]+ doesn't have an EventInvokeConfig$"
)

_ALIAS_CASES = (
    Case("lambda:CreateAlias", "a second additional version", ROUTING, _create_alias("1", {"1": 0.5, "2": 0.5}), _TOO_MANY),
    Case("lambda:CreateAlias", "a weight above 1", ROUTING, _create_alias("1", {"2": 2.0}), _TOO_HIGH),
    Case("lambda:CreateAlias", "a weight below 0", ROUTING, _create_alias("1", {"2": -1.0}), _TOO_LOW),
    Case("lambda:CreateAlias", "its own version weighted", ROUTING, _create_alias("1", {"1": 0.5}), _SAME),
    Case("lambda:CreateAlias", "a version that does not exist", ROUTING, _create_alias("10", {"2": 0.5}), _NO_VERSION),
    Case("lambda:CreateAlias", "a weighted version that does not exist", ROUTING, _create_alias("1", {"10": 0.5}), _NO_VERSION),
    Case("lambda:CreateAlias", "$LATEST with weights", ROUTING, _create_alias("$LATEST", {"1": 0.5}), _LATEST_PRIMARY),
    Case("lambda:CreateAlias", "$LATEST among the weights", ROUTING, _create_alias("1", {"$LATEST": 0.5}), _LATEST_WEIGHTED),
    Case("lambda:CreateAlias", "$LATEST without weights", ROUTING, _create_alias("$LATEST"), "accepted"),
    Case(
        "lambda:CreateAlias",
        "of a function that does not exist",
        ROUTING,
        _create_alias("1", FunctionName="absent"),
        Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + ":1$"),
    ),
    Case(
        "lambda:CreateAlias",
        "empty weights are left out of the answer",
        ROUTING,
        lambda aws: _alias_answer(aws, RoutingConfig={"AdditionalVersionWeights": {}}),
        {"Description": "", "FunctionVersion": "1"},
    ),
    Case(
        "lambda:CreateAlias",
        "weights are in the answer",
        ROUTING,
        lambda aws: _alias_answer(aws, RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}),
        {"Description": "", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}},
    ),
    Case(
        "lambda:CreateAlias",
        "a name that exists",
        ROUTING,
        _existing_alias,
        Rejection("ResourceConflictException", 409, r"^Alias already exists: arn:.*:function:[\w-]+:[\w-]+$"),
    ),
    Case(
        "lambda:CreateAlias",
        "a name of digits",
        ALIASES + "test_alias_naming",
        _call("create_alias", Name="2024", FunctionVersion="1"),
        Rejection("ValidationException", 400, r"^1 validation error detected: Value '2024' at 'name' failed to satisfy"),
    ),
    Case("lambda:UpdateAlias", "a weight above 1", ROUTING, _update_alias(RoutingConfig={"AdditionalVersionWeights": {"2": 2.0}}), _TOO_HIGH),
    Case("lambda:UpdateAlias", "a weight below 0", ROUTING, _update_alias(RoutingConfig={"AdditionalVersionWeights": {"2": -1.0}}), _TOO_LOW),
    Case("lambda:UpdateAlias", "$LATEST among the weights", ROUTING, _update_alias(RoutingConfig={"AdditionalVersionWeights": {"$LATEST": 0.5}}), _LATEST_WEIGHTED),
    Case(
        "lambda:UpdateAlias",
        "an alias that does not exist",
        ALIASES + "test_non_existent_alias_update",
        _call("update_alias", Name="absent", Description="x"),
        Rejection("ResourceNotFoundException", 404, r"^Alias not found: arn:.*:function:[\w-]+:absent$"),
    ),
    Case("lambda:GetAlias", "an alias that does not exist", ROUTING, _call("get_alias", Name="absent"), _NO_ALIAS),
    Case("lambda:DeleteAlias", "an alias that does not exist", ALIASES + "test_non_existent_alias_deletion", _delete_missing_alias, "accepted"),
)  # fmt: skip

_FUNCTION_CASES = (
    Case("lambda:PublishVersion", "no change since the last version", VERSIONS + "test_version_lifecycle", _publish_again, ["1", "1"]),
    Case("lambda:PublishVersion", "its own description", VERSIONS + "test_version_lifecycle", _version_description, {"Version": "2", "Description": "of the version"}),
    Case("lambda:PublishVersion", "another revision", VERSIONS + "test_publish_with_wrong_revisionid", _publish_at_stale_revision, Rejection("PreconditionFailedException", 412, r"^The Revision Id provided does not match the latest Revision Id\. Call the GetFunction/GetAlias API")),
    Case("lambda:PublishVersion", "another digest", VERSIONS + "test_publish_with_wrong_sha256", _call("publish_version", CodeSha256="bm8="), Rejection("InvalidParameterValueException", 400, r"^CodeSHA256 \(bm8=\) is different from current CodeSHA256 in \$LATEST \(.+\)\. Please try again")),
    Case("lambda:ListVersionsByFunction", "$LATEST and the published versions", VERSIONS + "test_version_lifecycle", _versions, ["$LATEST", "1", "2"]),
    Case("lambda:GetFunction", "a qualifier that does not exist", ALIASES + "test_alias_lifecycle", _call("get_function", Qualifier="absent"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + ":absent$")),
    Case("lambda:GetFunction", "a version that does not exist", MISSING_VERSION, _call("get_function", Qualifier="1221"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + ":1221$")),
    Case("lambda:GetFunctionConfiguration", "a version that does not exist", MISSING_VERSION, _call("get_function_configuration", Qualifier="1221"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + ":1221$")),
    Case("lambda:GetFunction", "a function that does not exist", MISSING_FUNCTION, _call("get_function", FunctionName="absent"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + "$")),
    Case("lambda:GetFunctionConfiguration", "a function that does not exist", MISSING_FUNCTION, _call("get_function_configuration", FunctionName="absent"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + "$")),
    Case("lambda:GetFunctionConcurrency", "a function that does not exist", MISSING_FUNCTION, _call("get_function_concurrency", FunctionName="absent"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + "$")),
    Case("lambda:DeleteFunction", "a function that does not exist", MISSING_FUNCTION, _call("delete_function", FunctionName="absent"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + "$")),
    Case("lambda:GetPolicy", "a function without a policy", API + "TestLambdaPermissions::test_remove_multi_permissions", _policy_absent, Rejection("ResourceNotFoundException", 404, r"^The resource you requested does not exist\.$")),
    Case("lambda:RemovePermission", "a statement that does not exist", API + "TestLambdaPermissions::test_remove_multi_permissions", _call("remove_permission", StatementId="absent"), Rejection("ResourceNotFoundException", 404)),
    Case("lambda:GetFunctionConcurrency", "no reserved concurrency", API + "TestLambdaReservedConcurrency::test_function_concurrency", _unreserved, []),
    Case("lambda:PutFunctionConcurrency", "a function that does not exist", API + "TestLambdaReservedConcurrency::test_function_concurrency_exceptions", _call("put_function_concurrency", FunctionName="absent", ReservedConcurrentExecutions=1), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION)),
    Case("lambda:PutFunctionConcurrency", "a version", API + "TestLambdaReservedConcurrency::test_function_concurrency_exceptions", _reserve_with_qualifier, Rejection("InvalidParameterValueException", 400, "^This operation is permitted on Lambda functions only")),
)  # fmt: skip

_PROVISIONED_ERRORS = PROVISIONED + "test_provisioned_concurrency_exceptions"
_LIFECYCLE = PROVISIONED + "test_lambda_provisioned_lifecycle"
_PUT = "put_provisioned_concurrency_config"
_GET = "get_provisioned_concurrency_config"
_DELETE = "delete_provisioned_concurrency_config"

_PROVISIONED_CASES = (
    Case("lambda:PutProvisionedConcurrencyConfig", "starts at nothing, in progress", _LIFECYCLE, _provision_answer, {"status": 202, "Requested": 1, "Available": 0, "Allocated": 0, "Status": "IN_PROGRESS"}),
    Case("lambda:PutProvisionedConcurrencyConfig", "an alias of a version that has it", _LIFECYCLE, _provision_alias_of_provisioned_version, Rejection("ResourceConflictException", 409, "^Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version$")),
    Case("lambda:PutProvisionedConcurrencyConfig", "a version of an alias that has it", _LIFECYCLE, _provision_version_of_provisioned_alias, Rejection("ResourceConflictException", 409, "^Version is pointed by a Provisioned Concurrency alias$")),
    Case("lambda:PutProvisionedConcurrencyConfig", "none", _PROVISIONED_ERRORS, _call(_PUT, Qualifier="1", ProvisionedConcurrentExecutions=0), Rejection("ValidationException", 400, r"^1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint")),
    Case("lambda:PutProvisionedConcurrencyConfig", "an alias of a function that does not exist", _PROVISIONED_ERRORS, _call(_PUT, FunctionName="gone", Qualifier="absent", ProvisionedConcurrentExecutions=1), _NO_ALIAS),
    Case("lambda:PutProvisionedConcurrencyConfig", "a version of a function that does not exist", _PROVISIONED_ERRORS, _call(_PUT, FunctionName="gone", Qualifier="1", ProvisionedConcurrentExecutions=1), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + ":1$")),
    Case("lambda:PutProvisionedConcurrencyConfig", "an alias that does not exist", _PROVISIONED_ERRORS, _call(_PUT, Qualifier="absent", ProvisionedConcurrentExecutions=1), _NO_ALIAS),
    Case("lambda:PutProvisionedConcurrencyConfig", "a version that does not exist", _PROVISIONED_ERRORS, _call(_PUT, Qualifier="10", ProvisionedConcurrentExecutions=1), _NO_VERSION),
    Case("lambda:PutProvisionedConcurrencyConfig", "$LATEST", _PROVISIONED_ERRORS, _call(_PUT, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1), Rejection("InvalidParameterValueException", 400, "^Provisioned Concurrency Configs cannot be applied to unpublished function versions")),
    Case("lambda:GetProvisionedConcurrencyConfig", "a version without it", _PROVISIONED_ERRORS, _call(_GET, Qualifier="2"), _NO_CONFIG),
    Case("lambda:GetProvisionedConcurrencyConfig", "an alias that does not exist", _PROVISIONED_ERRORS, _call(_GET, Qualifier="absent"), _NO_ALIAS),
    Case("lambda:GetProvisionedConcurrencyConfig", "a version that does not exist", _PROVISIONED_ERRORS, _call(_GET, Qualifier="10"), _NO_VERSION),
    Case("lambda:GetProvisionedConcurrencyConfig", "$LATEST", _PROVISIONED_ERRORS, _call(_GET, Qualifier="$LATEST"), _UNQUALIFIED),
    Case("lambda:GetProvisionedConcurrencyConfig", "after its deletion", _LIFECYCLE, _provisioned_after_deletion, _NO_CONFIG),
    Case("lambda:GetProvisionedConcurrencyConfig", "after its alias's deletion", _LIFECYCLE, _provisioned_of_deleted_alias, Rejection("ResourceNotFoundException", 404, r"^Cannot find alias arn: arn:.*:live$")),
    Case("lambda:ListProvisionedConcurrencyConfigs", "a function without any", _LIFECYCLE, _list_provisioned, []),
    Case("lambda:ListProvisionedConcurrencyConfigs", "a function that does not exist", _PROVISIONED_ERRORS, _call("list_provisioned_concurrency_configs", FunctionName="absent"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + "$")),
    Case("lambda:DeleteProvisionedConcurrencyConfig", "a version without it", _LIFECYCLE, _delete_absent_provisioned, 204),
    Case("lambda:DeleteProvisionedConcurrencyConfig", "a function that does not exist", _PROVISIONED_ERRORS, _call(_DELETE, FunctionName="gone", Qualifier="1"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION + ":1$")),
    Case("lambda:DeleteProvisionedConcurrencyConfig", "an alias that does not exist", _PROVISIONED_ERRORS, _call(_DELETE, Qualifier="absent"), _NO_ALIAS),
    Case("lambda:DeleteProvisionedConcurrencyConfig", "a version that does not exist", _PROVISIONED_ERRORS, _call(_DELETE, Qualifier="10"), _NO_VERSION),
    Case("lambda:DeleteProvisionedConcurrencyConfig", "$LATEST", _PROVISIONED_ERRORS, _call(_DELETE, Qualifier="$LATEST"), _UNQUALIFIED),
)  # fmt: skip

_INVOKED = "lambda_/test_lambda::TestLambdaFeatures::"
_PUT_EVENT = "put_function_event_invoke_config"

_INVOCATION_CASES = (
    Case("lambda:Invoke", "the answer and the version that ran", _INVOKED + "test_invocation_type_request_response", _invoke, {"StatusCode": 200, "Payload": "2", "ExecutedVersion": "$LATEST"}),
    Case("lambda:Invoke", "a version", _INVOKED + "test_invocation_with_qualifier", lambda aws: _invoke(aws, Qualifier="1"), {"StatusCode": 200, "Payload": "1", "ExecutedVersion": "1"}),
    Case("lambda:Invoke", "as an event", _INVOKED + "test_invocation_type_event", lambda aws: _invoke(aws, InvocationType="Event"), {"StatusCode": 202, "Payload": ""}),
    Case("lambda:Invoke", "as a dry run", _INVOKED + "test_invocation_type_dry_run", lambda aws: _invoke(aws, InvocationType="DryRun"), {"StatusCode": 204, "Payload": ""}),
    Case("lambda:Invoke", "a function that does not exist", _INVOKED + "test_invoke_exceptions", _call("invoke", FunctionName="absent"), Rejection("ResourceNotFoundException", 404, "^" + _NO_FUNCTION)),
    Case("lambda:Invoke", "a payload that is not JSON", "lambda_/test_lambda::TestLambdaErrors::test_lambda_invoke_payload_encoding_error", _call("invoke", Payload=b"\x99\xeb,j"), Rejection("InvalidRequestContentException", 400, "^Could not parse request body into json: ")),
    Case("lambda:Invoke", "an unhandled exception", "lambda_/test_lambda::TestLambdaErrors::test_lambda_handler_error", _invoke_that_raises, {"StatusCode": 200, "FunctionError": "Unhandled", "errorType": "ValueError", "errorMessage": "no"}),
    Case("lambda:PutFunctionEventInvokeConfig", "of the unpublished function", API + "TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_lifecycle", _event_invoke_answer, {"MaximumRetryAttempts": 1, "qualifier": "$LATEST"}),
    Case("lambda:PutFunctionEventInvokeConfig", "a function that does not exist", EVENT_INVOKE, _call(_PUT_EVENT, FunctionName="absent", MaximumRetryAttempts=1), Rejection("ResourceNotFoundException", 404, r"^The function doesn't exist\.$")),
    Case("lambda:PutFunctionEventInvokeConfig", "nothing to set", EVENT_INVOKE, _call(_PUT_EVENT), Rejection("InvalidParameterValueException", 400, "^You must specify at least one of error handling or destination setting")),
    Case("lambda:PutFunctionEventInvokeConfig", "itself as destination", EVENT_INVOKE, _event_invoke_of_itself, Rejection("InvalidParameterValueException", 400, "^You can't specify the function as a destination for itself")),
    Case("lambda:PutFunctionEventInvokeConfig", "an alias that does not exist", EVENT_INVOKE, _call(_PUT_EVENT, Qualifier="absent", MaximumRetryAttempts=1), Rejection("ResourceNotFoundException", 404, r"^The function doesn't exist\.$")),
    Case("lambda:GetFunctionEventInvokeConfig", "a function without one", EVENT_INVOKE, _call("get_function_event_invoke_config", Qualifier="2"), _NO_EVENT_CONFIG),
    Case("lambda:DeleteFunctionEventInvokeConfig", "a function without one", EVENT_INVOKE, _call("delete_function_event_invoke_config", Qualifier="2"), _NO_EVENT_CONFIG),
    Case("lambda:UpdateFunctionEventInvokeConfig", "a function without one", EVENT_INVOKE, _call("update_function_event_invoke_config", Qualifier="2", MaximumRetryAttempts=0), _NO_EVENT_CONFIG),
)  # fmt: skip

CASES = _ALIAS_CASES + _FUNCTION_CASES + _PROVISIONED_CASES + _INVOCATION_CASES
