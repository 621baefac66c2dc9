"""The API: routes of the three functions, by proxy, through their `live` aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from environments import Environment, EnvironmentRefused
from service.infrastructure_domain import Domain
from service.infrastructure_firewall import Firewall
from service.infrastructure_usage import make_usage_plans, wants_key
from stack_parts import explain, log_group, name_of

ROUTES: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "authorize": (
        ("/authorize", ("GET",)),
        ("/login", ("POST",)),
        ("/login/poll", ("GET",)),
        ("/login/synthetic", ("POST",)),
    ),
    "token": (
        ("/token", ("POST", "OPTIONS")),
        ("/revoke", ("POST", "OPTIONS")),
        ("/introspect", ("POST",)),
        ("/register", ("POST",)),
    ),
    "public": (
        ("/.well-known/oauth-authorization-server", ("GET", "OPTIONS")),
        ("/.well-known/openid-configuration", ("GET", "OPTIONS")),
        ("/.well-known/oauth-protected-resource", ("GET", "OPTIONS")),
        ("/.well-known/jwks.json", ("GET", "OPTIONS")),
        ("/openapi.json", ("GET", "OPTIONS")),
        ("/userinfo", ("GET", "POST", "OPTIONS")),
        ("/health", ("GET",)),
        ("/health/deep", ("GET",)),
        ("/version", ("GET",)),
    ),
}
"""Function to its paths with their methods. Nothing else is routed."""

# What API Gateway answers by itself, without asking a function: type to status, RFC 6749's word and what a person reads.
# A type that is not here is answered as its family's default, with its own status.
_GATEWAY_ANSWERS: Mapping[str, tuple[int | None, str, str]] = {
    "THROTTLED": (429, "temporarily_unavailable", "Too many requests. Wait, then try again."),
    "QUOTA_EXCEEDED": (429, "temporarily_unavailable", "Too many requests. Wait, then try again."),
    "MISSING_AUTHENTICATION_TOKEN": (404, "invalid_request", "There is nothing at this address."),
    "INVALID_API_KEY": (
        403,
        "invalid_request",
        "This endpoint wants the key of a usage plan, in the header x-api-key.",
    ),
    "WAF_FILTERED": (
        403,
        "invalid_request",
        "The request looks like an attack. If it was none, tell whoever runs this.",
    ),
    "REQUEST_TOO_LARGE": (413, "invalid_request", "The request is too large."),
    "DEFAULT_4XX": (None, "invalid_request", "The request is refused."),
    "DEFAULT_5XX": (None, "temporarily_unavailable", "The service does not answer. Try again."),
}
_ASKED_TO_WAIT = ("THROTTLED", "QUOTA_EXCEEDED", "DEFAULT_5XX")

# No query string and no header: codes and tokens travel there. `$context.path` and resourcePath have neither.
_ACCESS_LOG = {
    "request_id": "$context.requestId",
    "trace_id": "$context.xrayTraceId",
    "time_ms": "$context.requestTimeEpoch",
    "source_ip": "$context.identity.sourceIp",
    "user_agent": "$context.identity.userAgent",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "integration_error": "$context.integrationErrorMessage",
    "protocol": "$context.protocol",
    "host": "$context.domainName",
    "refused_as": "$context.error.responseType",
    "firewall": "$context.waf.status",
    "key": "$context.identity.apiKeyId",
}


class Api(Construct):
    """The REST API with its one stage.

    Attributes:
        name: the API's name, a dimension of its metrics.
        url: its domain's address or, where it has none, its stage's; without a slash at its end.
    """

    def __init__(self, stack: Stack, environment: Environment, aliases: Mapping[str, lambda_.CfnAlias]) -> None:
        super().__init__(stack, "Api")
        self.name = name_of("api", environment)
        service, domain = environment.service, environment.api.domain
        access_logs = log_group(self, "AccessLogs", f"/aws/apigateway/{self.name}", environment)
        rest_api = apigateway.RestApi(
            self,
            "Rest",
            rest_api_name=self.name,
            description=f"OAuth service ({environment.name})",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # One role for all APIs of an account and region: it must not go with one of them.
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=RemovalPolicy.RETAIN,
            # Where the domain serves, nobody gets past it and what stands there.
            disable_execute_api_endpoint=domain is not None,
            deploy_options=apigateway.StageOptions(
                stage_name=environment.name,
                tracing_enabled=True,
                access_log_destination=apigateway.LogGroupLogDestination(access_logs),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_ACCESS_LOG, separators=(",", ":"))),
                method_options=_throttles(environment),
                **_of_method(service.throttle_requests_per_second, service.throttle_burst_requests),
            ),
        )
        explain(self, "The functions validate: OAuth answers a bad request in its own form", "APIG2")
        explain(
            self, "Clients are authenticated by the service itself: it is what others authorise by", "APIG4", "COG4"
        )
        managed = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
        explain(
            self,
            "What API Gateway itself asks for, to be able to log: one role an account and region",
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{managed}]",
        )
        # The stack states the address itself, as ApiUrl.
        rest_api.node.try_remove_child("Endpoint")
        self._answers(rest_api)
        for function, routes in ROUTES.items():
            self._route(rest_api, environment, function, aliases[function], routes)
        Firewall(self, environment, rest_api.deployment_stage.stage_arn)
        make_usage_plans(self, environment, rest_api.deployment_stage)
        if domain:
            Domain(self, domain, rest_api)
            self.url = f"https://{domain.name}"
        elif environment.local:
            endpoint = environment.endpoint_url or "http://127.0.0.1:4566"
            self.url = f"{endpoint}/_aws/execute-api/{rest_api.rest_api_id}/{environment.name}"
        else:
            host = f"{rest_api.rest_api_id}.execute-api.{stack.region}.{Aws.URL_SUFFIX}"
            self.url = f"https://{host}/{environment.name}"

    def _answers(self, rest_api: apigateway.RestApi) -> None:
        """Answer in a form that suits clients and programs alike: OAuth's error and a problem's members in one object."""
        always = {
            "Access-Control-Allow-Origin": "'*'",
            "Cache-Control": "'no-store'",
            "Strict-Transport-Security": "'max-age=63072000; includeSubDomains'",
            "X-Content-Type-Options": "'nosniff'",
        }
        for kind, (status, error, detail) in _GATEWAY_ANSWERS.items():
            body: dict[str, str | int] = {"error": error, "error_description": detail, "detail": detail}
            if status:
                body |= {"title": HTTPStatus(status).phrase, "status": status}
            rest_api.add_gateway_response(
                f"Answer{kind.title().replace('_', '')}",
                type=apigateway.ResponseType.of(kind),
                status_code=str(status) if status else None,
                response_headers={**always, **({"Retry-After": "'1'"} if kind in _ASKED_TO_WAIT else {})},
                templates={"application/json": json.dumps(body)},
            )

    def _route(
        self,
        rest_api: apigateway.RestApi,
        environment: Environment,
        function: str,
        alias: lambda_.CfnAlias,
        routes: tuple[tuple[str, tuple[str, ...]], ...],
    ) -> None:
        invoke = f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda:path/2015-03-31/functions/{alias.ref}/invocations"
        integration = apigateway.Integration(
            type=apigateway.IntegrationType.AWS_PROXY, integration_http_method="POST", uri=invoke
        )
        for path, methods in routes:
            resource = rest_api.root.resource_for_path(path)
            for method in methods:
                resource.add_method(
                    method,
                    integration,
                    authorization_type=apigateway.AuthorizationType.NONE,
                    api_key_required=wants_key(environment, f"{method} {path}"),
                )
        lambda_.CfnPermission(
            self,
            f"{function.title()}Invocation",
            action="lambda:InvokeFunction",
            function_name=alias.ref,
            principal="apigateway.amazonaws.com",
            source_arn=rest_api.arn_for_execute_api("*", "/*", rest_api.deployment_stage.stage_name),
        )


def _throttles(environment: Environment) -> dict[str, apigateway.MethodDeploymentOptions]:
    """Return the settings of methods that have a throttle of their own. Raises EnvironmentRefused for a route there is not."""
    known = [f"{method} {path}" for routes in ROUTES.values() for path, methods in routes for method in methods]
    options = {}
    for route, throttle in environment.api.throttles.items():
        if route not in known:
            place = f"{environment.name}.api.throttles"
            raise EnvironmentRefused(place, route, f"name one of {', '.join(known)}")
        method, _, path = route.partition(" ")
        options[f"{path}/{method}"] = apigateway.MethodDeploymentOptions(
            **_of_method(throttle.requests_per_second, throttle.burst_requests)
        )
    return options


def _of_method(requests_per_second: int, burst_requests: int) -> dict[str, Any]:
    """Return the settings of methods, whole: those of one method replace those of the stage and are not laid over them."""
    return {
        "metrics_enabled": True,
        "logging_level": apigateway.MethodLoggingLevel.ERROR,
        "data_trace_enabled": False,
        "throttling_rate_limit": requests_per_second,
        "throttling_burst_limit": burst_requests,
    }
