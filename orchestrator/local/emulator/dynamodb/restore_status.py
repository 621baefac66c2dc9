"""DynamoDB: a table being restored is CREATING and cannot be used until it is complete.

AWS: a restore creates a new table with the status CREATING and ``RestoreInProgress`` in its ``RestoreSummary``; later
it is ACTIVE. Until then the table can be described and listed. It cannot be changed or deleted
(ResourceInUseException), it cannot be the source or target of another operation, and its items and tags are not
found. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/pointintimerecovery_restores.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreSummary.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html (tags: cloud-custodian issue 3514)
A restore takes minutes to hours on AWS, whatever the size, and ``Options.restore_seconds`` here. An account can run
50 restores at the same time.

On stock MiniStack the table is ACTIVE at once. Other patches define which items are restored into it.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.dynamodb.write_journal import Items, copy_items
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.scheduler import Scheduler

PINNED = {
    "ministack.services.dynamodb._create_table": "a0f15611329ac2db",
    "ministack.services.dynamodb._describe_table": "5349afe9bf82b3a6",
    "ministack.services.dynamodb._list_tables": "8f794a82152bb491",
    "ministack.services.dynamodb._delete_table": "c1dc27be8166e3b0",
    "ministack.services.dynamodb._update_table": "dd1170ef031cfbe4",
    "ministack.services.dynamodb._update_ttl": "e8243a4fbbb8997d",
    "ministack.services.dynamodb._tag_resource": "9b8ed4ada86ca323",
    "ministack.services.dynamodb._untag_resource": "92f7978fc4a00063",
    "ministack.services.dynamodb._list_tags": "385495dea4ba38da",
    "ministack.services.dynamodb._create_backup": "c214b50b30e2d267",
    "ministack.services.dynamodb._table_description": "e6f5cce379b8a883",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7b",
    "ministack.services.dynamodb._restore_create_request": "e2a722137ccf5e39",
    "ministack.services.dynamodb._items_replaced": "b48626c371f77c18",
}

MAX_RESTORES: Final = 50
_MODULE: Final = "ministack.services.dynamodb"

Json = dict[str, Any]
Response = tuple[int, Mapping[str, str], Any]
Operation = Callable[[Json], Response]


@dataclass(frozen=True)
class Restore:
    """The parameters of a restore into a new table.

    Attributes:
        request: the request, with the target's name and the settings that override the source's.
        source: MiniStack's record of the source, or the copy in a backup; the target takes its settings.
        items: the items that the target will hold; it does not change them.
        summary: the ``RestoreSummary``.
        ended: called when the target is ACTIVE.
    """

    request: Json
    source: Json
    items: Items
    summary: Json
    ended: Callable[[], None] = lambda: None


class RunningRestores:
    """The tables that are being restored. MiniStack itself does not see them until they are complete."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[tuple[str, str, str], Json] = {}  # descriptions by account, region and name
        self._seconds = 0.0
        self._scheduler: Scheduler | None = None

    def configure(self, options: Options) -> None:
        """Read the options and start the scheduler."""
        self._seconds = options.restore_seconds
        self._scheduler = Scheduler("restores")

    def names(self) -> list[str]:
        """Return the names of the tables being restored in the account and region of the caller."""
        return [name for *place, name in list(self._tables) if tuple(place) == _account_and_region()]

    def find(self, name: str) -> Json | None:
        """Return the description of a table that is being restored; None for other tables."""
        return self._tables.get((*_account_and_region(), name))

    def start(self, restore: Restore) -> Response:
        """Start the restore of a table, which becomes ACTIVE later. Return AWS's response."""
        dynamodb = _dynamodb()
        if rejection := self._rejection(restore):
            return error_response(*rejection)
        name = restore.request["TargetTableName"]
        key = (*_account_and_region(), name)
        with self._lock:
            response: Response = dynamodb._create_table(_request(restore))
            if response[0] != HTTPStatus.OK:
                return response
            table = dynamodb._tables.pop(name)
            if "SSESpecificationOverride" not in restore.request:
                table["SSEDescription"] = deepcopy(restore.source.get("SSEDescription"))
            self._tables[key] = _description(response, table, restore)

        def end() -> None:
            # In mappings of the table's own: the backup keeps what it has, whatever is written to the table.
            table["items"] = defaultdict(dict, copy_items(restore.items))
            table["RestoreSummary"] = {**restore.summary, "RestoreInProgress": False}
            dynamodb._items_replaced(table)
            with self._lock:
                dynamodb._tables[name] = table
                del self._tables[key]
            restore.ended()

        assert self._scheduler, "the patch is installed"
        self._scheduler.call_later(self._seconds, end)
        return json_response({"TableDescription": self._tables[key]})

    def _rejection(self, restore: Restore) -> tuple[str, str] | None:
        """Return code and message if the restore is rejected."""
        name = restore.request.get("TargetTableName")
        if not name:
            return ("ValidationException", "TargetTableName is required")
        if self.find(name):
            return ("TableInUseException", f"Table is being created: {name}")
        if name in _dynamodb()._tables:
            return ("TableAlreadyExistsException", f"Table already exists: {name}")
        if reason := _unknown_index(restore):
            return ("ValidationException", reason)
        if sum(account == _account_and_region()[0] for account, *_ in list(self._tables)) >= MAX_RESTORES:
            return ("LimitExceededException", f"{MAX_RESTORES} restores are already running in this account")
        return None


RUNNING_RESTORES: Final = RunningRestores()
"""The running restores of this process."""


def install(options: Options) -> None:
    """Install the patch in this process."""
    dynamodb = _dynamodb()
    RUNNING_RESTORES.configure(options)
    wrap(dynamodb, "_describe_table", _described)
    wrap(dynamodb, "_list_tables", _listed)
    wrap(dynamodb, "_table_description", _with_summary)
    for operation, code in (
        ("_create_table", "ResourceInUseException"),
        ("_delete_table", "ResourceInUseException"),
        ("_update_table", "ResourceInUseException"),
        ("_update_ttl", "ResourceInUseException"),
        ("_create_backup", "TableInUseException"),
    ):
        wrap(dynamodb, operation, _rejecting_while_restoring(code))
    for operation in ("_tag_resource", "_untag_resource", "_list_tags"):
        wrap(dynamodb, operation, _hiding_while_restoring)


def json_response(body: Json) -> Response:
    """Return a successful response in the form of MiniStack's operations."""
    response: Response = _dynamodb().json_response(body)
    return response


def error_response(code: str, message: str) -> Response:
    """Return an error response in the form of MiniStack's operations."""
    response: Response = _dynamodb().error_response_json(code, message, HTTPStatus.BAD_REQUEST.value)
    return response


def _described(original: Operation) -> Operation:
    def describe_table(data: Json) -> Response:
        description = RUNNING_RESTORES.find(_name(data))
        return json_response({"Table": description}) if description else original(data)

    return describe_table


def _listed(original: Operation) -> Operation:
    def list_tables(data: Json) -> Response:
        waiting = RUNNING_RESTORES.names()
        if not waiting:
            return original(data)
        limit = data.get("Limit", 100)
        start = data.get("ExclusiveStartTableName", "")
        names = [name for name in sorted([*_dynamodb()._tables.keys(), *waiting]) if name > start]
        page = names[:limit]
        return json_response(
            {"TableNames": page} | ({"LastEvaluatedTableName": page[-1]} if len(names) > limit else {})
        )

    return list_tables


def _with_summary(original: Callable[[str], Json]) -> Callable[[str], Json]:
    def table_description(name: str) -> Json:
        summary = _dynamodb()._tables[name].get("RestoreSummary")
        return original(name) | ({"RestoreSummary": summary} if summary else {})

    return table_description


def _rejecting_while_restoring(code: str) -> Callable[[Operation], Operation]:
    def guarded(original: Operation) -> Operation:
        def operation(data: Json) -> Response:
            name = _name(data)
            if RUNNING_RESTORES.find(name):
                return error_response(
                    code, f"Attempt to change a resource which is still in use: Table is being created: {name}"
                )
            return original(data)

        return operation

    return guarded


def _hiding_while_restoring(original: Operation) -> Operation:
    def operation(data: Json) -> Response:
        arn = data.get("ResourceArn")
        if RUNNING_RESTORES.find(str(_dynamodb()._normalize_table_name(arn))):
            return error_response(
                "ResourceNotFoundException", f"Requested resource not found: ResourceArn: {arn} not found"
            )
        return original(data)

    return operation


def _unknown_index(restore: Restore) -> str | None:
    """Return an error if the request has an index that the source lacks; a restore can drop indexes, not add them."""
    for member in ("GlobalSecondaryIndex", "LocalSecondaryIndex"):
        known = {index["IndexName"]: index["KeySchema"] for index in restore.source.get(f"{member}es") or []}
        for index in restore.request.get(f"{member}Override") or []:
            if known.get(index.get("IndexName")) != index.get("KeySchema"):
                return f"{member}Override: the source has no index {index.get('IndexName')} with that key"
    return None


def _request(restore: Restore) -> Json:
    """Return the CreateTable request for the target of a restore."""
    request, source = restore.request, restore.source
    billing = request.get("BillingModeOverride") or (source.get("BillingModeSummary") or {}).get(
        "BillingMode", "PROVISIONED"
    )
    create: Json = _dynamodb()._restore_create_request(
        request["TargetTableName"],
        source["KeySchema"],
        source["AttributeDefinitions"],
        billing,
        request.get("ProvisionedThroughputOverride") or source.get("ProvisionedThroughput"),
        request,
        source.get("GlobalSecondaryIndexes"),
        source.get("LocalSecondaryIndexes"),
        [],
    )
    for index in create.get("GlobalSecondaryIndexes", []):
        index.pop("IndexStatus", None)
    on_demand = request.get("OnDemandThroughputOverride") or source.get("OnDemandThroughput")
    if on_demand and billing == "PAY_PER_REQUEST":
        create["OnDemandThroughput"] = on_demand
    if "SSESpecificationOverride" in request:
        create["SSESpecification"] = request["SSESpecificationOverride"]
    return create


def _description(created: Response, table: Json, restore: Restore) -> Json:
    described: Json = json.loads(created[2])["TableDescription"]
    described["TableStatus"] = "CREATING"
    described["RestoreSummary"] = {**restore.summary, "RestoreInProgress": True}
    if table["SSEDescription"]:
        described["SSEDescription"] = table["SSEDescription"]
    for index in described.get("GlobalSecondaryIndexes", []):
        index["IndexStatus"] = "CREATING"
    return described


def _name(data: Json) -> str:
    return str(_dynamodb()._normalize_table_name(data.get("TableName")))


def _account_and_region() -> tuple[str, str]:
    dynamodb = _dynamodb()
    return (dynamodb.get_account_id(), dynamodb.get_region())


def _dynamodb() -> Any:
    return importlib.import_module(_MODULE)
