"""The environment is emptied: its stacks are deleted, and so are two of the tables that they retained."""

from __future__ import annotations

import json

from orchestrator.domain.names import resource_name
from orchestrator.local import cdk_deploy
from orchestrator.local.deployed_environment import ENVIRONMENT
from orchestrator.local.rehearsal.injectors.tables import delete_table
from orchestrator.local.rehearsal.stage import Stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

_STACKS = (cdk_deploy.ORCHESTRATOR, cdk_deploy.SERVICE)
"""In the order of their deletion: the first refers to the second."""
_TABLES = ("tokens", "ledger")
_SNAPSHOT = "configuration snapshot"
_EVERY_SECONDS = 1


def back_up(stage: Stage) -> None:
    """Take a configuration snapshot, as the schedule does every day and each deployment at its end."""
    taken = json.loads(stage.run("orchestrator config backup --json").output)
    stage.notes[_SNAPSHOT] = str(taken["id"])


def empty(stage: Stage) -> None:
    """Delete the stacks, as an administrator can, and the tables of tokens and of the ledger."""
    client = stage.here.cloud.clients("cloudformation")
    for stack in _STACKS:
        name = {"StackName": f"{stack}-{ENVIRONMENT}"}
        client.update_termination_protection(**name, EnableTerminationProtection=False)
        client.delete_stack(**name)
        client.get_waiter("stack_delete_complete").wait(**name, WaiterConfig={"Delay": _EVERY_SECONDS})
    for table in _TABLES:
        delete_table(stage, resource_name(table, ENVIRONMENT))


def rebuild(stage: Stage) -> None:
    """Read the plan, rebuild the environment, and have the ledger record its new address and versions."""
    planned = stage.type("orchestrator rebuild --plan --env ENV").output
    missing = [table for table in _TABLES if resource_name(table, ENVIRONMENT) not in planned]
    if missing:
        raise RehearsalFailed(f"`orchestrator rebuild --plan` does not name {', '.join(missing)}: {planned}")
    for line in stage.type("orchestrator rebuild --yes --env ENV").output.splitlines():
        stage.say(line)
    stage.refresh_address()
    stage.type("orchestrator deploy --watch --env ENV")


def verify(stage: Stage) -> str:
    """Verify that the configuration is that of the snapshot, and that a rebuild of what exists is refused."""
    snapshot = stage.notes[_SNAPSHOT]
    stage.type(f"orchestrator config diff {snapshot} --live --env ENV")
    stage.type("orchestrator rebuild --plan --env ENV", expected=2)
    stage.type("orchestrator verify --flows 1 --env ENV")
    return f"the configuration is that of {snapshot}, and another rebuild is refused"
