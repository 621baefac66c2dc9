"""Removes resource types that the local cloud does not support from the local stacks.

MiniStack rejects a whole stack because of one unknown type. The removed resources are in the templates of all AWS
environments, so no other resource may depend on them. A test lists them.
"""

from __future__ import annotations

import jsii
from aws_cdk import CfnResource, IAspect
from constructs import IConstruct

UNSUPPORTED_TYPES = (
    "AWS::ApplicationAutoScaling::",
    "AWS::Budgets::Budget",
    "AWS::CE::",
    "AWS::CloudTrail::Trail",
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::InsightRule",
    "AWS::CodeDeploy::",
    "AWS::Config::",
    "AWS::Events::ApiDestination",
    "AWS::Events::Archive",
    "AWS::Events::Connection",
    "AWS::Events::EventBusPolicy",
    "AWS::FIS::",
    "AWS::IAM::Group",
    "AWS::IAM::OIDCProvider",
    "AWS::IAM::RolePolicy",
    "AWS::Logs::Delivery",
    "AWS::Logs::QueryDefinition",
    "AWS::Route53::HealthCheck",
    "AWS::SSM::Document",
    "AWS::StepFunctions::Activity",
    "AWS::StepFunctions::StateMachineAlias",
    "AWS::StepFunctions::StateMachineVersion",
    "AWS::Synthetics::Canary",
    "AWS::WAFv2::LoggingConfiguration",
    "AWS::WAFv2::WebACLAssociation",
    "AWS::XRay::Group",
)
"""Prefixes of unsupported resource types."""


@jsii.implements(IAspect)
class RemoveUnsupported:
    """An aspect that removes unsupported resources from the construct tree."""

    def visit(self, node: IConstruct) -> None:
        """Remove the node if its resource type is unsupported."""
        if isinstance(node, CfnResource) and node.cfn_resource_type.startswith(UNSUPPORTED_TYPES) and node.node.scope:
            node.node.scope.node.try_remove_child(node.node.id)
