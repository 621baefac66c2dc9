"""The state machines and their tasks in every environment."""

import json
from pathlib import Path

import pytest

from infrastructure.orchestrator.functions import EVENT_HANDLERS, OPTIONAL_HANDLERS, TASKS
from infrastructure.standby.functions import FAILOVER_HANDLERS, FAILOVER_TASKS
from orchestrator import environments
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import read_strategy
from state_machines import definitions
from tests.infrastructure.templates import named, resources, synthesise, text_of

ROOT = Path(environments.settings_file()).parent


EVERYWHERE = tuple(name for name in definitions.names() if name != "failover")
"""The machines that every environment has; that of failovers is in a standby region only (test_standby.py)."""


def modules(folder: str) -> set[str]:
    return {file.stem for file in (ROOT / "orchestrator" / folder).rglob("*.py")} - {
        "__init__",
        "runtime",
        "failover_runtime",
        "steps",
    }


def machine(one, name: str) -> dict:
    return named(
        one.orchestrator, "AWS::StepFunctions::StateMachine", "StateMachineName", f"ib-oauth-{name}-{one.name}"
    )


def test_every_placeholder_has_a_task_and_every_task_a_placeholder():
    placeholders = {
        module
        for name in definitions.names()
        for module in map(definitions.module_of, definitions.load(name).placeholders)
    }

    assert placeholders == modules("tasks") == TASKS.keys() | FAILOVER_TASKS.keys()


def test_every_event_handler_has_a_function(every):
    made = {function["Handler"] for function in resources(every.orchestrator, "AWS::Lambda::Function").values()}

    elsewhere = {"deliver_to_subscribers", "serve_subscriptions", *FAILOVER_HANDLERS}
    assert modules("event_handlers") == EVENT_HANDLERS.keys() | OPTIONAL_HANDLERS.keys() | elsewhere
    assert made == {f"{spec.package}.{name}.handler" for name, spec in TASKS.items()} | {
        f"orchestrator.event_handlers.{name}.handler" for name in EVENT_HANDLERS
    }


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_machine_has_its_file_as_it_is(every, name):
    assert machine(every, name)["DefinitionString"] == definitions.load(name).text


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_machine_is_bound_to_published_versions_that_are_kept(every, name):
    bound = machine(every, name)["DefinitionSubstitutions"]

    assert bound.keys() == definitions.load(name).placeholders
    for placeholder, reference in bound.items():
        version = every.orchestrator["Resources"][reference["Ref"]]
        assert version["Type"] == "AWS::Lambda::Version"
        assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")
        function = every.orchestrator["Resources"][version["Properties"]["FunctionName"]["Ref"]]["Properties"]
        module = definitions.module_of(placeholder)
        assert function["Handler"] == f"{TASKS[module].package}.{module}.handler"


def test_other_code_is_another_version(prod, tmp_path):
    other = synthesise(tmp_path, environments.load("prod"), code="b")

    before, after = (machine(one, "rollback")["DefinitionSubstitutions"] for one in (prod, other))

    assert all(before[placeholder] != after[placeholder] for placeholder in before)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_machine_may_invoke_its_own_tasks_in_any_version_and_nothing_else(every, name):
    title = name.title()
    (policy,) = [
        found
        for key, found in resources(every.orchestrator, "AWS::IAM::Policy").items()
        if f"{title}Role" in json.dumps(found["Roles"])
    ]
    statements = policy["PolicyDocument"]["Statement"]
    invoked = {
        text_of(resource)
        for found in statements
        if found["Action"] == "lambda:InvokeFunction"
        for resource in (found["Resource"] if isinstance(found["Resource"], list) else [found["Resource"]])
    }
    functions = {
        every.orchestrator["Resources"][reference["Ref"]]["Properties"]["FunctionName"]["Ref"]
        for reference in machine(every, name)["DefinitionSubstitutions"].values()
    }

    assert invoked == {f"<{function}.Arn>:*" for function in functions}
    others = {
        action
        for found in statements
        for action in ([found["Action"]] if isinstance(found["Action"], str) else found["Action"])
        if action != "lambda:InvokeFunction"
    }
    # A map's child executions are started by the machine itself.
    children = {"states:StartExecution", "states:DescribeExecution", "states:StopExecution"}
    assert (others & children == children) if definitions.load(name).distributed else not others & children
    assert all(action.startswith(("logs:", "xray:")) for action in others - children)


def task_states(states):
    """All states that invoke a task, those within maps among them."""
    for state in states.values():
        yield from task_states(state.get("ItemProcessor", {}).get("States", {}))
        if "TimeoutSeconds" in state:
            yield state


def test_a_state_waits_longer_than_its_function_can_run(local):
    timeouts = {
        function["FunctionName"]: function["Timeout"]
        for function in resources(local.orchestrator, "AWS::Lambda::Function").values()
    }
    waits = [
        (definitions.module_of(state["Parameters"]["FunctionName"][2:-1]), state["TimeoutSeconds"])
        for name in EVERYWHERE
        for state in task_states(definitions.load(name).states)
    ]

    assert ("digest_segment", 315) in waits
    for module, seconds in waits:
        assert timeouts[f"ib-oauth-task-{module.replace('_', '-')}-local"] < seconds


def test_machines_are_traced_and_logged_without_what_they_carry(every):
    for found in resources(every.orchestrator, "AWS::StepFunctions::StateMachine").values():
        assert found["TracingConfiguration"] == {"Enabled": True}
        assert found["LoggingConfiguration"]["Level"] == "ALL"
        assert found["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_the_service_is_described_by_its_own_stack(every):
    plan = named(
        every.orchestrator, "AWS::Lambda::Function", "FunctionName", f"ib-oauth-task-plan-deployment-{every.name}"
    )
    service = json.loads(text_of(plan["Environment"]["Variables"]["SERVICE"]))
    alarms = {alarm["AlarmName"] for alarm in resources(every.service, "AWS::CloudWatch::Alarm").values()}

    assert {arn.rpartition(":")[2] for arn in service["alarms"]} == alarms
    assert service["functions"] == {name: f"ib-oauth-{name}-{every.name}" for name in environments.FUNCTIONS}
    assert service["alias"] == "live"
    assert service["tls"] is (every.name != "local")
    assert service["tables"] == [f"ib-oauth-state-{every.name}", f"ib-oauth-tokens-{every.name}"]


def test_plan_receives_what_plan_reads(every):
    plan = named(
        every.orchestrator, "AWS::Lambda::Function", "FunctionName", f"ib-oauth-task-plan-deployment-{every.name}"
    )

    policy = DeliveryPolicy.parse(json.loads(plan["Environment"]["Variables"]["DELIVERY_POLICY"]))

    assert policy.strategies
    assert all(read_strategy(name, policy).name == name for name in policy.strategies)
