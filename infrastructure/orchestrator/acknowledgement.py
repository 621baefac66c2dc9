"""The endpoint of acknowledgements: an API of its own, and the key of its links. Only where a setting enables it.

The API is not the service's: a bad release, a block of tables or a firewall rule of the service must not prevent an
acknowledgement. Anyone can call it; a link's signature and a pager's secret decide.
"""

from __future__ import annotations

import json

from aws_cdk import Aws, CfnOutput, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infrastructure.arns import colon_arn
from infrastructure.common import removal_policy_of
from infrastructure.logs import create_log_group
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import physical_name
from orchestrator.domain.incidents.acknowledgement import PAGERS_PATH, PATH
from orchestrator.environments import Environment

ACKNOWLEDGE_INCIDENT = "acknowledge_incident"
"""The module of the function."""

STAGE = "v1"
ROUTES = ((PATH, ("GET", "HEAD", "POST")), (f"{PAGERS_PATH}{{destination}}", ("POST",)))
REQUESTS_PER_SECOND, BURST = 10, 20
"""A person needs two requests, and a pager one for each page."""

_LINK_KEY = "link-key"
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


def link_key_arn(stack: Stack, environment: Environment) -> str:
    """Return the ARN pattern of the key's secret: Secrets Manager adds six characters to the name."""
    return colon_arn(stack, "secretsmanager", "secret", f"{physical_name(_LINK_KEY, environment)}-??????")


class Acknowledgement(Construct):
    """The API and the key of its links.

    Attributes:
        address: of the endpoint, without a trailing slash.
        key: the secret with the key.
    """

    def __init__(self, stack: Stack, environment: Environment) -> None:
        super().__init__(stack, "Acknowledgement")
        self._environment = environment
        self.key = secretsmanager.Secret(
            self,
            "LinkKey",
            secret_name=physical_name(_LINK_KEY, environment),
            description=f"Signs the links of pages ({environment.name}). A new value makes the one before it the previous one",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=_KEY_CHARACTERS, exclude_punctuation=True
            ),
            removal_policy=removal_policy_of(environment),
        )
        reason = "Links of the previous key are valid for a day: docs/guides/incidents.md says how to replace it"
        suppress_nag(self.key, reason, "SMG4")
        suppress_nist(self.key, reason, "SecretsManagerRotationEnabled", "SecretsManagerUsingKMSKey")
        self._api = self._create_api()
        self.address = environment.acknowledgement.address or self._own_address(stack)
        CfnOutput(stack, "AcknowledgementAddress", value=self.address)

    def connect(self, function: lambda_.Function) -> None:
        """Have the API invoke the function."""
        invoke = f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda:path/2015-03-31/functions/{function.function_arn}/invocations"
        integration = apigateway.Integration(
            type=apigateway.IntegrationType.AWS_PROXY, integration_http_method="POST", uri=invoke
        )
        for path, methods in ROUTES:
            resource = self._api.root.resource_for_path(path)
            for method in methods:
                resource.add_method(method, integration, authorization_type=apigateway.AuthorizationType.NONE)
        lambda_.CfnPermission(
            self,
            "Invocation",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self._api.arn_for_execute_api("*", "/*", self._api.deployment_stage.stage_name),
        )

    def _create_api(self) -> apigateway.RestApi:
        name = physical_name("acknowledgement", self._environment)
        logs = create_log_group(self, "AccessLogs", f"/aws/apigateway/{name}", self._environment)
        api = apigateway.RestApi(
            self,
            "Rest",
            rest_api_name=name,
            description=f"Acknowledgements of incidents ({self._environment.name})",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # The service's stack has the role with which API Gateway writes logs: one for the account and region.
            cloud_watch_role=False,
            disable_execute_api_endpoint=bool(self._environment.acknowledgement.address)
            and not self._environment.local,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                tracing_enabled=True,
                access_log_destination=apigateway.LogGroupLogDestination(logs),
                access_log_format=apigateway.AccessLogFormat.custom(
                    json.dumps(_ACCESS_LOG, separators=(",", ":"), allow_nan=False)
                ),
                metrics_enabled=True,
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,
                throttling_rate_limit=REQUESTS_PER_SECOND,
                throttling_burst_limit=BURST,
            ),
        )
        api.node.try_remove_child("Endpoint")
        signed = "A link is signed and a webhook has its pager's secret; people who are paged have no account here"
        suppress_nag(self, signed, "APIG4", "COG4")
        suppress_nag(self, "The function validates requests, and answers with what to do", "APIG2")
        throttled = f"The stage takes {REQUESTS_PER_SECOND} requests a second, and the function decides by a signature"
        suppress_nag(self, throttled, "APIG3")
        suppress_nist(self, throttled, "APIGWAssociatedWithWAF")
        suppress_nist(self, "Nothing is cached: every answer shows the present state", "APIGWCacheEnabledAndEncrypted")
        suppress_nist(self, "The integration is a function, which needs no client certificate", "APIGWSSLEnabled")
        return api

    def _own_address(self, stack: Stack) -> str:
        if self._environment.local:
            endpoint = self._environment.endpoint_url or "http://127.0.0.1:4566"
            return f"{endpoint}/_aws/execute-api/{self._api.rest_api_id}/{STAGE}"
        return f"https://{self._api.rest_api_id}.execute-api.{stack.region}.{Aws.URL_SUFFIX}/{STAGE}"
