"""IAM, where policies are enforced: what a request's action and condition keys are.

AWS:

- Lambda: ``GET …/aliases/NAME`` is GetAlias, ``PUT`` UpdateAlias, ``DELETE`` DeleteAlias, and so on: every operation is an action
  of its own. An invocation of a version or alias is authorised on its qualified ARN, as is reading a version's configuration, and making a
  function on the function that is to be.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
- DynamoDB: ``dynamodb:LeadingKeys`` are the partition keys that a request names, of the table that is being authorised.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
- DynamoDB: a restore is authorised on its source, table or backup, and on its target; what concerns a backup on that, and tags and policies on
  their table. https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
  (That whoever restores must be able to write the target as well is not looked at here.)
- DynamoDB: DescribeStream and GetShardIterator are authorised on the stream that they name, GetRecords on the one that its iterator is of,
  DescribeExport on its export, and asking for one on its table.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
- EventBridge: DescribeEventBus is authorised on the bus, and ListTargetsByRule on the rule.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
- CloudWatch: DescribeAlarms is authorised on ``alarm:*``, whichever alarms it names.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
- KMS: ``kms:EncryptionContext:KEY`` is the value of that key in the request's encryption context.
  https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context
- ``aws:PrincipalArn`` of whoever acts as a role is the role's ARN, not the session's.
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
- ``aws:SecureTransport`` is true: the endpoints of AWS speak TLS, and a policy that denies everything else denies nobody.
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport

MiniStack takes every request to an alias for ListAliases or CreateAlias, ignores qualifiers, knows neither leading keys nor encryption contexts,
authorises DescribeAlarms, streams, a function that is to be made and whatever DynamoDB is asked for by other names than ``TableName`` on ``*``, a bus as a rule and a rule as its bus, gives the session's ARN for the
role's, and finds its own http insecure.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.core.iam_actions.extract_resource_arn": "82f51700695c62fdca72583e1c264cc146fc22d5aa0a5faebabc3aa0a798f2e9",
    "ministack.core.iam_actions._lambda_action": "19fa24ebca403b7afb7dbdd2de306589a087ba1a8dd5ec4df5ce7df77401080f",
    "ministack.core.iam_actions.dynamodb_resource_arns": "a7186900d54a313c3f28de72185cba2e134551562c9d23f88e070633d48e25c0",
    "ministack.core.iam_actions.dynamodb_service_context": "0f0021bdc8a3f13c08e31cc7148fc9ffc139fdf8e87d569ee49bb78859d1804f",
    "ministack.core.iam_actions.request_tag_context": "d46adb816e024778849a7919c64f0d53773c5b181cc759ce69db89215ce77154",
    "ministack.services.dynamodb_streams._decode_iterator": "7e5b4a5bf8d893299aac4da00e1ca89c31aba9c849b13b9b199f3797cfb728a7",
    "ministack.core.iam_evaluator.enforce": "cf64b1ee5b099c8f705e919a43bd7b354e4772f150edb89f8218c930b8550c8c",
    "ministack.core.iam_evaluator.pin_request_origin": "de819c1bd9ac2be4b8dd3c7a66d2c3c690fe74d95b4d42519ec581ac9ebf3b36",
    "ministack.core.iam_evaluator._resolve_condition_key": "15e26964cd38f32c421942a5542a689cb51b63a4e8f746932323a9aeb1caba0c",
}

Json = dict[str, Any]

# Below /functions/NAME/: what stands there, whether a name follows, and the method.
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
    ("provisioned-concurrency", False, "GET"): "ListProvisionedConcurrencyConfigs",  # nobody here asks about one alone
    ("provisioned-concurrency", False, "PUT"): "PutProvisionedConcurrencyConfig",
    ("provisioned-concurrency", False, "DELETE"): "DeleteProvisionedConcurrencyConfig",
}
_BELOW_FUNCTION = re.compile(r"/functions/[^/]+/(?P<what>[a-z-]+)(?P<named>/[^/]+)?/?$")

_UNQUALIFIED_COLONS = 6
"""In ``arn:aws:lambda:region:account:function:name``."""

_ARN_MEMBERS = ("SourceTableArn", "BackupArn", "ResourceArn", "StreamArn", "ExportArn", "TableArn")
"""By which DynamoDB is told what a request is about, where that has no ``TableName``."""

_SESSION = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>.+)/[^/]+")
_EQUALS = re.compile(r"(?P<name>#?\w+)\s*=\s*(?P<value>:\w+)")
_KEYS_BY_TABLE = "local:keys-by-table"
"""A context key of our own, between reading a request and authorising it on one table."""


def install(options: Options) -> None:
    """Let requests be authorised as what they are."""
    del options
    actions = importlib.import_module("ministack.core.iam_actions")
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    tables = importlib.import_module("ministack.services.dynamodb")._tables
    decode_iterator = importlib.import_module("ministack.services.dynamodb_streams")._decode_iterator

    def partition_key(table: str) -> str | None:
        found = tables.get(table)
        return found["pk_name"] if found else None

    wrap(actions, "_lambda_action", _by_operation)
    wrap(actions, "extract_resource_arn", _qualified)
    wrap(actions, "dynamodb_resource_arns", lambda original: _of_what_it_names(original, decode_iterator))
    wrap(actions, "dynamodb_service_context", lambda original: _with_leading_keys(original, partition_key))
    wrap(actions, "request_tag_context", _with_encryption_context)
    responses = importlib.import_module("ministack.core.responses")
    wrap(evaluator, "enforce", lambda original: _on_its_resource(original, responses.get_account_id))
    wrap(evaluator, "pin_request_origin", _over_tls)
    wrap(evaluator, "_resolve_condition_key", _by_role)


def _by_operation(original: Callable[[str, str], str | None]) -> Callable[[str, str], str | None]:
    def action(method: str, path: str) -> str | None:
        found = _BELOW_FUNCTION.search(path)
        own = _LAMBDA_ACTIONS.get((found["what"], found["named"] is not None, method)) if found else None
        return own or original(method, path)

    return action


def _qualified(original: Callable[..., str]) -> Callable[..., str]:
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
        if own := _named_in_body(service, method, path, headers, _object(body), region, account):
            return own
        # MiniStack has streams as a service of their own, whose requests name nothing for it.
        known = "dynamodb" if service == "dynamodbstreams" else service
        arn = original(known, method, path, headers, body, query_params, *place)
        given = query_params.get("Qualifier") if service == "lambda" and "/functions/" in path else None
        qualifier = given[0] if isinstance(given, list) else given
        return f"{arn}:{qualifier}" if qualifier and arn.count(":") == _UNQUALIFIED_COLONS else arn

    return resource


def _named_in_body(
    service: str, method: str, path: str, headers: Mapping[str, str], request: Json, region: str, account: str
) -> str | None:
    """The resource of a request that names it where MiniStack does not look."""
    if service == "lambda" and method == "POST" and path.rstrip("/").endswith("/functions"):
        return f"arn:aws:lambda:{region}:{account}:function:{request.get('FunctionName')}"
    action = headers.get("x-amz-target", "").rpartition(".")[2] if service == "events" else ""
    if action == "DescribeEventBus":
        return f"arn:aws:events:{region}:{account}:event-bus/{request.get('Name', 'default')}"
    if action == "ListTargetsByRule":
        bus = request.get("EventBusName", "default")
        named = request.get("Rule") if bus == "default" else f"{bus}/{request.get('Rule')}"
        return f"arn:aws:events:{region}:{account}:rule/{named}"
    return None


def _of_what_it_names(
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


def _with_leading_keys(
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


def _on_its_resource(original: Callable[..., Any], account: Callable[[], str]) -> Callable[..., Any]:
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
        if iam_action == "cloudwatch:DescribeAlarms":
            resource_arn = f"arn:aws:cloudwatch:{region}:{account()}:alarm:*"
        return original(access_key_id, iam_action, service, region, resource_arn, context)

    return enforce


def _with_encryption_context(original: Callable[..., Json]) -> Callable[..., Json]:
    def context(service: str, iam_action: str, body: bytes, params: Mapping[str, Any]) -> Json:
        found = original(service, iam_action, body, params)
        given = _object(body).get("EncryptionContext") if service == "kms" else None
        if not isinstance(given, Mapping):
            return found
        return {**found, **{f"kms:EncryptionContext:{key}": value for key, value in given.items()}}

    return context


def _over_tls(original: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    def pin(source_ip: str, secure_transport: bool) -> None:  # noqa: FBT001 - MiniStack's signature
        del secure_transport
        original(source_ip, True)

    return pin


def _by_role(original: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    def resolve(key: str, context: Any) -> Any:
        found = original(key, context)
        if key.lower() != "aws:principalarn" or not (session := _SESSION.fullmatch(str(found))):
            return found
        return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"

    return resolve


def _named_keys(request: Json) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every table in a DynamoDB request with attributes of an item that it names there."""
    table = request.get("TableName")
    if isinstance(table, str):
        for member in ("Key", "Item"):
            if isinstance(request.get(member), Mapping):
                yield table, request[member]
        yield table, _equals(request)
    for table, asked in _mapping(request.get("RequestItems")).items():
        if isinstance(asked, Mapping):  # BatchGetItem
            yield from ((table, key) for key in asked.get("Keys", []))
        else:  # BatchWriteItem
            yield from ((table, _mapping(one).get("Item") or _mapping(one).get("Key") or {}) for one in _writes(asked))
    for item in request.get("TransactItems", []):
        for detail in _mapping(item).values():
            yield from _named_keys(_mapping(detail))


def _writes(asked: Any) -> Iterator[Any]:
    for write in asked:
        yield from _mapping(write).values()


def _equals(request: Json) -> Mapping[str, Any]:
    """What a Query's key condition sets equal to a value."""
    names, values = (
        _mapping(request.get("ExpressionAttributeNames")),
        _mapping(request.get("ExpressionAttributeValues")),
    )
    condition = request.get("KeyConditionExpression")
    if not isinstance(condition, str):
        return {}
    found = [(match["name"], match["value"]) for match in _EQUALS.finditer(condition)]
    return {str(names.get(name, name)): values.get(value) for name, value in found}


def _object(body: bytes) -> Json:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}  # MiniStack's handler refuses it in its own words
    return _mapping(found)


def _mapping(value: Any) -> Json:
    return dict(value) if isinstance(value, Mapping) else {}
