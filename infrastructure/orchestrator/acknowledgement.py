"""The endpoint of acknowledgements: an API of its own, and the key of its links. Only where a setting enables it.

The API is not the service's: a bad release, a block of tables or a firewall rule of the service must not prevent an
acknowledgement. Anyone can call it; a link's signature and a pager's secret decide.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infrastructure.arns import colon_arn
from infrastructure.logs import create_log_group
from infrastructure.naming import physical_name
from infrastructure.public_api import (
    STAGE,
    Throttle,
    create_link_key,
    create_public_api,
    route_to_function,
    stage_address,
    suppress_public,
)
from orchestrator.domain.incidents.acknowledgement import PAGERS_PATH, PATH
from orchestrator.environments import Environment

ACKNOWLEDGE_INCIDENT = "acknowledge_incident"
"""The module of the function."""

ROUTES = ((PATH, ("GET", "HEAD", "POST")), (f"{PAGERS_PATH}{{destination}}", ("POST",)))
THROTTLE = Throttle(10, 20)
"""A person needs two requests, and a pager one for each page."""

_LINK_KEY = "link-key"


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
        self.key = create_link_key(
            self,
            environment,
            _LINK_KEY,
            f"Signs the links of pages ({environment.name}). A new value makes the one before it the previous one",
            not_rotated="Links of the previous key are valid for a day: docs/guides/incidents.md says how to replace it",
        )
        self._api = self._create_api()
        self.address = environment.acknowledgement.address or stage_address(environment, self._api, STAGE)
        CfnOutput(stack, "AcknowledgementAddress", value=self.address)

    def connect(self, function: lambda_.Function) -> None:
        """Have the API invoke the function."""
        route_to_function(self, self._api, ROUTES, function.function_arn)

    def _create_api(self) -> apigateway.RestApi:
        name, environment = "acknowledgement", self._environment
        group = f"/aws/apigateway/{physical_name(name, environment)}"
        api = create_public_api(
            self,
            "Rest",
            environment,
            name,
            f"Acknowledgements of incidents ({environment.name})",
            THROTTLE,
            access_log=create_log_group(self, "AccessLogs", group, environment),
            only_by_domain=bool(environment.acknowledgement.address) and not environment.local,
        )
        suppress_public(
            self,
            unauthenticated="A link is signed and a webhook has its pager's secret; people who are paged have no account here",
            throttled=f"The stage takes {THROTTLE.requests_per_second} requests a second, and the function decides by a "
            "signature",
        )
        return api
