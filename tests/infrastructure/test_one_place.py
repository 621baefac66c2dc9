"""What several stacks create is created in one place, which gives it its name, its encryption and its defaults."""

import ast
from pathlib import Path

import pytest

import infrastructure

FOLDER = Path(infrastructure.__file__).parent
PLACES = {
    "cloudwatch.Alarm": {"alarms.py"},
    "cloudwatch.AnomalyDetectionAlarm": {"alarms.py"},
    "cloudwatch.CompositeAlarm": {"alarms.py"},
    "cloudwatch_actions.SnsAction": {"alarms.py"},
    "kms.Key": {"keys.py"},
    "s3.Bucket": {"buckets.py"},
    "sqs.Queue": {"queues.py"},
    "sns.Topic": {"topics.py"},
    "logs.LogGroup": {"logs.py"},
    "lambda.Function": {"lambda_functions.py"},
    "lambda.CfnPermission": {"public_api.py"},
    "secretsmanager.Secret": {"public_api.py"},
    # The service's API has domains, usage plans and responses of its own.
    "apigateway.RestApi": {"public_api.py", "service/api.py"},
    "format_arn": {"arns.py"},
}
"""What creates a resource or an ARN, by the AWS module's name in the CDK: the files that may call it."""


def calls_of(source: Path) -> set[str]:
    """Return what a file calls of the CDK's modules, and methods by their name alone."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: alias.name.removeprefix("aws_")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "aws_cdk"
        for alias in node.names
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            module = modules.get(node.func.value.id) if isinstance(node.func.value, ast.Name) else None
            found.add(f"{module}.{node.func.attr}" if module else node.func.attr)
    return found


@pytest.fixture(scope="module")
def callers():
    """The files of the infrastructure that call each name."""
    calls = {str(file.relative_to(FOLDER)): calls_of(file) for file in sorted(FOLDER.rglob("*.py"))}
    return lambda name: {file for file, names in calls.items() if name in names}


@pytest.mark.parametrize("name", PLACES)
def test_what_several_stacks_create_is_created_in_one_place(callers, name):
    assert callers(name) == PLACES[name]
