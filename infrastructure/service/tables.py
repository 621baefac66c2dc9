"""The service's tables: on-demand or autoscaled capacity, point-in-time recovery, time to live, optional replicas.

A replicated table has another resource type (`AWS::DynamoDB::GlobalTable`). CloudFormation cannot convert a table, so
replicas must be configured when an environment is created. docs/guides/replicas.md describes their effect on codes
that may be used only once.
"""

from __future__ import annotations

from dataclasses import asdict

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms

from infrastructure.arns import named_arn
from infrastructure.common import removal_policy_of, stack_tags
from infrastructure.naming import physical_name
from orchestrator.domain.recovery.backups.settings_without_source import DeclaredUnits, DefaultTableSettings
from orchestrator.domain.recovery.record import Role
from orchestrator.environments import Environment, UnitsSettings

REPLICATED = ("state", "tokens", "revocations")
"""The tables with replicas. The key ring has none, because KMS keys exist in their region only."""

STREAMED = dynamodb.StreamViewType.NEW_AND_OLD_IMAGES
"""The stream of the tables that restores and drills read."""

_KEY = dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING)
_EXPIRES = "delete_at"


def create_table(
    stack: Stack, environment: Environment, role: str, key: kms.IKey | None, *, streamed: bool
) -> dynamodb.ITable:
    """Create one table under its physical name.

    Args:
        stack: the service's stack.
        environment: the environment.
        role: the short name; `environment.stores` may have capacity units for it.
        key: encrypts the table; None if AWS's own key does.
        streamed: whether the table has a stream. From the changes after a point in time, drills reconstruct the
            table's content at that point, and restores read late writes and revocations. A replicated table always has
            a stream.
    """
    units = (environment.stores.units or {}).get(role)
    if environment.stores.replicas and role in REPLICATED:
        return _replicated(stack, environment, role, key, units)
    return _single_region(stack, environment, role, key, units, streamed=streamed)


def declared_settings(environment: Environment) -> DefaultTableSettings:
    """Return what this stack declares for the tables that a restore may have to create without their source."""
    stores = environment.stores
    return DefaultTableSettings(
        time_to_live=_EXPIRES,
        recovery=stores.point_in_time_days,
        deletion_protection=environment.deletion_protection,
        stream=STREAMED.value,
        tags=stack_tags(environment, physical_name("stack", environment)),
        units={Role(role): DeclaredUnits(**asdict(units)) for role, units in (stores.units or {}).items()},
        target_utilisation_percent=stores.target_utilisation_percent if stores.provisioned else 0,
    )


def _single_region(
    stack: Stack,
    environment: Environment,
    role: str,
    key: kms.IKey | None,
    units: UnitsSettings | None,
    *,
    streamed: bool,
) -> dynamodb.Table:
    table = dynamodb.Table(
        stack,
        f"{role.title()}Table",
        table_name=physical_name(role, environment),
        partition_key=_KEY,
        billing_mode=dynamodb.BillingMode.PROVISIONED if units else dynamodb.BillingMode.PAY_PER_REQUEST,
        read_capacity=units.least_reads if units else None,
        write_capacity=units.least_writes if units else None,
        point_in_time_recovery_specification=_recovery(environment),
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
        encryption_key=key,
        time_to_live_attribute=_EXPIRES,
        stream=STREAMED if streamed else None,
        deletion_protection=environment.deletion_protection,
        removal_policy=removal_policy_of(environment),
    )
    if units:
        target = environment.stores.target_utilisation_percent
        reads = table.auto_scale_read_capacity(min_capacity=units.least_reads, max_capacity=units.most_reads)
        reads.scale_on_utilization(target_utilization_percent=target)
        writes = table.auto_scale_write_capacity(min_capacity=units.least_writes, max_capacity=units.most_writes)
        writes.scale_on_utilization(target_utilization_percent=target)
    return table


def _replicated(
    stack: Stack, environment: Environment, role: str, key: kms.IKey | None, units: UnitsSettings | None
) -> dynamodb.TableV2:
    regions = environment.stores.replicas
    keys = {
        region: named_arn(stack, "kms", "alias", physical_name("data", environment), region=region)
        for region in regions
    }
    target = environment.stores.target_utilisation_percent
    return dynamodb.TableV2(
        stack,
        f"{role.title()}GlobalTable",
        table_name=physical_name(role, environment),
        partition_key=_KEY,
        billing=dynamodb.Billing.provisioned(
            read_capacity=dynamodb.Capacity.autoscaled(
                min_capacity=units.least_reads, max_capacity=units.most_reads, target_utilization_percent=target
            ),
            write_capacity=dynamodb.Capacity.autoscaled(
                min_capacity=units.least_writes, max_capacity=units.most_writes, target_utilization_percent=target
            ),
        )
        if units
        else dynamodb.Billing.on_demand(),
        point_in_time_recovery_specification=_recovery(environment),
        encryption=dynamodb.TableEncryptionV2.customer_managed_key(key, keys)
        if key
        else dynamodb.TableEncryptionV2.dynamo_owned_key(),
        time_to_live_attribute=_EXPIRES,
        deletion_protection=environment.deletion_protection,
        removal_policy=removal_policy_of(environment),
        replicas=[dynamodb.ReplicaTableProps(region=region) for region in regions],
    )


def _recovery(environment: Environment) -> dynamodb.PointInTimeRecoverySpecification:
    return dynamodb.PointInTimeRecoverySpecification(
        point_in_time_recovery_enabled=True, recovery_period_in_days=environment.stores.point_in_time_days
    )
