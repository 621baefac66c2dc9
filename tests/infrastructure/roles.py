"""The roles of the templates and their statements."""

from infrastructure.orchestrator.functions import EVENT_HANDLERS, TASKS
from tests.infrastructure.templates import resources


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def statements(template: dict, role_name: str) -> list[dict]:
    (role,) = [found for found in resources(template, "AWS::IAM::Role").values() if found.get("RoleName") == role_name]
    assert role.get("ManagedPolicyArns", []) == []
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def actions(template: dict, role_name: str) -> set[str]:
    return {action for found in statements(template, role_name) for action in as_list(found["Action"])}


def orchestrator_rows():
    return [(f"task-{name.replace('_', '-')}", spec.permissions) for name, spec in TASKS.items()] + [
        (f"event-{name.replace('_', '-')}", spec.permissions) for name, spec in EVENT_HANDLERS.items()
    ]


def tagged_as_of(environment: str) -> dict:
    return {"StringEquals": {"aws:ResourceTag/ib-oauth:signing-key": environment}}


def to_be_tagged_as_of(environment: str) -> dict:
    return {"StringEquals": {"aws:RequestTag/ib-oauth:signing-key": environment}}
