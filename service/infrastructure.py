"""The OAuth service's stack: API, functions behind their `live` aliases, tables, keys, alarms.

Three rules hold this stack together with whoever ships releases:

* A deployment of the stack changes ``$LATEST`` only. Each alias is made once, on a first version whose logical id never
  changes, and its template is the same text under every change of code or settings: CloudFormation sends all properties
  of a resource as soon as one of them differs, and would put `live` back on that first version.
* Names are exact and say the environment, so that nobody has to look anything up.
* Everything that holds data is kept when the stack goes, where the environment protects deletion.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack, Tags
from aws_cdk import Environment as Place
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from environments import Environment
from service.infrastructure_access import (
    ACCESS,
    RESTORED_REASON,
    RING_KEYS_REASON,
    SIGNING_KEY_TAG,
    Resources,
    keep_keys,
    restored_tables,
    statements_of,
)
from service.infrastructure_alarms import alarms_of
from service.infrastructure_api import Api
from service.infrastructure_network import Network, may_attach
from service.infrastructure_stores import make_table
from service.infrastructure_variables import check_size, of_clients
from stack_parts import SigningKeys, code_of, explain, kept, lambda_role, log_group, name_of, worldwide

ALIAS = "live"
METRIC_NAMESPACE = "IbOauth"

# What each function needs to know, by its own name for it. Settings that a function does not read are not given to it.
# REGISTRATION_TOKEN_SHA256 is there where clients may register.
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "authorize": ("PLATFORMS", "SESSION_KEY_ID", "SYNTHETIC_KEY_ID"),
    "token": ("SIGNING_KEY_ID", "KEYS_TABLE", "REVOCATIONS_TABLE", "REGISTRATION_TOKEN_SHA256"),
    "public": ("SIGNING_KEY_ID", "KEYS_TABLE", "SESSION_KEY_ID"),
}

_NOT_OF_A_RELEASE = frozenset(
    {"alarms", "throttle_requests_per_second", "throttle_burst_requests", "state_table", "tokens_table", "least_epoch"}
)
"""Settings of the service that no function is told of, or that a restore's cut-over tells them without a release."""


@dataclass(frozen=True)
class Build:
    """The code of one release of the service.

    Attributes:
        folder: the asset.
        digest: of the asset's content; `/version` tells it as `build`.
        commit: the commit it was built from.
        signed: the package of it that AWS Signer signed, which is deployed in place of the folder.
    """

    folder: str
    digest: str
    commit: str
    signed: str | None = None


class ServiceStack(Stack):
    """The OAuth service of one environment.

    Attributes:
        description: what the orchestrator is told of the service, as the JSON object it reads from its settings.
        signing_keys: what their rotation is told.
        variables_key: encrypts what the functions are told; None where AWS's own key does.
    """

    def __init__(self, scope: Construct, environment: Environment, build: Build) -> None:
        super().__init__(
            scope,
            f"ib-oauth-stack-{environment.name}",
            description=f"OAuth service ({environment.name})",
            env=Place(account=environment.account, region=environment.region),
            termination_protection=environment.deletion_protection,
        )
        explain(self, "Python 3.13 is supported until 2029, and the wheels are locked for it", "L1")
        self._environment = environment
        self._resources = self._stores()
        keep_keys(environment, self._resources)
        self.variables_key = (
            self._key("variables", "Encrypts what functions are told", rotated=True)
            if environment.customer_managed_keys
            else None
        )
        self._network = self._make_network()
        self._aliases: dict[str, lambda_.CfnAlias] = {}

        functions = {name: self._function(name, build) for name in environment.service.functions}
        api = Api(self, environment, self._aliases)
        for name, function in functions.items():
            for variable, value in self._variables(name, build, api).items():
                function.add_environment(variable, value)
        alarms = alarms_of(self, environment, METRIC_NAMESPACE)

        CfnOutput(self, "ApiUrl", value=api.url, description="The API with its stage, without a slash at its end")
        CfnOutput(self, "SyntheticKeyArn", value=self._resources.synthetic_key.key_arn)
        self.synthetic_key = self._resources.synthetic_key
        self.description: Mapping[str, object] = {
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
            "warm": {name: one.provisioned_concurrency for name, one in environment.service.functions.items()},
        }
        self.signing_keys = SigningKeys(
            ring_table=self._name("keys"),
            data_key=self._resources.data_key,
            stack_key=self._resources.signing_key.key_arn,
            all_keys=self._resources.ring_keys,
            tag=SIGNING_KEY_TAG,
        )

    def _name(self, what: str) -> str:
        return name_of(what, self._environment)

    def _stores(self) -> Resources:
        data_key = None
        if self._environment.customer_managed_keys:
            data_key = self._key("data", "Encrypts the service's tables", rotated=True)
        service = self._environment.service
        signing_key = self._key("signing", "Signs access tokens", spec=kms.KeySpec.ECC_NIST_P256)
        Tags.of(signing_key).add(SIGNING_KEY_TAG, self._environment.name)
        return Resources(
            state=self._table("state", service.state_table, data_key),
            tokens=self._table("tokens", service.tokens_table, data_key),
            data_key=data_key,
            # Not a setting like the other two: a restore must not bring a retired key back to life.
            ring=self._table("keys", self._name("keys"), data_key, told=False),
            # Nor may it take a revocation back.
            revocations=self._table("revocations", self._name("revocations"), data_key, told=False),
            signing_key=signing_key,
            ring_keys=self.format_arn(service="kms", resource="key", resource_name="*"),
            session_key=self._key("session", "Encrypts sessions at platforms", rotated=True),
            synthetic_key=self._key("synthetic", "Proves the synthetic identity", spec=kms.KeySpec.HMAC_256),
        )

    def _make_network(self) -> Network | None:
        if self._environment.network is None:
            return None
        resources = self._resources
        tables = [resources.state, resources.tokens, resources.ring, resources.revocations]
        return Network(self, self._environment, self._environment.network, tables)

    def _table(self, what: str, live: str, key: kms.IKey | None, *, told: bool = True) -> dynamodb.ITable:
        name = self._name(what)
        table = make_table(self, self._environment, what, key, told=told)
        # After a cut-over to a restored table the functions use that one; the stack goes on keeping its own.
        return table if live == name else dynamodb.Table.from_table_name(self, f"{what.title()}LiveTable", live)

    def _key(
        self, what: str, description: str, *, spec: kms.KeySpec = kms.KeySpec.SYMMETRIC_DEFAULT, rotated: bool = False
    ) -> kms.Key:
        usage = {
            kms.KeySpec.ECC_NIST_P256: kms.KeyUsage.SIGN_VERIFY,
            kms.KeySpec.HMAC_256: kms.KeyUsage.GENERATE_VERIFY_MAC,
        }
        return kms.Key(
            self,
            f"{what.title()}Key",
            alias=f"alias/{self._name(what)}",
            description=f"{description} ({self._environment.name})",
            key_spec=spec,
            key_usage=usage.get(spec, kms.KeyUsage.ENCRYPT_DECRYPT),
            enable_key_rotation=True if rotated else None,
            removal_policy=kept(self._environment),
        )

    def _function(self, name: str, build: Build) -> lambda_.Function:
        """Make a function, its first version and its alias, under logical ids that never change."""
        settings = self._environment.service.functions[name]
        group = log_group(self, f"{name.title()}Logs", f"/aws/lambda/{self._name(name)}", self._environment)
        statements = statements_of(self, name, self._environment, self._resources)
        roles = ("state", "tokens")
        restored = {restored_tables(self, role, self._environment): RESTORED_REASON for role in roles}
        wildcards = restored | ({self._resources.ring_keys: RING_KEYS_REASON} if ACCESS[name].signing else {})
        place: Mapping[str, Any] = {}
        if self._network:
            statements += may_attach(self, self._name(name))
            place = vars(self._network.of(name))
        role_name = worldwide(self._name(name), self._environment)
        role = lambda_role(self, f"{name.title()}Role", role_name, group, statements, wildcards, self.variables_key)
        function = lambda_.Function(
            self,
            f"{name.title()}Function",
            function_name=self._name(name),
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"service.handlers.{name}.handler",
            code=code_of(build.folder, build.digest, build.signed),
            memory_size=settings.memory_mb,
            timeout=Duration.seconds(settings.timeout_seconds),
            reserved_concurrent_executions=settings.reserved_concurrency,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=group,
            # The role's statements are all in infrastructure_access.py; constructs add none.
            role=role.without_policy_updates(),
            environment_encryption=self.variables_key,
            **place,
        )
        cfn_function = function.node.default_child
        assert isinstance(cfn_function, lambda_.CfnFunction)
        cfn_function.override_logical_id(f"{name.title()}Function")

        first = lambda_.CfnVersion(self, f"{name.title()}FirstVersion", function_name=cfn_function.ref)
        first.override_logical_id(f"{name.title()}FirstVersion")
        first.apply_removal_policy(RemovalPolicy.RETAIN)
        alias = lambda_.CfnAlias(
            self,
            f"{name.title()}Live",
            function_name=cfn_function.ref,
            function_version=first.attr_version,
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
            **of_clients(environment),
            "RELEASE": _compact(
                {"commit": build.commit, "build": build.digest[:16], "configuration": configuration_of(environment)}
            ),
            "SOURCE_REQUESTS_PER_SECOND": str(service.source_requests_per_second),
            "SOURCE_BURST_REQUESTS": str(service.source_burst_requests),
        }
        some = {
            "PLATFORMS": _compact({key: asdict(platform) for key, platform in service.platforms.items()}),
            "SESSION_KEY_ID": self._resources.session_key.key_arn,
            "SYNTHETIC_KEY_ID": self._resources.synthetic_key.key_arn,
            "SIGNING_KEY_ID": self._resources.signing_key.key_arn,
            "KEYS_TABLE": self._name("keys"),
            "REVOCATIONS_TABLE": self._name("revocations"),
        }
        if service.registration_token_sha256 is not None:
            some["REGISTRATION_TOKEN_SHA256"] = service.registration_token_sha256
        if service.least_epoch:
            all_functions["LEAST_EPOCH"] = str(service.least_epoch)
        own = {variable: some[variable] for variable in _VARIABLES[name] if variable in some}
        check_size(environment, name, {**all_functions, **own})
        return {**all_functions, **own}


def configuration_of(environment: Environment) -> str:
    """Return the digest of the settings that functions are told of or sized by, which names a release together with its code.

    What is kept in front of the functions or beside them is not among these: a throttle is turned without a release.
    """
    service = environment.service
    told = {
        **{name: value for name, value in asdict(service).items() if name not in _NOT_OF_A_RELEASE},
        "functions": {name: [own.memory_mb, own.timeout_seconds] for name, own in service.functions.items()},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
