"""The stack with the security services and alarms of an environment's account.

It is separate so that permission to deploy the service does not include permission to change the audit trail. It refers
to the other stacks by names only. If environments share an account, only one of them has the trail, the detector and
the recorder: `security` in environments.toml selects it.
"""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.arns import trail_arn
from infrastructure.common import EnvironmentStack
from infrastructure.iam import own_account_service
from infrastructure.keys import create_key
from infrastructure.naming import physical_name
from infrastructure.security.account_services import allow_events, enable_config_rules, enable_guard_duty
from infrastructure.security.cloudtrail import TRAIL, create_trail
from infrastructure.security.cloudtrail_alarms import create_alarms, create_waf_alarm
from infrastructure.security.code_signing import create_signing_profile
from infrastructure.security.permissions_boundary import create_boundary
from infrastructure.topics import create_topic
from orchestrator.environments import Environment

AUDIENCE = "security"


class SecurityStack(EnvironmentStack):
    """The security services and alarms of one environment's account.

    Attributes:
        publisher: ARN of the trusted signing profile version; None without code signing.
    """

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(
            scope,
            environment,
            "security",
            f"CloudTrail, security alarms and permissions boundary of the OAuth service ({environment.name})",
        )
        key = self._key()
        topic = self._topic(key)
        create_waf_alarm(self, environment, topic)
        create_boundary(self, environment)
        self.publisher = create_signing_profile(self, environment)
        if environment.security.trail:
            create_alarms(self, environment, create_trail(self, environment, key), topic)
        if environment.security.guard_duty:
            enable_guard_duty(self, environment, topic)
        if environment.security.config_rules:
            enable_config_rules(self, environment, key, topic)
        if environment.security.guard_duty or environment.security.config_rules:
            allow_events(topic, key, physical_name(AUDIENCE, environment))
        if environment.security.trail:
            self._create_trail_last()

    def _create_trail_last(self) -> None:
        """Make the trail depend on everything else in the stack.

        CloudTrail writes into its bucket as soon as the trail exists, and CloudFormation deletes only empty buckets. If
        the creation failed after the trail, the bucket and its name would remain.
        """
        trail = self.node.find_child(TRAIL)
        trail.node.add_dependency(*(child for child in self.node.children if child is not trail))

    def _key(self) -> kms.Key:
        """Create the key of the trail and the topic. AWS services may use it for these only."""
        key = create_key(
            self,
            self._environment,
            AUDIENCE,
            f"Encrypts the trail and notifications to the security contacts ({self._environment.name})",
        )
        key.grant(own_account_service(self, "cloudwatch"), "kms:Decrypt", "kms:GenerateDataKey*")
        if self._environment.security.trail:
            this_trail = {"StringEquals": {"aws:SourceArn": trail_arn(self, self._environment)}}
            cloudtrail = iam.ServicePrincipal("cloudtrail.amazonaws.com", conditions=this_trail)
            key.grant(cloudtrail, "kms:GenerateDataKey*", "kms:DescribeKey")
        return key

    def _topic(self, key: kms.IKey) -> sns.Topic:
        contacts = self._environment.contacts[AUDIENCE]
        return create_topic(self, self._environment, "SecurityTopic", AUDIENCE, contacts, key, of_alarms=True)
