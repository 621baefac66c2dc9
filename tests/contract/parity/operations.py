"""The operations that the product uses: those it calls, and those that CloudFormation calls for its resources."""

from __future__ import annotations

from tests.aws_operations import called_operations

THROUGH_CLOUDFORMATION = {
    "AWS::ApiGateway::Deployment": ("apigateway:CreateDeployment", "apigateway:DeleteDeployment"),
    "AWS::ApiGateway::GatewayResponse": ("apigateway:PutGatewayResponse", "apigateway:GetGatewayResponse"),
    "AWS::ApiGateway::Method": ("apigateway:PutMethod", "apigateway:GetMethod"),
    "AWS::ApiGateway::Resource": ("apigateway:CreateResource",),
    "AWS::ApiGateway::RestApi": ("apigateway:CreateRestApi", "apigateway:GetRestApi"),
    "AWS::ApiGateway::Stage": ("apigateway:CreateStage",),
    "AWS::CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm",),
    "AWS::CloudWatch::CompositeAlarm": ("cloudwatch:PutCompositeAlarm",),
    "AWS::DynamoDB::Table": ("dynamodb:CreateTable",),
    "AWS::Events::EventBus": ("events:CreateEventBus", "events:DeleteEventBus"),
    "AWS::Events::Rule": ("events:PutRule", "events:PutTargets", "events:DescribeRule", "events:DeleteRule"),
    "AWS::Lambda::Alias": ("lambda:CreateAlias", "lambda:DeleteAlias"),
    "AWS::Lambda::Function": ("lambda:PutFunctionConcurrency",),
    "AWS::Lambda::Permission": ("lambda:AddPermission", "lambda:RemovePermission"),
    "AWS::StepFunctions::StateMachine": ("stepfunctions:CreateStateMachine", "stepfunctions:DeleteStateMachine"),
}
"""Types of resources in the product's templates, with the operations that their life needs."""

BY_SERVICE_ITSELF = {
    "apigateway:execute": "clients send requests to the deployed API",
    "events:TestEventPattern": "asks what the patterns of rules match",
}
"""No operation that a caller sends, but the behaviour that the product rests on."""


def used_operations() -> frozenset[str]:
    """Return the operations that the product uses, as ``service:Operation``."""
    called = {f"{operation.service}:{operation.name}" for operation in called_operations()}
    through = {operation for operations in THROUGH_CLOUDFORMATION.values() for operation in operations}
    return frozenset(called | through | set(BY_SERVICE_ITSELF))
