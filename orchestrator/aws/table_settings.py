"""A table's settings, read into values that can be compared, and put right on a copy.

Each setting has an operation of its own. Those that change the table itself are refused while another change is under way: what
could not be done is done by the next call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Throttled
from orchestrator.domain.table_settings import OUR_TAGS, TableSettings
from orchestrator.domain.verdict import Json

ON_DEMAND, PROVISIONED = "PAY_PER_REQUEST", "PROVISIONED"
_LATER = frozenset({"ResourceInUseException", "TableInUseException", "ContinuousBackupsUnavailableException"})
_NO_POLICY = frozenset({"PolicyNotFoundException"})
_TABLE = "{table}"


class SettingsOfTables:
    """Settings of tables.

    Args:
        client: botocore's DynamoDB client.
        scaling: botocore's Application Auto Scaling client.
    """

    def __init__(self, client: Any, scaling: Any) -> None:
        self._client, self._scaling = client, scaling
        self._setters: Mapping[str, Callable[[str, str, TableSettings, TableSettings], None]] = {
            "tags": self._set_tags,
            "time_to_live": self._set_time_to_live,
            "recovery": self._set_recovery,
            "resource_policy": self._set_policy,
            "stream": self._set_stream,
            "deletion_protection": self._set_protection,
            "table_class": self._set_class,
            "billing": self._set_billing,
            "autoscaling": self._set_scaling,
        }

    def read(self, table: str) -> TableSettings:
        """Read all settings of a table."""
        with narrowed():
            found = self._client.describe_table(TableName=table)["Table"]
            lives = self._client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
            backups = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        arn, billing = found["TableArn"], _billing(found)
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
        stream = found.get("StreamSpecification") or {}
        return TableSettings(
            keys=_keys(found, found["KeySchema"]),
            indexes=_indexes(found),
            billing=billing,
            table_class=(found.get("TableClassSummary") or {}).get("TableClass", "STANDARD"),
            encryption=_encryption(found.get("SSEDescription") or {}),
            # Turning it on takes up to an hour; asked for is what counts.
            time_to_live=lives.get("AttributeName", "") if lives["TimeToLiveStatus"] in {"ENABLED", "ENABLING"} else "",
            recovery=int(recovery.get("RecoveryPeriodInDays", 35)) if on else 0,
            deletion_protection=bool(found.get("DeletionProtectionEnabled")),
            stream=stream.get("StreamViewType", "") if stream.get("StreamEnabled") else "",
            tags=self._tags(arn),
            resource_policy=self._policy(arn),
            autoscaling=self._autoscaling(table, _indexes(found)) if billing["mode"] == PROVISIONED else None,
        )

    def put_right(self, name: str, table: str, wanted: TableSettings, found: TableSettings) -> bool:
        """Set one setting of a table as it is wanted; False where that is not possible now."""
        try:
            with narrowed():
                arn = self._client.describe_table(TableName=table)["Table"]["TableArn"]
                self._setters[name](table, arn, wanted, found)
        except Throttled:
            return False
        except ClientError as error:
            if code_of(error) not in _LATER:
                raise
            return False
        return True

    # --- reading -----------------------------------------------------------------------------------------

    def _tags(self, arn: str) -> Mapping[str, str]:
        tags: dict[str, str] = {}
        start: dict[str, str] = {}
        while True:
            with narrowed():
                page = self._client.list_tags_of_resource(ResourceArn=arn, **start)
            tags |= {tag["Key"]: tag["Value"] for tag in page.get("Tags", ())}
            if not page.get("NextToken"):
                return {key: value for key, value in sorted(tags.items()) if not key.startswith(("aws:", OUR_TAGS))}
            start = {"NextToken": page["NextToken"]}

    def _policy(self, arn: str) -> Json:
        try:
            with narrowed():
                text = self._client.get_resource_policy(ResourceArn=arn)["Policy"]
        except ClientError as error:
            if code_of(error) not in _NO_POLICY:
                raise
            return ""
        policy: Json = json.loads(text.replace(arn, _TABLE))
        return policy

    def _autoscaling(self, table: str, indexes: Iterable[str]) -> Json:
        resources = [f"table/{table}", *(f"table/{table}/index/{name}" for name in indexes)]
        with narrowed():
            targets = self._scaling.describe_scalable_targets(ServiceNamespace="dynamodb", ResourceIds=resources)
        return {
            f"{_below(target['ResourceId'])} {target['ScalableDimension']}": {
                "min": target["MinCapacity"],
                "max": target["MaxCapacity"],
                "policies": self._scaling_policies(table, target["ResourceId"], target["ScalableDimension"]),
            }
            for target in targets["ScalableTargets"]
        }

    def _scaling_policies(self, table: str, resource: str, dimension: str) -> Json:
        with narrowed():
            found = self._scaling.describe_scaling_policies(
                ServiceNamespace="dynamodb", ResourceId=resource, ScalableDimension=dimension
            )
        return {
            policy["PolicyName"].replace(table, _TABLE): policy.get("TargetTrackingScalingPolicyConfiguration")
            for policy in found["ScalingPolicies"]
        }

    # --- putting right -----------------------------------------------------------------------------------

    def _set_tags(self, _table: str, arn: str, wanted: TableSettings, found: TableSettings) -> None:
        tags = [{"Key": key, "Value": value} for key, value in wanted.tags.items()]
        if tags:
            self._client.tag_resource(ResourceArn=arn, Tags=tags)
        more = sorted(found.tags.keys() - wanted.tags.keys())
        if more:
            self._client.untag_resource(ResourceArn=arn, TagKeys=more)

    def _set_time_to_live(self, table: str, _arn: str, wanted: TableSettings, found: TableSettings) -> None:
        on = bool(wanted.time_to_live)
        specification = {"Enabled": on, "AttributeName": wanted.time_to_live or found.time_to_live}
        self._client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)

    def _set_recovery(self, table: str, _arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        specification: dict[str, Any] = {"PointInTimeRecoveryEnabled": bool(wanted.recovery)}
        if wanted.recovery:
            specification["RecoveryPeriodInDays"] = wanted.recovery
        self._client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=specification)

    def _set_policy(self, _table: str, arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        if not wanted.resource_policy:
            self._client.delete_resource_policy(ResourceArn=arn)
            return
        policy = json.dumps(wanted.resource_policy).replace(_TABLE, arn)
        self._client.put_resource_policy(ResourceArn=arn, Policy=policy)

    def _set_stream(self, table: str, _arn: str, wanted: TableSettings, found: TableSettings) -> None:
        if found.stream:
            # A stream's view cannot be changed: off first, and on again by the next call.
            self._client.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
            return
        specification = {"StreamEnabled": True, "StreamViewType": wanted.stream}
        self._client.update_table(TableName=table, StreamSpecification=specification)

    def _set_protection(self, table: str, _arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        self._client.update_table(TableName=table, DeletionProtectionEnabled=wanted.deletion_protection)

    def _set_class(self, table: str, _arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        self._client.update_table(TableName=table, TableClass=wanted.table_class)

    def _set_billing(self, table: str, _arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        self._client.update_table(TableName=table, **_as_update(wanted.billing))

    def _set_scaling(self, table: str, _arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        scaling = wanted.autoscaling
        assert isinstance(scaling, Mapping)
        for where, bounds in scaling.items():
            below, dimension = where.split(" ")
            asked = {
                "ServiceNamespace": "dynamodb",
                "ResourceId": f"table/{table}{below}",
                "ScalableDimension": dimension,
            }
            self._scaling.register_scalable_target(**asked, MinCapacity=bounds["min"], MaxCapacity=bounds["max"])
            for name, configuration in bounds["policies"].items():
                self._scaling.put_scaling_policy(
                    **asked,
                    PolicyName=name.replace(_TABLE, table),
                    PolicyType="TargetTrackingScaling",
                    TargetTrackingScalingPolicyConfiguration=configuration,
                )


def _keys(found: Mapping[str, Any], schema: Sequence[Mapping[str, str]]) -> Json:
    types = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
    return [[key["AttributeName"], types[key["AttributeName"]], key["KeyType"]] for key in schema]


def _indexes(found: Mapping[str, Any]) -> Mapping[str, Json]:
    kinds = (("global", "GlobalSecondaryIndexes"), ("local", "LocalSecondaryIndexes"))
    return {
        index["IndexName"]: {
            "kind": kind,
            "keys": _keys(found, index["KeySchema"]),
            "projection": index["Projection"]["ProjectionType"],
            "attributes": sorted(index["Projection"].get("NonKeyAttributes", ())),
        }
        for kind, field in kinds
        for index in sorted(found.get(field) or (), key=lambda one: one["IndexName"])
        if index.get("IndexStatus") != "DELETING"
    }


def _billing(found: Mapping[str, Any]) -> dict[str, Any]:
    mode = (found.get("BillingModeSummary") or {}).get("BillingMode", PROVISIONED)
    indexes = {index["IndexName"]: index for index in found.get("GlobalSecondaryIndexes") or ()}
    return {
        "mode": mode,
        "table": _units(found, mode),
        "indexes": {name: _units(one, mode) for name, one in indexes.items()},
    }


def _units(found: Mapping[str, Any], mode: str) -> Json:
    if mode == ON_DEMAND:
        limits = found.get("OnDemandThroughput") or {}
        return [limits.get("MaxReadRequestUnits", -1), limits.get("MaxWriteRequestUnits", -1)]
    provisioned = found.get("ProvisionedThroughput") or {}
    return [provisioned.get("ReadCapacityUnits", 0), provisioned.get("WriteCapacityUnits", 0)]


def _as_update(billing: Any) -> Mapping[str, Any]:
    """What UpdateTable takes for a table's billing."""
    names = (
        ("OnDemandThroughput", ("MaxReadRequestUnits", "MaxWriteRequestUnits"))
        if billing["mode"] == ON_DEMAND
        else ("ProvisionedThroughput", ("ReadCapacityUnits", "WriteCapacityUnits"))
    )
    field, units = names
    return {
        "BillingMode": billing["mode"],
        field: dict(zip(units, billing["table"], strict=True)),
        **(
            {
                "GlobalSecondaryIndexUpdates": [
                    {"Update": {"IndexName": name, field: dict(zip(units, own, strict=True))}}
                    for name, own in billing["indexes"].items()
                ]
            }
            if billing["indexes"]
            else {}
        ),
    }


def _encryption(description: Mapping[str, Any]) -> Json:
    if description.get("Status") not in {"ENABLED", "ENABLING", "UPDATING"}:
        return "AWS_OWNED"
    return [description.get("SSEType", "KMS"), description.get("KMSMasterKeyArn", "")]


def _below(resource: str) -> str:
    """What follows the table in a scalable resource: ``table/orders/index/by-day`` is ``/index/by-day``."""
    rest = resource.split("/")[2:]
    return "".join(f"/{part}" for part in rest)
