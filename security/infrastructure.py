"""The stack that guards an environment's account.

A stack of its own, because it outlives what it guards: nobody who may deploy the service should have to be allowed to change
the record of what was done. It refers to nothing of the other stacks but their names. Where environments share an account, its
trail, detector and recorder belong into one of their stacks: `security` in environments.toml says which.
"""

from __future__ import annotations

from aws_cdk import Environment as Place
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from environments import Environment
from security.infrastructure_account import config_rules, guard_duty
from security.infrastructure_boundary import boundary
from security.infrastructure_signing import publisher_of
from security.infrastructure_signs import firewall_blocks, watch
from security.infrastructure_trail import make_trail
from stack_parts import kept, name_of, subscribe

AUDIENCE = "security"


class SecurityStack(Stack):
    """What guards one environment's account."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(
            scope,
            f"ib-oauth-security-{environment.name}",
            description=f"Trail, security alarms and limits of roles around the OAuth service ({environment.name})",
            env=Place(account=environment.account, region=environment.region),
            termination_protection=environment.deletion_protection,
        )
        self._environment = environment
        key = self._key()
        topic = self._topic(key)
        firewall_blocks(self, environment, topic)
        boundary(self, environment)
        self.publisher = publisher_of(self, environment)
        if environment.security.trail:
            watch(self, environment, make_trail(self, environment, key), topic)
        if environment.security.guard_duty:
            guard_duty(self, environment, topic)
        if environment.security.config_rules:
            config_rules(self, environment, key, topic)

    def _key(self) -> kms.Key:
        """Make the key of what is recorded and told here. Services use it for this account's things alone."""
        key = kms.Key(
            self,
            "SecurityKey",
            alias=f"alias/{name_of('security', self._environment)}",
            description=f"Encrypts the trail and messages to those who guard ({self._environment.name})",
            enable_key_rotation=True,
            removal_policy=kept(self._environment),
        )
        ours = {"StringEquals": {"aws:SourceAccount": self.account}}
        for service in ("cloudwatch", "events"):
            principal = iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=ours)
            key.grant(principal, "kms:Decrypt", "kms:GenerateDataKey*")
        trail = self.format_arn(
            service="cloudtrail", resource="trail", resource_name=name_of("trail", self._environment)
        )
        cloudtrail = iam.ServicePrincipal(
            "cloudtrail.amazonaws.com", conditions={"StringEquals": {"aws:SourceArn": trail}}
        )
        key.grant(cloudtrail, "kms:GenerateDataKey*", "kms:DescribeKey")
        return key

    def _topic(self, key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(
            self,
            "SecurityTopic",
            topic_name=name_of(AUDIENCE, self._environment),
            master_key=key,
            enforce_ssl=True,
        )
        ours = {"StringEquals": {"aws:SourceAccount": self.account}}
        for service in ("cloudwatch", "events"):
            topic.grant_publish(iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=ours))
        subscribe(topic, self._environment.contacts[AUDIENCE])
        return topic
