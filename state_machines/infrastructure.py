"""The state machines as resources: definitions bound to published versions of the task functions."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from environments import Environment
from stack_parts import explain_wildcards, log_group, name_of, worldwide
from state_machines import definitions


class StateMachines(Construct):
    """All state machines of an environment.

    Args:
        scope: the stack that has the task functions.
        environment: where.
        tasks: task functions by module.
    """

    def __init__(self, scope: Construct, environment: Environment, tasks: Mapping[str, lambda_.Function]) -> None:
        super().__init__(scope, "StateMachines")
        for name in definitions.names():
            self._machine(definitions.load(name), environment, tasks)

    def _machine(
        self, definition: definitions.Definition, environment: Environment, tasks: Mapping[str, lambda_.Function]
    ) -> None:
        title = definition.name.title()
        role = iam.Role(
            self,
            f"{title}Role",
            role_name=worldwide(name_of(f"machine-{definition.name}", environment), environment),
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        )
        bound = {}
        for placeholder in sorted(definition.placeholders):
            module = definitions.module_of(placeholder)
            if module not in tasks:
                raise definitions.DefinitionRefused(
                    f"{definition.name} names {placeholder}, but there is no task {module}"
                )
            function = tasks[module]
            bound[placeholder] = function.current_version.function_arn
            versions = f"{function.function_arn}:*"
            role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[versions]))
            explain_wildcards(
                role, {versions: "an execution that began before this deployment goes on with versions of its time"}
            )
        explain_wildcards(role, {"*": "log delivery and tracing know no resources"})
        if definition.distributed:
            _may_run_children(role, definition.name, environment)
        sfn.StateMachine(
            self,
            title,
            state_machine_name=name_of(definition.name, environment),
            definition_body=sfn.DefinitionBody.from_string(definition.text),
            definition_substitutions=bound,
            role=role,
            logs=sfn.LogOptions(
                # Log groups of this prefix share one resource policy, which has a limit.
                destination=log_group(
                    self, f"{title}Logs", f"/aws/vendedlogs/states/{name_of(definition.name, environment)}", environment
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
            tracing_enabled=True,
        )


def _may_run_children(role: iam.Role, machine: str, environment: Environment) -> None:
    """Let a machine with a distributed map run its child executions, as Step Functions documents it.

    The machine's own ARN is written down: asking the machine for it would make it need the role that needs it.
    """
    stack, name = Stack.of(role), name_of(machine, environment)
    own = _states_arn(stack, "stateMachine", name)
    children = _states_arn(stack, "execution", f"{name}:*")
    role.add_to_policy(iam.PolicyStatement(actions=["states:StartExecution"], resources=[own]))
    role.add_to_policy(
        iam.PolicyStatement(actions=["states:DescribeExecution", "states:StopExecution"], resources=[children])
    )
    explain_wildcards(role, {children: "a map's executions are named by Step Functions"})


def _states_arn(stack: Stack, resource: str, name: str) -> str:
    return stack.format_arn(
        service="states", resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
