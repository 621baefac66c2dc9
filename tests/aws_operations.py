"""The operations of AWS that the product calls, found in its source.

An operation is called by a client's method (``client.get_alias``), by its name (``get_paginator("list_backups")``,
``_pages(client, "list_roles", …)``), by a waiter, or by DynamoDB's own name on a raw connection (``call("Scan", …)``).
Which service a client is for follows from ``clients("kms")``, from the variable's name, or from the module's folder.
`tests/infrastructure/test_rights.py` compares the result with the actions that the functions' roles allow.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

from orchestrator import environments

ROOT = Path(environments.settings_file()).parent
PRODUCT = ("orchestrator/aws", "orchestrator/application", "orchestrator/cli", "service/keys", "service/storage")
"""Where AWS is called. The local cloud's own tools (`orchestrator/local`) are no part of an environment."""

SERVICES = (
    "acm", "apigateway", "application-autoscaling", "backup", "ce", "cloudformation", "cloudtrail", "cloudwatch", "dynamodb",
    "dynamodbstreams", "events", "iam", "kms", "lambda", "logs", "resourcegroupstaggingapi", "route53", "s3", "scheduler",
    "secretsmanager", "sesv2", "signer", "sns", "sqs", "ssm", "stepfunctions", "sts",
)  # fmt: skip
BY_NAME = {"tagging": "resourcegroupstaggingapi", "scaling": "application-autoscaling", "secrets": "secretsmanager"}
"""Variables that hold a client and are not named after its service."""
BY_FOLDER = {
    "orchestrator/aws/dynamodb": "dynamodb",
    "orchestrator/aws/ledger": "dynamodb",
    "orchestrator/aws/oauth_tables": "dynamodb",
    "orchestrator/aws/lambda_": "lambda",
    "orchestrator/aws/configuration": "lambda",
    "orchestrator/aws/failover": "backup",
    "service/keys": "kms",
    "service/storage": "dynamodb",
}
"""The service of a variable named ``client``, where several services have an operation of that name."""
_CLIENTS = ("client", "_client")


@dataclass(frozen=True, order=True)
class Operation:
    """An operation of AWS's API: botocore's name of the service, and the operation's own."""

    service: str
    name: str


@cache
def session() -> Any:
    """Return a botocore session, for its models only."""
    return botocore.session.get_session()


@cache
def model(service: str) -> Any:
    """Return botocore's model of a service."""
    return session().get_service_model(service)


@cache
def _by_method() -> Mapping[str, Mapping[str, str]]:
    """Return every method of a client: service to operation, by method."""
    methods: dict[str, dict[str, str]] = defaultdict(dict)
    for service in SERVICES:
        for name in model(service).operation_names:
            methods[xform_name(name)][service] = name
    return methods


@cache
def called_operations() -> Mapping[Operation, frozenset[str]]:
    """Return the operations that the product calls, each with the modules that call it."""
    found: dict[Operation, set[str]] = defaultdict(set)
    for place in PRODUCT:
        for path in sorted((ROOT / place).rglob("*.py")):
            module = path.relative_to(ROOT).as_posix()
            for operation in _operations_of(ast.parse(path.read_text(encoding="utf-8")), module):
                found[operation].add(module)
    return {operation: frozenset(found[operation]) for operation in sorted(found)}


def _operations_of(node: ast.AST, module: str, named: Mapping[str, str] | None = None) -> Iterator[Operation]:
    """Yield the operations below a node. `named`: the variables that hold a client there, with its service."""
    if isinstance(node, (ast.Module, ast.FunctionDef)):
        named = {**(named or {}), **_client_variables(node)}
    assert named is not None, "the first node is a module"
    if isinstance(node, ast.Attribute) and node.attr in _by_method():
        yield from _resolve(node.attr, _services_of(node.value, named), module)
    elif isinstance(node, ast.Call):
        yield from _called_by_name(node, named, module)
    for child in ast.iter_child_nodes(node):
        yield from _operations_of(child, module, named)


def _client_variables(scope: ast.Module | ast.FunctionDef) -> Mapping[str, str]:
    """Return the variables that a scope assigns a client to, with the client's service."""
    return {
        target.id: service
        for statement in scope.body
        if isinstance(statement, ast.Assign)
        for target, value in _pairs(statement)
        for service in (_service_of_client(value),)
        if service and isinstance(target, ast.Name)
    }


def _pairs(statement: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield each target of an assignment with its value: of ``a = b``, and of ``a, c = b, d``."""
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield from zip(target.elts, value.elts, strict=True)
    else:
        yield target, value


def _service_of_client(node: ast.expr) -> str | None:
    """Return the service of ``clients("…")``; None for any other expression."""
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
        return None
    return (
        node.args[0].value if ast.unparse(node.func).rpartition(".")[2].lstrip("_") in {"client", "clients"} else None
    )


def _services_of(receiver: ast.expr, named: Mapping[str, str]) -> tuple[str, ...]:
    """Return the services that a receiver may be a client of; none if it is no client."""
    service = _service_of_client(receiver)
    if service:
        return (service,)
    text = ast.unparse(receiver)
    last = text.rpartition(".")[2]
    if last in _CLIENTS:
        return (named[text],) if text in named else SERVICES
    name = named.get(text) or BY_NAME.get(last.lstrip("_"), last.lstrip("_"))
    return (name,) if name in SERVICES and ("." not in text or text.startswith("self._")) else ()


def _resolve(method: str, services: tuple[str, ...], module: str) -> Iterator[Operation]:
    having = {service: name for service, name in _by_method()[method].items() if service in services}
    folder = next((service for place, service in BY_FOLDER.items() if module.startswith(f"{place}/")), "")
    if len(having) > 1:
        assert folder in having, f"{module}: {method} may be of {', '.join(having)}: name the client after its service"
        having = {folder: having[folder]}
    yield from (Operation(service, name) for service, name in having.items())


def _called_by_name(call: ast.Call, named: Mapping[str, str], module: str) -> Iterator[Operation]:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    for argument in call.args:
        name = argument.value if isinstance(argument, ast.Constant) else None
        if not isinstance(name, str):
            continue
        if function == "get_waiter" and receiver is not None:
            yield from _waited_for(name, _services_of(receiver, named))
        elif function in {"call", "write_unless_changed"}:
            service = "dynamodb" if name in model("dynamodb").operation_names else "dynamodbstreams"
            yield Operation(service, name)
        elif name in _by_method() and (function == "get_paginator" or "_" in name):
            client = receiver if receiver is not None and function == "get_paginator" else call.args[0]
            yield from _resolve(name, _services_of(client, named) or SERVICES, module)


def _waited_for(waiter: str, services: tuple[str, ...]) -> Iterator[Operation]:
    for service in services:
        try:
            waiters = session().get_waiter_model(service)
        except botocore.exceptions.UnknownServiceError:
            continue
        if waiter in {xform_name(name) for name in waiters.waiter_names}:
            name = next(name for name in waiters.waiter_names if xform_name(name) == waiter)
            yield Operation(service, waiters.get_waiter(name).operation)
