"""IAM, if policies are enforced: the action, resource and condition keys of a request.

AWS:

- Lambda: every operation is its own action: ``GET …/aliases/NAME`` is GetAlias, ``PUT`` is UpdateAlias, ``DELETE`` is
  DeleteAlias, and so on. The invocation of a version or alias is authorized on its qualified ARN, as is reading a
  version's configuration. CreateFunction is authorized on the ARN of the function to be created.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
- DynamoDB: ``dynamodb:LeadingKeys`` contains the partition keys that a request names, for the table being authorized.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
- DynamoDB: a restore is authorized on its source (table or backup) and on its target. Operations on a backup are
  authorized on the backup; operations on tags and policies on their table.
- AWS Backup: jobs that restore and copy are authorized on their recovery point, whose tags conditions may name; its
  recovery points are listed with a right on their vault.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
  (The write permissions on the target that a restore also needs are not checked here.)
- DynamoDB: DescribeStream and GetShardIterator are authorized on the stream that they name, GetRecords on the stream of
  its iterator, DescribeExport on its export, and ExportTableToPointInTime on its table.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
- EventBridge: DescribeEventBus is authorized on the bus, and ListTargetsByRule on the rule.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
- CloudWatch: DescribeAlarms is authorized on ``alarm:*``, whatever alarms it names.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
- KMS: ``kms:EncryptionContext:KEY`` is the value of that key in the request's encryption context.
  https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context
- ``aws:PrincipalArn`` of a role session is the role's ARN, not the session's.
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
- ``aws:SecureTransport`` is true: the endpoints of AWS use TLS. A policy that denies plain HTTP denies no request.
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport

Stock MiniStack treats every request to an alias as ListAliases or CreateAlias and ignores qualifiers. It has neither
leading keys nor encryption contexts. It authorizes DescribeAlarms, streams, CreateFunction and every DynamoDB request
without ``TableName`` on ``*``. It authorizes a bus as a rule and a rule as its bus. ``aws:PrincipalArn`` is the
session's ARN, and ``aws:SecureTransport`` is false because MiniStack's endpoint is plain HTTP.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.local.emulator.backup.store import tags_of_point
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.core.iam_actions.extract_resource_arn": "82f51700695c62fd",
    "ministack.core.iam_actions._lambda_action": "19fa24ebca403b7a",
    "ministack.core.iam_actions.dynamodb_resource_arns": "a7186900d54a313c",
    "ministack.core.iam_actions.dynamodb_service_context": "0f0021bdc8a3f13c",
    "ministack.core.iam_actions.request_tag_context": "d46adb816e024778",
    "ministack.services.dynamodb_streams._decode_iterator": "7e5b4a5bf8d89329",
    "ministack.core.iam_evaluator.enforce": "cf64b1ee5b099c8f",
    "ministack.core.iam_evaluator.pin_request_origin": "de819c1bd9ac2be4",
    "ministack.core.iam_evaluator._resolve_condition_key": "15e26964cd38f32c",
}

Json = dict[str, Any]

# The path segment below /functions/NAME/, whether a name follows it, and the HTTP method.
_LAMBDA_ACTIONS: Mapping[tuple[str, bool, str], str] = {
    ("aliases", False, "GET"): "ListAliases",
    ("aliases", False, "POST"): "CreateAlias",
    ("aliases", True, "GET"): "GetAlias",
    ("aliases", True, "PUT"): "UpdateAlias",
    ("aliases", True, "DELETE"): "DeleteAlias",
    ("concurrency", False, "GET"): "GetFunctionConcurrency",
    ("concurrency", False, "PUT"): "PutFunctionConcurrency",
    ("concurrency", False, "DELETE"): "DeleteFunctionConcurrency",
    ("urls", False, "GET"): "ListFunctionUrlConfigs",
    (
        "provisioned-concurrency",
        False,
        "GET",
    ): "ListProvisionedConcurrencyConfigs",  # the product never reads a single one
    ("provisioned-concurrency", False, "PUT"): "PutProvisionedConcurrencyConfig",
    ("provisioned-concurrency", False, "DELETE"): "DeleteProvisionedConcurrencyConfig",
}
_VAULT_OF_POINTS = re.compile(r"/backup-vaults/(?P<name>[^/]+)/recovery-points")
_BELOW_FUNCTION = re.compile(r"/functions/[^/]+/(?P<what>[a-z-]+)(?P<named>/[^/]+)?/?$")

_UNQUALIFIED_COLONS = 6
"""In ``arn:aws:lambda:region:account:function:name``."""

_ARN_MEMBERS = ("SourceTableArn", "BackupArn", "ResourceArn", "StreamArn", "ExportArn", "TableArn")
"""Members of a DynamoDB request without ``TableName`` that name its resource."""

_SESSION = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>.+)/[^/]+")
_EQUALS = re.compile(r"(?P<name>#?\w+)\s*=\s*(?P<value>:\w+)")
_KEYS_BY_TABLE = "local:keys-by-table"
"""Our own context key, from parsing a request to authorizing it on one table."""


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    actions = importlib.import_module("ministack.core.iam_actions")
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    tables = importlib.import_module("ministack.services.dynamodb")._tables
    decode_iterator = importlib.import_module("ministack.services.dynamodb_streams")._decode_iterator

    def partition_key(table: str) -> str | None:
        record = tables.get(table)
        return record["pk_name"] if record else None

    wrap(actions, "_lambda_action", _action_by_operation)
    wrap(actions, "extract_resource_arn", _qualified_resource)
    wrap(actions, "dynamodb_resource_arns", lambda original: _by_named_resource(original, decode_iterator))
    wrap(actions, "dynamodb_service_context", lambda original: _add_leading_keys(original, partition_key))
    wrap(actions, "request_tag_context", _add_encryption_context)
    responses = importlib.import_module("ministack.core.responses")
    wrap(evaluator, "enforce", lambda original: _with_table_context(original, responses.get_account_id))
    wrap(evaluator, "pin_request_origin", _always_secure)
    wrap(evaluator, "_resolve_condition_key", _principal_is_role)


def _action_by_operation(original: Callable[[str, str], str | None]) -> Callable[[str, str], str | None]:
    def action(method: str, path: str) -> str | None:
        match = _BELOW_FUNCTION.search(path)
        operation = _LAMBDA_ACTIONS.get((match["what"], match["named"] is not None, method)) if match else None
        return operation or original(method, path)

    return action


def _qualified_resource(original: Callable[..., str]) -> Callable[..., str]:
    def resource(  # the router's parameters
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: Mapping[str, Any],
        *place: str,
    ) -> str:
        region, account = place
        if named := _named_in_body(service, method, path, headers, _object(body), region, account):
            return named
        # MiniStack treats streams as a separate service and finds no resource in its requests.
        effective_service = "dynamodb" if service == "dynamodbstreams" else service
        arn = original(effective_service, method, path, headers, body, query_params, *place)
        parameter = query_params.get("Qualifier") if service == "lambda" and "/functions/" in path else None
        qualifier = parameter[0] if isinstance(parameter, list) else parameter
        return f"{arn}:{qualifier}" if qualifier and arn.count(":") == _UNQUALIFIED_COLONS else arn

    return resource


def _named_in_body(
    service: str, method: str, path: str, headers: Mapping[str, str], request: Json, region: str, account: str
) -> str | None:
    """Return the ARN of the resource that a request names where MiniStack does not look; None for other requests."""
    if service == "lambda" and method == "POST" and path.rstrip("/").endswith("/functions"):
        return f"arn:aws:lambda:{region}:{account}:function:{request.get('FunctionName')}"
    if service == "backup" and (vault := _VAULT_OF_POINTS.fullmatch(path.rstrip("/"))):
        return f"arn:aws:backup:{region}:{account}:backup-vault:{vault['name']}"
    if service == "backup" and "RecoveryPointArn" in request:
        return str(request["RecoveryPointArn"])
    action = headers.get("x-amz-target", "").rpartition(".")[2] if service == "events" else ""
    if action == "DescribeEventBus":
        return f"arn:aws:events:{region}:{account}:event-bus/{request.get('Name', 'default')}"
    if action == "ListTargetsByRule":
        bus = request.get("EventBusName", "default")
        rule = request.get("Rule") if bus == "default" else f"{bus}/{request.get('Rule')}"
        return f"arn:aws:events:{region}:{account}:rule/{rule}"
    return None


def _by_named_resource(
    original: Callable[[bytes, str, str], list[str]], decode_iterator: Callable[[str], Mapping[str, Any] | None]
) -> Callable[[bytes, str, str], list[str]]:
    def resources(body: bytes, region: str, account: str) -> list[str]:
        request = _object(body)
        tables = [request[member] for member in ("SourceTableName", "TargetTableName") if member in request]
        named = [request[member] for member in _ARN_MEMBERS if member in request]
        if "ShardIterator" in request:
            named += [decoded["arn"] for decoded in (decode_iterator(str(request["ShardIterator"])),) if decoded]
        return original(body, region, account) or [
            *named,
            *(f"arn:aws:dynamodb:{region}:{account}:table/{table}" for table in tables),
        ]

    return resources


def _add_leading_keys(
    original: Callable[[bytes], Json], partition_key: Callable[[str], str | None]
) -> Callable[[bytes], Json]:
    def context(body: bytes) -> Json:
        keys: dict[str, list[str]] = {}
        for table, named in _named_keys(_object(body)):
            name = partition_key(table)
            if name is not None and isinstance(named.get(name), Mapping):
                keys.setdefault(table, []).extend(str(value) for value in named[name].values())
        return {**original(body), _KEYS_BY_TABLE: keys}

    return context


def _with_table_context(original: Callable[..., Any], account: Callable[[], str]) -> Callable[..., Any]:
    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = dict(service_context or {})
        keys = context.pop(_KEYS_BY_TABLE, {}).get(resource_arn.partition(":table/")[2].partition("/")[0])
        if keys:
            context["dynamodb:LeadingKeys"] = keys
        if iam_action.startswith("backup:"):
            context |= {f"aws:resourcetag/{key}".lower(): value for key, value in tags_of_point(resource_arn).items()}
        if iam_action == "cloudwatch:DescribeAlarms":
            resource_arn = f"arn:aws:cloudwatch:{region}:{account()}:alarm:*"
        return original(access_key_id, iam_action, service, region, resource_arn, context)

    return enforce


def _add_encryption_context(original: Callable[..., Json]) -> Callable[..., Json]:
    def context(service: str, iam_action: str, body: bytes, params: Mapping[str, Any]) -> Json:
        keys = original(service, iam_action, body, params)
        encryption_context = _object(body).get("EncryptionContext") if service == "kms" else None
        if not isinstance(encryption_context, Mapping):
            return keys
        return {**keys, **{f"kms:EncryptionContext:{key}": value for key, value in encryption_context.items()}}

    return context


def _always_secure(original: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    def pin(source_ip: str, secure_transport: bool) -> None:  # noqa: FBT001 - MiniStack's signature
        del secure_transport
        original(source_ip, True)

    return pin


def _principal_is_role(original: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    def resolve(key: str, context: Any) -> Any:
        value = original(key, context)
        if key.lower() != "aws:principalarn" or not (session := _SESSION.fullmatch(str(value))):
            return value
        return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"

    return resolve


def _named_keys(request: Json) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each table of a DynamoDB request, with attributes of an item that the request names."""
    table = request.get("TableName")
    if isinstance(table, str):
        for member in ("Key", "Item"):
            if isinstance(request.get(member), Mapping):
                yield table, request[member]
        yield table, _equals(request)
    for table, table_request in _mapping(request.get("RequestItems")).items():
        if isinstance(table_request, Mapping):  # BatchGetItem
            yield from ((table, key) for key in table_request.get("Keys", []))
        else:  # BatchWriteItem
            writes = map(_mapping, _writes(table_request))
            yield from ((table, write.get("Item") or write.get("Key") or {}) for write in writes)
    for item in request.get("TransactItems", []):
        for detail in _mapping(item).values():
            yield from _named_keys(_mapping(detail))


def _writes(write_requests: Any) -> Iterator[Any]:
    for write_request in write_requests:
        yield from _mapping(write_request).values()


def _equals(request: Json) -> Mapping[str, Any]:
    """Return the attributes that a Query's key condition sets equal to a value."""
    names, values = (
        _mapping(request.get("ExpressionAttributeNames")),
        _mapping(request.get("ExpressionAttributeValues")),
    )
    condition = request.get("KeyConditionExpression")
    if not isinstance(condition, str):
        return {}
    pairs = [(match["name"], match["value"]) for match in _EQUALS.finditer(condition)]
    return {str(names.get(name, name)): values.get(value) for name, value in pairs}


def _object(body: bytes) -> Json:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}  # MiniStack's handler rejects it
    return _mapping(request)


def _mapping(value: Any) -> Json:
    return dict(value) if isinstance(value, Mapping) else {}
