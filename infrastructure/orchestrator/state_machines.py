"""The state machines, whose definitions refer to published versions of the task functions."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infrastructure.arns import executions_arn, state_machine_arn
from infrastructure.logs import create_log_group
from infrastructure.nag import suppress_wildcards
from infrastructure.naming import global_name, physical_name
from infrastructure.standby.failover import hosts_failover
from orchestrator.environments import Environment
from state_machines import definitions

FAILOVER = "failover"
"""The state machine that only the standby region has."""


class StateMachines(Construct):
    """All state machines of an environment.

    Args:
        scope: the stack with the task functions.
        environment: the environment.
        tasks: task functions by module.
    """

    def __init__(self, scope: Construct, environment: Environment, tasks: Mapping[str, lambda_.Function]) -> None:
        super().__init__(scope, "StateMachines")
        for name in definitions.names():
            if name == FAILOVER and not hosts_failover(environment):
                continue
            self._create(definitions.load(name), environment, tasks)

    def _create(
        self, definition: definitions.Definition, environment: Environment, tasks: Mapping[str, lambda_.Function]
    ) -> None:
        title = definition.name.title()
        role = iam.Role(
            self,
            f"{title}Role",
            role_name=global_name(physical_name(f"machine-{definition.name}", environment), environment),
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        )
        substitutions = {}
        for placeholder in sorted(definition.placeholders):
            module = definitions.module_of(placeholder)
            if module not in tasks:
                raise definitions.DefinitionRefused(
                    f"{definition.name} names {placeholder}, but there is no task {module}"
                )
            function = tasks[module]
            substitutions[placeholder] = function.current_version.function_arn
            versions = f"{function.function_arn}:*"
            role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[versions]))
            suppress_wildcards(
                role,
                {versions: "executions that started before a deployment of the stack continue with earlier versions"},
            )
        suppress_wildcards(role, {"*": "log delivery and tracing do not support resource-level permissions"})
        if definition.distributed:
            _allow_child_executions(role, definition.name, environment)
        sfn.StateMachine(
            self,
            title,
            state_machine_name=physical_name(definition.name, environment),
            definition_body=sfn.DefinitionBody.from_string(definition.text),
            definition_substitutions=substitutions,
            role=role,
            logs=sfn.LogOptions(
                # Log groups of this prefix share one resource policy, which has a limit.
                destination=create_log_group(
                    self,
                    f"{title}Logs",
                    f"/aws/vendedlogs/states/{physical_name(definition.name, environment)}",
                    environment,
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
            tracing_enabled=True,
        )


def _allow_child_executions(role: iam.Role, state_machine: str, environment: Environment) -> None:
    """Allow a state machine with a distributed map to run child executions.

    Step Functions documents the executions as those of the state machine (``:execution:NAME:*``). The ARN of a child
    execution has the map run's label (``:execution:NAME/LABEL:*``), so both are allowed.
    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    The ARNs are built by name, because the state machine depends on this role.
    """
    stack = Stack.of(role)
    own = state_machine_arn(stack, environment, state_machine)
    children = [executions_arn(stack, environment, state_machine, separator=separator) for separator in (":", "/")]
    role.add_to_policy(iam.PolicyStatement(actions=["states:StartExecution"], resources=[own]))
    role.add_to_policy(
        iam.PolicyStatement(actions=["states:DescribeExecution", "states:StopExecution"], resources=children)
    )
    suppress_wildcards(role, dict.fromkeys(children, "Step Functions names the child executions of a map"))
