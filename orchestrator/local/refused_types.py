"""The local switch: resources that the local cloud's CloudFormation refuses are left out of the local stacks. Here only.

MiniStack refuses a whole stack for one type it does not know. What is left out locally is still in every account's
template; nothing else may depend on it. A test lists which resources these are.
"""

from __future__ import annotations

import jsii
from aws_cdk import CfnResource, IAspect
from constructs import IConstruct

REFUSED = (
    "AWS::ApplicationAutoScaling::",
    "AWS::Backup::BackupSelection",
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
"""Beginnings of type names."""


@jsii.implements(IAspect)
class LeaveOut:
    """Takes refused resources out of the tree that it is applied to."""

    def visit(self, node: IConstruct) -> None:
        """Take a node out if its type is refused."""
        if isinstance(node, CfnResource) and node.cfn_resource_type.startswith(REFUSED) and node.node.scope:
            node.node.scope.node.try_remove_child(node.node.id)
