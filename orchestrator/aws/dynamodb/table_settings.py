"""Read a table's settings as comparable values, and apply them to a restored table.

Each setting has an operation of its own. DynamoDB rejects operations that change the table itself while another change
is in progress: the next call applies what could not be applied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, read_pages, translate_errors
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.recovery.backups.restore_jobs import is_recovery_point
from orchestrator.domain.recovery.backups.settings_without_source import BackedUpSettings
from orchestrator.domain.recovery.table_settings import (
    ON_DEMAND,
    OUR_TAGS,
    PROVISIONED,
    TableSettings,
    index_of_target,
)
from orchestrator.domain.verdict import Json

_LATER = frozenset({"ResourceInUseException", "TableInUseException", "ContinuousBackupsUnavailableException"})
_REJECTED = frozenset({"ValidationException", "ResourceNotFoundException", "ObjectNotFoundException"})
_NO_BACKUP = frozenset({"BackupNotFoundException"})
_NO_POLICY = frozenset({"PolicyNotFoundException"})
_INSIGHTS_ON = frozenset({"ENABLING", "ENABLED"})
_ALL_KEYS = "ACCESSED_AND_THROTTLED_KEYS"
"""The mode of Contributor Insights unless another one was requested (DynamoDB: UpdateContributorInsights)."""
_TABLE = "{table}"
DELETING = "DELETING"
"""The status of an index that is being deleted. It no longer counts."""


class TableSettingsStore:
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
            "contributor_insights": self._set_insights,
            "billing": self._set_billing,
            "autoscaling": self._set_scaling,
        }

    def read_settings(self, table: str) -> TableSettings:
        """Read all settings of a table."""
        with translate_errors():
            description = self._client.describe_table(TableName=table)["Table"]
            time_to_live = self._client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
            backups = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        arn, billing = description["TableArn"], _billing(description)
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
        stream = description.get("StreamSpecification") or {}
        # Turning the time to live on takes up to an hour: the requested state counts.
        ttl_on = time_to_live["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}
        return TableSettings(
            keys=_keys(description, description["KeySchema"]),
            indexes=_indexes(description),
            billing=billing,
            table_class=(description.get("TableClassSummary") or {}).get("TableClass", "STANDARD"),
            encryption=_encryption(description.get("SSEDescription") or {}),
            time_to_live=time_to_live.get("AttributeName", "") if ttl_on else "",
            recovery=int(recovery.get("RecoveryPeriodInDays", 35)) if on else 0,
            deletion_protection=bool(description.get("DeletionProtectionEnabled")),
            stream=stream.get("StreamViewType", "") if stream.get("StreamEnabled") else "",
            tags=self._tags(arn),
            resource_policy=self._policy(arn),
            autoscaling=self._autoscaling(table, _indexes(description)) if billing["mode"] == PROVISIONED else None,
            contributor_insights=self._insights(table, description),
        )

    def read_backed_up(self, backup_arn: str, table: str) -> BackedUpSettings | None:
        """Read the settings that a backup states of the table that was backed up; None if there is no statement.

        DynamoDB describes its own backups only, and none that was deleted. It states no types of key attributes: they
        are those of the restored table.

        Args:
            backup_arn: the backup.
            table: the table that was restored from it.
        """
        if is_recovery_point(backup_arn):
            return None
        try:
            with translate_errors():
                stated = self._client.describe_backup(BackupArn=backup_arn)["BackupDescription"]
                restored = self._client.describe_table(TableName=table)["Table"]
        except ClientError as error:
            if error_code(error) not in _NO_BACKUP:
                raise
            return None
        source, features = stated["SourceTableDetails"], stated.get("SourceTableFeatureDetails") or {}
        description = {
            **{name: source[name] for name in ("ProvisionedThroughput", "OnDemandThroughput") if name in source},
            "BillingModeSummary": {"BillingMode": source.get("BillingMode") or _mode_by_units(source)},
            "AttributeDefinitions": restored["AttributeDefinitions"],
            "GlobalSecondaryIndexes": features.get("GlobalSecondaryIndexes") or (),
            "LocalSecondaryIndexes": features.get("LocalSecondaryIndexes") or (),
        }
        return BackedUpSettings(
            keys=_keys(description, source["KeySchema"]),
            indexes=_indexes(description),
            billing=_billing(description),
            encryption=_encryption(features.get("SSEDescription") or {}),
        )

    def apply(self, name: str, table: str, wanted: TableSettings, found: TableSettings) -> bool:
        """Apply one setting to a table; return False if that is not possible now.

        Settings of indexes that the table lacks are left out: DynamoDB rejects a change of them.

        Args:
            name: the setting's field in `TableSettings`.
            table: the table's name.
            wanted: the settings that the table must have.
            found: the settings that it has.

        Raises:
            Refused: AWS rejects the setting for this table. A repetition does not help.
        """
        try:
            with translate_errors():
                arn = self._client.describe_table(TableName=table)["Table"]["TableArn"]
                self._setters[name](table, arn, wanted, found)
        except Throttled:
            return False
        except ClientError as error:
            code = error_code(error)
            if code in _REJECTED:
                raise Refused(f"settings.{table}.{name}", getattr(wanted, name), f"AWS rejects it: {error}") from error
            if code not in _LATER:
                raise
            return False
        return True

    # --- reading -----------------------------------------------------------------------------------------

    def _tags(self, arn: str) -> Mapping[str, str]:
        pages = read_pages(self._client, "list_tags_of_resource", ResourceArn=arn)
        tags = {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", ())}
        return {key: value for key, value in sorted(tags.items()) if not key.startswith(("aws:", OUR_TAGS))}

    def _policy(self, arn: str) -> Json:
        try:
            with translate_errors():
                text = self._client.get_resource_policy(ResourceArn=arn)["Policy"]
        except ClientError as error:
            if error_code(error) not in _NO_POLICY:
                raise
            return ""
        policy: Json = json.loads(text.replace(arn, _TABLE))
        return policy

    def _insights(self, table: str, description: Mapping[str, Any]) -> Mapping[str, str]:
        """Return where Contributor Insights are on, with their mode. Turning them on takes a while: the request counts."""
        modes: dict[str, str] = {}
        for index in ("", *(one["IndexName"] for one in description.get("GlobalSecondaryIndexes") or ())):
            with translate_errors():
                found = self._client.describe_contributor_insights(TableName=table, **_index_name(index))
            if found.get("ContributorInsightsStatus") in _INSIGHTS_ON:
                modes[index] = found.get("ContributorInsightsMode", _ALL_KEYS)
        return modes

    def _autoscaling(self, table: str, indexes: Iterable[str]) -> Json:
        resources = [f"table/{table}", *(f"table/{table}/index/{name}" for name in indexes)]
        with translate_errors():
            targets = self._scaling.describe_scalable_targets(ServiceNamespace="dynamodb", ResourceIds=resources)
        return {
            f"{_resource_suffix(target['ResourceId'])} {target['ScalableDimension']}": {
                "min": target["MinCapacity"],
                "max": target["MaxCapacity"],
                "policies": self._scaling_policies(table, target["ResourceId"], target["ScalableDimension"]),
            }
            for target in targets["ScalableTargets"]
        }

    def _scaling_policies(self, table: str, resource: str, dimension: str) -> Json:
        with translate_errors():
            response = self._scaling.describe_scaling_policies(
                ServiceNamespace="dynamodb", ResourceId=resource, ScalableDimension=dimension
            )
        return {
            policy["PolicyName"].replace(table, _TABLE): policy.get("TargetTrackingScalingPolicyConfiguration")
            for policy in response["ScalingPolicies"]
        }

    # --- writing -----------------------------------------------------------------------------------------

    def _set_tags(self, _table: str, arn: str, wanted: TableSettings, found: TableSettings) -> None:
        tags = [{"Key": key, "Value": value} for key, value in wanted.tags.items()]
        if tags:
            self._client.tag_resource(ResourceArn=arn, Tags=tags)
        surplus = sorted(found.tags.keys() - wanted.tags.keys())
        if surplus:
            self._client.untag_resource(ResourceArn=arn, TagKeys=surplus)

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
        policy = json.dumps(wanted.resource_policy, allow_nan=False).replace(_TABLE, arn)
        self._client.put_resource_policy(ResourceArn=arn, Policy=policy)

    def _set_stream(self, table: str, _arn: str, wanted: TableSettings, found: TableSettings) -> None:
        if found.stream:
            # The view of a stream cannot be changed: this call turns the stream off, the next one turns it on again.
            self._client.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
            return
        specification = {"StreamEnabled": True, "StreamViewType": wanted.stream}
        self._client.update_table(TableName=table, StreamSpecification=specification)

    def _set_protection(self, table: str, _arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        self._client.update_table(TableName=table, DeletionProtectionEnabled=wanted.deletion_protection)

    def _set_class(self, table: str, _arn: str, wanted: TableSettings, _found: TableSettings) -> None:
        self._client.update_table(TableName=table, TableClass=wanted.table_class)

    def _set_insights(self, table: str, _arn: str, wanted: TableSettings, found: TableSettings) -> None:
        before, after = found.contributor_insights, wanted.contributor_insights
        for index in sorted(before.keys() - after.keys()):
            self._client.update_contributor_insights(
                TableName=table, **_index_name(index), ContributorInsightsAction="DISABLE"
            )
        present = {"", *found.indexes}
        for index, mode in sorted(after.items()):
            if index in present and before.get(index) != mode:
                self._client.update_contributor_insights(
                    TableName=table,
                    **_index_name(index),
                    ContributorInsightsAction="ENABLE",
                    ContributorInsightsMode=mode,
                )

    def _set_billing(self, table: str, _arn: str, wanted: TableSettings, found: TableSettings) -> None:
        self._client.update_table(TableName=table, **_as_update(wanted.billing, found.indexes))

    def _set_scaling(self, table: str, _arn: str, wanted: TableSettings, found: TableSettings) -> None:
        scaling = wanted.autoscaling
        assert isinstance(scaling, Mapping)
        present = {"", *found.indexes}
        for target, bounds in scaling.items():
            if index_of_target(target) not in present:
                continue
            suffix, dimension = target.split(" ")
            params = {
                "ServiceNamespace": "dynamodb",
                "ResourceId": f"table/{table}{suffix}",
                "ScalableDimension": dimension,
            }
            self._scaling.register_scalable_target(**params, MinCapacity=bounds["min"], MaxCapacity=bounds["max"])
            for name, configuration in bounds["policies"].items():
                self._scaling.put_scaling_policy(
                    **params,
                    PolicyName=name.replace(_TABLE, table),
                    PolicyType="TargetTrackingScaling",
                    TargetTrackingScalingPolicyConfiguration=configuration,
                )


def _index_name(index: str) -> Mapping[str, str]:
    """Return the parameter that names an index; none for the table itself."""
    return {"IndexName": index} if index else {}


def _keys(description: Mapping[str, Any], schema: Sequence[Mapping[str, str]]) -> Json:
    types = {part["AttributeName"]: part["AttributeType"] for part in description["AttributeDefinitions"]}
    # Of an index that a restored table lacks, its backup states no types.
    return [[key["AttributeName"], types.get(key["AttributeName"], ""), key["KeyType"]] for key in schema]


def _indexes(description: Mapping[str, Any]) -> Mapping[str, Json]:
    kinds = (("global", "GlobalSecondaryIndexes"), ("local", "LocalSecondaryIndexes"))
    return {
        index["IndexName"]: {
            "kind": kind,
            "keys": _keys(description, index["KeySchema"]),
            "projection": index["Projection"]["ProjectionType"],
            "attributes": sorted(index["Projection"].get("NonKeyAttributes", ())),
        }
        for kind, field in kinds
        for index in sorted(description.get(field) or (), key=lambda index: str(index["IndexName"]))
        if index.get("IndexStatus") != DELETING
    }


def _billing(description: Mapping[str, Any]) -> dict[str, Any]:
    mode = (description.get("BillingModeSummary") or {}).get("BillingMode", PROVISIONED)
    indexes = {
        index["IndexName"]: index
        for index in description.get("GlobalSecondaryIndexes") or ()
        if index.get("IndexStatus") != DELETING
    }
    return {
        "mode": mode,
        "table": _units(description, mode),
        "indexes": {name: _units(index, mode) for name, index in indexes.items()},
    }


def _mode_by_units(source: Mapping[str, Any]) -> str:
    """Return the billing mode of a backup's table that does not state it: one on demand has no units."""
    units = source.get("ProvisionedThroughput") or {}
    return PROVISIONED if units.get("ReadCapacityUnits") or units.get("WriteCapacityUnits") else ON_DEMAND


def _units(description: Mapping[str, Any], mode: str) -> Json:
    """Return the read and write units of a table or an index; -1 stands for no limit."""
    if mode == ON_DEMAND:
        limits = description.get("OnDemandThroughput") or {}
        return [limits.get("MaxReadRequestUnits", -1), limits.get("MaxWriteRequestUnits", -1)]
    provisioned = description.get("ProvisionedThroughput") or {}
    return [provisioned.get("ReadCapacityUnits", 0), provisioned.get("WriteCapacityUnits", 0)]


def _as_update(billing: Any, present: Collection[str]) -> Mapping[str, Any]:
    """Return the parameters of UpdateTable that set the billing of a table and of those indexes that it has."""
    indexes = {name: units for name, units in billing["indexes"].items() if name in present}
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
                    for name, own in indexes.items()
                ]
            }
            if indexes
            else {}
        ),
    }


def _encryption(description: Mapping[str, Any]) -> Json:
    if description.get("Status") not in {"ENABLED", "ENABLING", "UPDATING"}:
        return "AWS_OWNED"
    return [description.get("SSEType", "KMS"), description.get("KMSMasterKeyArn", "")]


def _resource_suffix(resource: str) -> str:
    """Return what follows the table in a scalable resource: ``/index/by-day`` of ``table/orders/index/by-day``."""
    rest = resource.split("/")[2:]
    return "".join(f"/{part}" for part in rest)
