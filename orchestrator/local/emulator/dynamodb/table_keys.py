"""DynamoDB: a customer managed key is used with the caller's permissions, and a key that cannot be used closes its table.

AWS:

- DynamoDB decrypts a table's key for each caller, with the encryption context ``aws:dynamodb:tableName`` and
  ``aws:dynamodb:subscriberId``. A principal that reads or writes items needs ``kms:Decrypt``.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
- A principal that encrypts a table with a key, also by restoring it, needs ``kms:DescribeKey`` and ``kms:CreateGrant``: DynamoDB
  creates a grant for itself, limited to that encryption context, and retires it when the table is deleted.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
- Streams are encrypted with the table's key.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
- A table under DynamoDB's own key, which ``Enabled: false`` chooses, has no SSEDescription.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSESpecification.html
- A table whose key cannot be used has the status INACCESSIBLE_ENCRYPTION_CREDENTIALS and an
  InaccessibleEncryptionDateTime. Both go when the key can be used again.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html

A denied caller gets AccessDeniedException with "KMS key access denied error", as https://github.com/aws/aws-cdk/issues/10010
quotes AWS. AWS documents no error for a key that is disabled or pending deletion. Here it is the same error, with KMS's
reason. AWS keeps a decrypted table key for five minutes after a caller's last request; here each request asks KMS.
PartiQL statements are not checked.

Stock MiniStack stores the key's ID or alias as its ARN, describes DynamoDB's own key as a disabled one, and never uses
a key.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.kms.key_use import (
    ACCESS_DENIED,
    KeyUse,
    Refusal,
    find_key,
    json_error,
    refusal_of,
    state_refusal,
)
from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **KEY_USE,
    "ministack.services.dynamodb.handle_request": "1201f2ac993ce1a0",
    "ministack.services.dynamodb_streams.handle_request": "389ac47d7853e742",
    "ministack.services.dynamodb_streams._decode_iterator": "7e5b4a5bf8d89329",
    "ministack.services.dynamodb._sse_description_from_spec": "190b59f83f13711a",
    "ministack.services.dynamodb._table_description": "e6f5cce379b8a883",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7b",
    "ministack.core.iam_actions.dynamodb_resource_arns": "a7186900d54a313c",
    "ministack.core.iam_actions.dynamodb_transaction_checks": "684e748338e8727f",
    "ministack.services.kms._create_grant": "a86035ca33dc3e24",
    "ministack.services.kms._grants": "no source",
}

_ITEM_OPERATIONS: Final = frozenset({
    "BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "TransactGetItems",
    "TransactWriteItems", "UpdateItem",
})  # fmt: skip
_RESTORES: Final = frozenset({"RestoreTableToPointInTime", "RestoreTableFromBackup"})
_GRANTED: Final = (
    "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
    "DescribeKey", "RetireGrant",
)  # fmt: skip
"""Operations of the grant that DynamoDB creates for itself."""
INACCESSIBLE: Final = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, Mapping[str, str], bytes, Mapping[str, Any]], Awaitable[Response]]


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    dynamodb = _dynamodb()
    wrap(dynamodb, "_sse_description_from_spec", _with_key_arn)
    wrap(dynamodb, "_table_description", _with_accessibility)
    wrap(dynamodb, "handle_request", _using_keys)
    wrap(importlib.import_module("ministack.services.dynamodb_streams"), "handle_request", _decrypting_stream)


def key_of(table: Mapping[str, Any] | None) -> str:
    """Return the ARN of the customer managed key of a table (MiniStack's record, or a copy in a backup), or ""."""
    description = (table or {}).get("SSEDescription") or {}
    return str(description.get("KMSMasterKeyArn", "")) if description.get("Status") == "ENABLED" else ""


def ensure_grant(table: Mapping[str, Any]) -> None:
    """Create DynamoDB's grant on the customer managed key of a table, unless it exists."""
    if not (key := key_of(table)) or find_key(key) is None:
        return
    region = importlib.import_module("ministack.core.responses").get_region()
    principal = f"dynamodb.{region}.amazonaws.com"
    request = {
        "KeyId": key,
        "Name": f"dynamodb-{table['TableId']}",
        "GranteePrincipal": principal,
        "RetiringPrincipal": principal,
        "Operations": list(_GRANTED),
        "Constraints": {"EncryptionContextSubset": encryption_context(table["TableName"])},
    }
    # The same request again returns the existing grant.
    _kms()._create_grant(request)


def encryption_context(table_name: str) -> dict[str, str]:
    """Return the encryption context of a table."""
    account = importlib.import_module("ministack.core.responses").get_account_id()
    return {"aws:dynamodb:tableName": table_name, "aws:dynamodb:subscriberId": account}


def _with_key_arn(original: Callable[[Json | None], Json | None]) -> Callable[[Json | None], Json | None]:
    def sse_description_from_spec(spec: Json | None) -> Json | None:
        if not (spec or {}).get("Enabled"):
            return None
        description = original(spec)
        record = find_key(description.get("KMSMasterKeyArn", "")) if description else None
        return {**description, "KMSMasterKeyArn": record["Arn"]} if description and record else description

    return sse_description_from_spec


def _with_accessibility(original: Callable[[str], Json]) -> Callable[[str], Json]:
    def table_description(name: str) -> Json:
        table = _dynamodb()._tables[name]
        if not (key := key_of(table)):
            return original(name)
        sse = {**table["SSEDescription"]}
        if state_refusal(key) is None:
            sse.pop("InaccessibleEncryptionDateTime", None)
            table["SSEDescription"] = sse
            return original(name)
        sse.setdefault("InaccessibleEncryptionDateTime", time.time())
        table["SSEDescription"] = sse
        return {**original(name), "TableStatus": INACCESSIBLE}

    return table_description


def _using_keys(original: Handler) -> Handler:
    async def handle_request(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> Response:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation in _ITEM_OPERATIONS and not any(map(key_of, _dynamodb()._tables.values())):
            return await original(method, path, headers, body, query_params)  # A large body needs no parsing here.
        request = _object(body)
        for use in _key_uses(operation, request, body):
            if refusal := refusal_of(use, headers, query_params):
                return _error(refusal)
        dropped = _record(request.get("TableName")) if operation == "DeleteTable" else None
        response = await original(method, path, headers, body, query_params)
        if response[0] == HTTPStatus.OK:
            if operation in {"CreateTable", "UpdateTable", *_RESTORES}:
                ensure_grant(_object(response[2]).get("TableDescription", {}))
            elif dropped is not None:
                _retire_grants(dropped)
        return response

    return handle_request


def _decrypting_stream(original: Handler) -> Handler:
    decode_iterator = importlib.import_module("ministack.services.dynamodb_streams")._decode_iterator

    async def handle_request(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> Response:
        iterator = _object(body).get("ShardIterator")
        decoded = decode_iterator(str(iterator)) if iterator else None
        for use in _decryptions([str(decoded["t"])] if decoded else []):
            if refusal := refusal_of(use, headers, query_params):
                return _error(refusal)
        return await original(method, path, headers, body, query_params)

    return handle_request


def _key_uses(operation: str, request: Json, body: bytes) -> Iterator[KeyUse]:
    """Yield what DynamoDB does with customer managed keys for a request."""
    if operation in _ITEM_OPERATIONS:
        yield from _decryptions(_tables_of(operation, body))
        return
    target, spec = request.get("TargetTableName") or request.get("TableName"), request.get("SSESpecification")
    key = (spec or {}).get("KMSMasterKeyId", "") if (spec or {}).get("Enabled") else ""
    if operation in _RESTORES:
        override = request.get("SSESpecificationOverride")
        key = (override or {}).get("KMSMasterKeyId", "") if override else key_of(_restored(request))
    if key and operation in {"CreateTable", "UpdateTable", *_RESTORES}:
        yield KeyUse("dynamodb", key, ("DescribeKey", "CreateGrant"), encryption_context(str(target)))


def _decryptions(tables: list[str]) -> Iterator[KeyUse]:
    for name in dict.fromkeys(tables):
        if key := key_of(_record(name)):
            yield KeyUse("dynamodb", key, ("Decrypt",), encryption_context(name))


def _tables_of(operation: str, body: bytes) -> list[str]:
    """Return the names of the tables whose items a request reads or writes."""
    actions, place = importlib.import_module("ministack.core.iam_actions"), ("", "")
    checks = actions.dynamodb_transaction_checks(f"dynamodb:{operation}", body, *place)
    arns = [arn for _, arn in checks] or actions.dynamodb_resource_arns(body, *place)
    return [arn.partition(":table/")[2].partition("/")[0] for arn in arns]


def _restored(request: Mapping[str, Any]) -> Json | None:
    """Return the record of the table, or of the table in the backup, that a request restores."""
    dynamodb = _dynamodb()
    if "BackupArn" in request:
        backup = dynamodb._backups.get(request["BackupArn"]) or {}
        return backup.get("SourceTableFeatureDetails") or {}
    return _record(request.get("SourceTableName") or request.get("SourceTableArn"))


def _record(table: Any) -> Json | None:
    dynamodb = _dynamodb()
    record: Json | None = dynamodb._tables.get(dynamodb._normalize_table_name(table)) if table else None
    return record


def _retire_grants(table: Mapping[str, Any]) -> None:
    grants = _kms()._grants
    for identifier, grant in list(grants.items()):
        if grant.get("Name") == f"dynamodb-{table['TableId']}":
            del grants[identifier]


def _error(refusal: Refusal) -> Response:
    reason = "KMS key access denied error" if refusal.error == ACCESS_DENIED else "KMS key error"
    return json_error(
        ACCESS_DENIED, f"{reason}: {refusal.message} (Service: AWSKMS; Status Code: 400; Error Code: {refusal.error})"
    )


def _object(body: bytes) -> Json:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}  # MiniStack's handler rejects it
    return request if isinstance(request, dict) else {}


def _dynamodb() -> Any:
    return importlib.import_module("ministack.services.dynamodb")


def _kms() -> Any:
    return importlib.import_module("ministack.services.kms")
