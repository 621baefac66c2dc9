"""A REST API that anyone can call, in front of one function: its throttle, its routes, and the key of signed links.

`create_public_api` is for the endpoints of acknowledgements and of the status page's subscribers, which decide by a
signature. The service's own API (infrastructure/service/api.py) shares the integration and the address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IConstruct

from infrastructure.common import removal_policy_of
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import physical_name
from orchestrator.environments import Environment

STAGE = "v1"
LOCAL_CLOUD = "http://127.0.0.1:4566"
"""The address of the local cloud where no other is set."""

_KEY_CHARACTERS = 64

# Neither the query string nor a header: they have tokens and secrets.
_ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time_ms": "$context.requestTimeEpoch",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_error": "$context.integrationErrorMessage",
}


@dataclass(frozen=True)
class Throttle:
    """What a stage accepts, over all of its callers."""

    requests_per_second: int
    burst: int


def create_public_api(
    scope: Construct,
    construct_id: str,
    environment: Environment,
    name: str,
    description: str,
    throttle: Throttle,
    *,
    access_log: logs.ILogGroup | None = None,
    only_by_domain: bool | None = None,
) -> apigateway.RestApi:
    """Create an API with one stage.

    Args:
        scope: the construct that it belongs to.
        construct_id: unique within the scope.
        environment: the environment.
        name: the short name.
        description: what API Gateway shows.
        throttle: of the stage.
        access_log: receives a line for each request, without the query string; None for no log.
        only_by_domain: whether the stage's own address is disabled.
    """
    logged: Mapping[str, Any] = (
        {
            "access_log_destination": apigateway.LogGroupLogDestination(access_log),
            "access_log_format": access_log_format(_ACCESS_LOG),
            "logging_level": apigateway.MethodLoggingLevel.ERROR,
            "data_trace_enabled": False,
        }
        if access_log
        else {}
    )
    api = apigateway.RestApi(
        scope,
        construct_id,
        rest_api_name=physical_name(name, environment),
        description=description,
        endpoint_types=[apigateway.EndpointType.REGIONAL],
        # The service's stack has the role with which API Gateway writes logs: one for the account and region.
        cloud_watch_role=False,
        disable_execute_api_endpoint=only_by_domain,
        deploy_options=apigateway.StageOptions(
            stage_name=STAGE,
            tracing_enabled=True,
            metrics_enabled=True,
            throttling_rate_limit=throttle.requests_per_second,
            throttling_burst_limit=throttle.burst,
            **logged,
        ),
    )
    api.node.try_remove_child("Endpoint")
    return api


def suppress_public(scope: IConstruct, *, unauthenticated: str, throttled: str) -> None:
    """Suppress the rules of cdk-nag that a public API breaks.

    Args:
        scope: the API, or the construct that it belongs to.
        unauthenticated: why its callers need no account.
        throttled: what limits them.
    """
    suppress_nag(scope, unauthenticated, "APIG4", "COG4")
    suppress_nag(scope, "The function validates each request, and answers with what to do", "APIG2")
    suppress_nag(scope, throttled, "APIG3")
    suppress_nist(scope, throttled, "APIGWAssociatedWithWAF")
    suppress_nist(scope, "Nothing is cached: every answer is to one request", "APIGWCacheEnabledAndEncrypted")
    suppress_nist(scope, "The integration is a function, which needs no client certificate", "APIGWSSLEnabled")


def route_to_function(
    scope: Construct, api: apigateway.RestApi, routes: Sequence[tuple[str, tuple[str, ...]]], function_arn: str
) -> None:
    """Have an API pass requests to one function.

    Args:
        scope: the construct that the API belongs to.
        api: the API.
        routes: paths with their methods.
        function_arn: ARN of the function.
    """
    integration = proxy_integration(function_arn)
    for path, methods in routes:
        resource = api.root.resource_for_path(path)
        for method in methods:
            resource.add_method(method, integration, authorization_type=apigateway.AuthorizationType.NONE)
    allow_invocation(scope, "Invocation", api, function_arn)


def proxy_integration(function_arn: str) -> apigateway.Integration:
    """Return the integration that passes a request as it is to a function, or to one of its aliases."""
    path = f"path/2015-03-31/functions/{function_arn}/invocations"
    return apigateway.Integration(
        type=apigateway.IntegrationType.AWS_PROXY,
        integration_http_method="POST",
        uri=f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda:{path}",
    )


def allow_invocation(scope: Construct, construct_id: str, api: apigateway.RestApi, function_arn: str) -> None:
    """Allow an API, and no other, to invoke a function from its stage."""
    lambda_.CfnPermission(
        scope,
        construct_id,
        action="lambda:InvokeFunction",
        function_name=function_arn,
        principal="apigateway.amazonaws.com",
        source_arn=api.arn_for_execute_api("*", "/*", api.deployment_stage.stage_name),
    )


def access_log_format(fields: dict[str, str]) -> apigateway.AccessLogFormat:
    """Return the format of an access log whose lines are JSON objects with these fields."""
    return apigateway.AccessLogFormat.custom(json.dumps(fields, separators=(",", ":"), allow_nan=False))


def stage_address(environment: Environment, api: apigateway.RestApi, stage: str) -> str:
    """Return the address of a stage, without a trailing slash: of API Gateway, or of the local cloud."""
    if environment.local:
        return f"{environment.endpoint_url or LOCAL_CLOUD}/_aws/execute-api/{api.rest_api_id}/{stage}"
    return f"https://{api.rest_api_id}.execute-api.{Stack.of(api).region}.{Aws.URL_SUFFIX}/{stage}"


def create_link_key(
    scope: Construct, environment: Environment, name: str, description: str, *, not_rotated: str
) -> secretsmanager.Secret:
    """Create the secret with the key that signs links.

    Args:
        scope: the construct that it belongs to.
        environment: the environment.
        name: the short name.
        description: what Secrets Manager shows.
        not_rotated: why no schedule replaces the key.
    """
    key = secretsmanager.Secret(
        scope,
        "LinkKey",
        secret_name=physical_name(name, environment),
        description=description,
        generate_secret_string=secretsmanager.SecretStringGenerator(
            password_length=_KEY_CHARACTERS, exclude_punctuation=True
        ),
        removal_policy=removal_policy_of(environment),
    )
    suppress_nag(key, not_rotated, "SMG4")
    suppress_nist(key, not_rotated, "SecretsManagerRotationEnabled", "SecretsManagerUsingKMSKey")
    return key
