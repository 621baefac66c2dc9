"""The OAuth service's stack: API, functions with their `live` aliases, tables, keys, alarms.

Three rules make this stack compatible with the orchestrator:

* A deployment of the stack changes ``$LATEST`` only. The stack creates each alias once, with a first version whose
  logical id never changes. The alias's template text is the same for every change of code or settings: CloudFormation
  sends all properties of a resource as soon as one of them differs, and would point `live` at that first version again.
* Physical names are fixed and contain the environment, so no component has to look them up.
* If the environment protects against deletion, resources that hold data are retained when the stack is deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aws_cdk import CfnOutput, RemovalPolicy, Tags
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infrastructure.arns import keys_arn
from infrastructure.common import EnvironmentStack, SigningKeys
from infrastructure.keys import create_key
from infrastructure.lambda_functions import Package, Size, create_function
from infrastructure.lambda_variables import check_size
from infrastructure.nag import suppress_nag
from infrastructure.naming import physical_name
from infrastructure.service.alarms import create_alarms
from infrastructure.service.api import Api
from infrastructure.service.environment_variables import client_variables
from infrastructure.service.iam import (
    ACCESS,
    RESTORED_REASON,
    RING_KEYS_REASON,
    SIGNING_KEY_TAG,
    ServiceResources,
    policy_statements,
    reachable_tables,
    restored_tables_arn,
    restrict_key_use,
)
from infrastructure.service.tables import create_table
from infrastructure.service.vpc import Network, allow_vpc_attachment
from orchestrator.environments import Environment
from service.storage.tables import TABLES

ALIAS = "live"
METRIC_NAMESPACE = "IbOauth"

# The environment variables of each function, in addition to those of all functions.
# REGISTRATION_TOKEN_SHA256 is set only if dynamic client registration is enabled, and ISSUING_LEASE only if the
# environment has a standby region.
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "authorize": ("PLATFORMS", "SESSION_KEY_ID", "SYNTHETIC_KEY_ID"),
    "token": (
        "SIGNING_KEY_ID",
        "KEYS_TABLE",
        "REVOCATIONS_TABLE",
        "REGISTRATION_TOKEN_SHA256",
        "REFRESH_GRACE_SECONDS",
        "ISSUING_LEASE",
    ),
    # Its deep health checks every table.
    "public": ("SIGNING_KEY_ID", "SESSION_KEY_ID", *(table.variable for table in TABLES.values())),
}

_NOT_PART_OF_A_RELEASE = frozenset(
    {"alarms", "throttle_requests_per_second", "throttle_burst_requests", "state_table", "tokens_table", "least_epoch"}
)
"""Settings that no function receives, or that a cutover changes without a release."""


@dataclass(frozen=True)
class Build:
    """The code of one release of the service.

    Attributes:
        package: the code. `/version` returns the beginning of its digest as `build`.
        commit: the commit of the sources.
    """

    package: Package
    commit: str


class ServiceStack(EnvironmentStack):
    """The OAuth service of one environment.

    Attributes:
        service_settings: the orchestrator's settings for the service; its tasks read them as JSON from SERVICE.
        signing_keys: the signing keys, for their rotation.
        variables_key: encrypts the functions' environment variables; None if AWS's own key does.
    """

    def __init__(self, scope: Construct, environment: Environment, build: Build) -> None:
        super().__init__(scope, environment, "stack", f"OAuth service ({environment.name})")
        suppress_nag(self, "Python 3.13 is supported until 2029, and the wheels are locked for it", "L1")
        self._resources = self._create_resources()
        restrict_key_use(environment, self._resources)
        self.variables_key = (
            self._key("variables", "Encrypts the environment variables of functions")
            if environment.customer_managed_keys
            else None
        )
        self._network = self._create_network()
        self._aliases: dict[str, lambda_.CfnAlias] = {}

        functions = {name: self._function(name, build) for name in environment.service.functions}
        api = Api(self, environment, self._aliases)
        for name, function in functions.items():
            for variable, value in self._variables(name, build, api).items():
                function.add_environment(variable, value)
        alarms = create_alarms(self, environment, METRIC_NAMESPACE)

        CfnOutput(self, "ApiUrl", value=api.url, description="The API's address, without a trailing slash")
        # Without a domain the orchestrator imports it. CloudFormation refuses to remove an export that is in use, so that
        # a domain could never be added.
        self.export_value(api.rest_api_id)
        CfnOutput(self, "SyntheticKeyArn", value=self._resources.synthetic_key.key_arn)
        self.synthetic_key = self._resources.synthetic_key
        self.service_settings: Mapping[str, object] = {
            "functions": {name: self._name(name) for name in functions},
            "alias": ALIAS,
            "api_url": api.url,
            "issuer": environment.service.issuer or api.url,
            "tables": [environment.service.state_table, environment.service.tokens_table],
            "revocations": self._name("revocations"),
            "alarms": alarms,
            "metric_namespace": METRIC_NAMESPACE,
            "api_name": api.name,
            "stage": environment.name,
            "synthetic_key_id": self._resources.synthetic_key.key_arn,
            "tls": not environment.local,
            "warm": {
                name: function.provisioned_concurrency for name, function in environment.service.functions.items()
            },
        }
        self.signing_keys = SigningKeys(
            ring_table=self._name("keys"),
            data_key=self._resources.data_key,
            stack_key=self._resources.signing_key.key_arn,
            all_keys=self._resources.ring_keys,
            tag=SIGNING_KEY_TAG,
        )

    def _name(self, name: str) -> str:
        return physical_name(name, self._environment)

    def _create_resources(self) -> ServiceResources:
        data_key = None
        if self._environment.customer_managed_keys:
            data_key = self._key("data", "Encrypts the service's tables")
        service = self._environment.service
        signing_key = self._key("signing", "Signs access tokens", kms.KeySpec.ECC_NIST_P256)
        Tags.of(signing_key).add(SIGNING_KEY_TAG, self._environment.name)
        return ServiceResources(
            state=self._table("state", service.state_table, data_key),
            tokens=self._table("tokens", service.tokens_table, data_key),
            data_key=data_key,
            # Not a setting like the other two: a restore must not reactivate a retired key.
            ring=self._table("keys", self._name("keys"), data_key, streamed=False),
            # A restore must not remove a revocation either. It reads from the stream what was revoked meanwhile.
            revocations=self._table("revocations", self._name("revocations"), data_key),
            signing_key=signing_key,
            ring_keys=keys_arn(self),
            session_key=self._key("session", "Encrypts sessions at upstream identity providers"),
            synthetic_key=self._key("synthetic", "Authenticates the synthetic client", kms.KeySpec.HMAC_256),
        )

    def _create_network(self) -> Network | None:
        if self._environment.network is None:
            return None
        tables = reachable_tables(self, self._environment, self._resources)
        return Network(self, self._environment, self._environment.network, tables)

    def _table(self, role: str, live: str, key: kms.IKey | None, *, streamed: bool = True) -> dynamodb.ITable:
        name = self._name(role)
        table = create_table(self, self._environment, role, key, streamed=streamed)
        # After a cutover the functions use the restored table; the stack still owns its own table.
        return table if live == name else dynamodb.Table.from_table_name(self, f"{role.title()}LiveTable", live)

    def _key(self, name: str, description: str, spec: kms.KeySpec = kms.KeySpec.SYMMETRIC_DEFAULT) -> kms.Key:
        return create_key(self, self._environment, name, f"{description} ({self._environment.name})", spec=spec)

    def _function(self, name: str, build: Build) -> lambda_.Function:
        """Create a function, its first version and its alias, with logical ids that never change."""
        settings = self._environment.service.functions[name]
        statements = policy_statements(self, name, self._environment, self._resources)
        roles = ("state", "tokens")
        restored = {restored_tables_arn(self, role, self._environment): RESTORED_REASON for role in roles}
        wildcards = restored | ({self._resources.ring_keys: RING_KEYS_REASON} if ACCESS[name].signing else {})
        attachment: Mapping[str, Any] = {}
        if self._network:
            statements += allow_vpc_attachment(self, self._name(name))
            attachment = vars(self._network.attachment_of(name))
        function = create_function(
            self,
            self._environment,
            build.package,
            name,
            f"service.handlers.{name}.handler",
            Size(settings.memory_mb, settings.timeout_seconds),
            statements,
            wildcards,
            construct_id=f"{name.title()}Function",
            variables_key=self.variables_key,
            reserved_concurrent_executions=settings.reserved_concurrency,
            **attachment,
        )
        cfn_function = function.node.default_child
        assert isinstance(cfn_function, lambda_.CfnFunction)
        cfn_function.override_logical_id(f"{name.title()}Function")

        first_version = lambda_.CfnVersion(self, f"{name.title()}FirstVersion", function_name=cfn_function.ref)
        first_version.override_logical_id(f"{name.title()}FirstVersion")
        first_version.apply_removal_policy(RemovalPolicy.RETAIN)
        alias = lambda_.CfnAlias(
            self,
            f"{name.title()}Live",
            function_name=cfn_function.ref,
            function_version=first_version.attr_version,
            name=ALIAS,
        )
        alias.override_logical_id(f"{name.title()}Live")
        self._aliases[name] = alias
        return function

    def _variables(self, name: str, build: Build, api: Api) -> Mapping[str, str]:
        environment, service = self._environment, self._environment.service
        all_functions = {
            "ENVIRONMENT": environment.name,
            "ISSUER": service.issuer or api.url,
            "STATE_TABLE": service.state_table,
            "TOKENS_TABLE": service.tokens_table,
            **client_variables(environment),
            "RELEASE": _compact(
                {
                    "commit": build.commit,
                    "build": build.package.digest[:16],
                    "configuration": configuration_digest(environment),
                }
            ),
            "SOURCE_REQUESTS_PER_SECOND": str(service.source_requests_per_second),
            "SOURCE_BURST_REQUESTS": str(service.source_burst_requests),
        }
        optional = {
            "PLATFORMS": _compact({key: asdict(platform) for key, platform in service.platforms.items()}),
            "SESSION_KEY_ID": self._resources.session_key.key_arn,
            "SYNTHETIC_KEY_ID": self._resources.synthetic_key.key_arn,
            "SIGNING_KEY_ID": self._resources.signing_key.key_arn,
            "KEYS_TABLE": self._name("keys"),
            "REVOCATIONS_TABLE": self._name("revocations"),
            "REFRESH_GRACE_SECONDS": str(service.refresh_grace_seconds),
        }
        if environment.failover is not None:
            optional["ISSUING_LEASE"] = "on"
        if service.registration_token_sha256 is not None:
            optional["REGISTRATION_TOKEN_SHA256"] = service.registration_token_sha256
        if service.least_epoch:
            all_functions["LEAST_EPOCH"] = str(service.least_epoch)
        own = {variable: optional[variable] for variable in _VARIABLES[name] if variable in optional}
        check_size(self, environment, name, {**all_functions, **own})
        return {**all_functions, **own}


def configuration_digest(environment: Environment) -> str:
    """Return the digest of the settings that functions receive or are sized by; with the code it identifies a release.

    It excludes settings of the API and of other resources: a throttle can be changed without a release.
    """
    service = environment.service
    settings = {
        **{name: value for name, value in asdict(service).items() if name not in _NOT_PART_OF_A_RELEASE},
        "functions": {
            name: [function.memory_mb, function.timeout_seconds] for name, function in service.functions.items()
        },
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
