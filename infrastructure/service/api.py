"""The REST API: routes to the three functions, with proxy integration, through their `live` aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infrastructure.logs import create_log_group
from infrastructure.nag import suppress_nag
from infrastructure.naming import physical_name, title_of
from infrastructure.public_api import access_log_format, allow_invocation, proxy_integration, stage_address
from infrastructure.security.permissions_boundary import exempt_from_own_boundary
from infrastructure.service.domain_name import ApiDomain
from infrastructure.service.usage_plans import create_usage_plans, requires_key
from infrastructure.service.waf import Firewall
from orchestrator.environments import Environment, EnvironmentRefused

ROUTES: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "authorize": (
        ("/authorize", ("GET", "POST")),
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
        ("/.well-known/oauth-protected-resource/userinfo", ("GET", "OPTIONS")),
        ("/.well-known/jwks.json", ("GET", "OPTIONS")),
        ("/openapi.json", ("GET", "OPTIONS")),
        ("/userinfo", ("GET", "POST", "OPTIONS")),
        ("/health", ("GET",)),
        ("/health/deep", ("GET",)),
        ("/version", ("GET",)),
    ),
}
"""The routes of each function: paths with their methods. No other path is routed.

A path with GET also has HEAD, and every path has ANY: the function answers a method that it does not have with 405 and
the header Allow (RFC 9110 §15.5.6). API Gateway itself would answer as for an unknown path.
"""

_ANY = "ANY"

# Responses that API Gateway generates itself: type to status, OAuth error code (RFC 6749) and description.
# A type that is not listed has the default of its family, with its own status.
_GATEWAY_RESPONSES: Mapping[str, tuple[int | None, str, str]] = {
    "THROTTLED": (429, "temporarily_unavailable", "Too many requests. Wait, then try again."),
    "QUOTA_EXCEEDED": (429, "temporarily_unavailable", "Too many requests. Wait, then try again."),
    "MISSING_AUTHENTICATION_TOKEN": (404, "invalid_request", "This path does not exist."),
    "INVALID_API_KEY": (
        403,
        "invalid_request",
        "This endpoint requires the key of a usage plan in the header x-api-key.",
    ),
    "WAF_FILTERED": (
        403,
        "invalid_request",
        "The request was blocked because it looks like an attack. If it is not, contact the operator of this service.",
    ),
    "REQUEST_TOO_LARGE": (413, "invalid_request", "The request is too large."),
    "DEFAULT_4XX": (None, "invalid_request", "The request was rejected."),
    # The function may have done everything and only its response is missing.
    "DEFAULT_5XX": (
        None,
        "temporarily_unavailable",
        "The service did not respond. Whether the request took effect is not known. Send the same request again.",
    ),
}
_WITH_RETRY_AFTER = ("THROTTLED", "QUOTA_EXCEEDED", "DEFAULT_5XX")

# No query string and no header, because they contain codes and tokens. resourcePath contains neither.
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
    # Lambda's request id, which the function's own lines have.
    "invocation": "$context.awsEndpointRequestId",
}


class Api(Construct):
    """The REST API with its one stage.

    Attributes:
        name: the API's name, a dimension of its metrics.
        url: the address of its domain or, without a domain, of its stage; without a trailing slash.
        rest_api_id: the id that API Gateway generated.
    """

    def __init__(self, stack: Stack, environment: Environment, aliases: Mapping[str, lambda_.CfnAlias]) -> None:
        super().__init__(stack, "Api")
        self.name = physical_name("api", environment)
        service, domain = environment.service, environment.api.domain
        access_logs = create_log_group(self, "AccessLogs", f"/aws/apigateway/{self.name}", environment)
        rest_api = apigateway.RestApi(
            self,
            "Rest",
            rest_api_name=self.name,
            description=f"OAuth service ({environment.name})",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # The account and region have one such role for all APIs, so this stack must not delete it.
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=RemovalPolicy.RETAIN,
            # With a domain, clients must not bypass it by the stage's own address.
            disable_execute_api_endpoint=domain is not None,
            deploy_options=apigateway.StageOptions(
                stage_name=environment.name,
                tracing_enabled=True,
                access_log_destination=apigateway.LogGroupLogDestination(access_logs),
                access_log_format=access_log_format(_ACCESS_LOG),
                method_options=_throttles(environment),
                **_method_options(service.throttle_requests_per_second, service.throttle_burst_requests),
            ),
        )
        self.rest_api_id = rest_api.rest_api_id
        suppress_nag(self, "The functions validate requests, because OAuth defines the error responses", "APIG2")
        suppress_nag(self, "The service authenticates clients itself: it is the authorization server", "APIG4", "COG4")
        managed = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
        suppress_nag(
            self,
            "API Gateway requires this managed policy for its logs: one role an account and region",
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{managed}]",
        )
        # This role logs for every API of the account and region, to log groups that API Gateway names after their ids.
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
        exempt_from_own_boundary(rest_api.node.find_child("CloudWatchRole"), environment)
        # The stack has its own output with the address, ApiUrl.
        rest_api.node.try_remove_child("Endpoint")
        self._gateway_responses(rest_api)
        for function, routes in ROUTES.items():
            self._route(rest_api, environment, function, aliases[function], routes)
        Firewall(self, environment, rest_api.deployment_stage.stage_arn)
        create_usage_plans(self, environment, rest_api.deployment_stage)
        if domain:
            ApiDomain(self, domain, rest_api, standby=environment.standby)
        self.url = f"https://{domain.name}" if domain else stage_address(environment, rest_api, environment.name)

    def _gateway_responses(self, rest_api: apigateway.RestApi) -> None:
        """Define API Gateway's own responses: an OAuth error and the members of a problem (RFC 9457) in one object."""
        headers = {
            "Access-Control-Allow-Origin": "'*'",
            "Cache-Control": "'no-store'",
            "Strict-Transport-Security": "'max-age=63072000; includeSubDomains'",
            "X-Content-Type-Options": "'nosniff'",
        }
        for kind, (status, error, detail) in _GATEWAY_RESPONSES.items():
            body: dict[str, str | int] = {"error": error, "error_description": detail, "detail": detail}
            if status:
                body |= {"title": HTTPStatus(status).phrase, "status": status}
            rest_api.add_gateway_response(
                f"Response{title_of(kind)}",
                type=apigateway.ResponseType.of(kind),
                status_code=str(status) if status else None,
                response_headers={**headers, **({"Retry-After": "'1'"} if kind in _WITH_RETRY_AFTER else {})},
                templates={"application/json": json.dumps(body, allow_nan=False)},
            )

    def _route(
        self,
        rest_api: apigateway.RestApi,
        environment: Environment,
        function: str,
        alias: lambda_.CfnAlias,
        routes: tuple[tuple[str, tuple[str, ...]], ...],
    ) -> None:
        integration = proxy_integration(alias.ref)
        for path, methods in routes:
            resource = rest_api.root.resource_for_path(path)
            for method in (*methods, *_head_of(methods), _ANY):
                resource.add_method(
                    method,
                    integration,
                    authorization_type=apigateway.AuthorizationType.NONE,
                    api_key_required=requires_key(environment, f"{method} {path}"),
                )
        allow_invocation(self, f"{function.title()}Invocation", rest_api, alias.ref)


def _head_of(methods: tuple[str, ...]) -> tuple[str, ...]:
    return ("HEAD",) if "GET" in methods else ()


def _throttles(environment: Environment) -> dict[str, apigateway.MethodDeploymentOptions]:
    """Return the options of methods that have their own throttle. HEAD costs what GET costs, and has GET's.

    Raises:
        EnvironmentRefused: a throttle names a route that does not exist.
    """
    known = [f"{method} {path}" for routes in ROUTES.values() for path, methods in routes for method in methods]
    options = {}
    for route, throttle in environment.api.throttles.items():
        if route not in known:
            field = f"{environment.name}.api.throttles"
            raise EnvironmentRefused(field, route, f"name one of {', '.join(known)}")
        method, _, path = route.partition(" ")
        for name in (method, *_head_of((method,))):
            options[f"{path}/{name}"] = apigateway.MethodDeploymentOptions(
                **_method_options(throttle.requests_per_second, throttle.burst_requests)
            )
    return options


def _method_options(requests_per_second: int, burst_requests: int) -> dict[str, Any]:
    """Return all options of a method: options of one method replace the stage's options instead of extending them."""
    return {
        "metrics_enabled": True,
        "logging_level": apigateway.MethodLoggingLevel.ERROR,
        "data_trace_enabled": False,
        "throttling_rate_limit": requests_per_second,
        "throttling_burst_limit": burst_requests,
    }
