"""The service's tables: on demand or between bounds, recoverable to a second, forgetting what has expired, and replicated where asked.

A replicated table is a resource of another type (`AWS::DynamoDB::GlobalTable`), which CloudFormation does not change into: whether
there are replicas is decided when an environment is made. What they do to codes that may be used once: docs/replicas.md.
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms

from environments import Environment, UnitsSettings
from stack_parts import kept, name_of

REPLICATED = ("state", "tokens", "revocations")
"""What a replica has. The ring of signing keys stays: the keys themselves are in their region's KMS."""

_KEY = dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING)
_EXPIRES = "delete_at"


def make_table(
    stack: Stack, environment: Environment, what: str, key: kms.IKey | None, *, told: bool
) -> dynamodb.ITable:
    """Make one table under its exact name.

    Args:
        stack: the service's.
        environment: where.
        what: its short name; `environment.stores` may have units for it.
        key: encrypts it; None where AWS's own key does.
        told: whether a stream tells what changed. What changed after a point in time says what the table held at it: drills
            compare with that. A replicated table always has one.
    """
    units = (environment.stores.units or {}).get(what)
    if environment.stores.replicas and what in REPLICATED:
        return _replicated(stack, environment, what, key, units)
    return _alone(stack, environment, what, key, units, told=told)


def _alone(
    stack: Stack, environment: Environment, what: str, key: kms.IKey | None, units: UnitsSettings | None, *, told: bool
) -> dynamodb.Table:
    table = dynamodb.Table(
        stack,
        f"{what.title()}Table",
        table_name=name_of(what, environment),
        partition_key=_KEY,
        billing_mode=dynamodb.BillingMode.PROVISIONED if units else dynamodb.BillingMode.PAY_PER_REQUEST,
        read_capacity=units.least_reads if units else None,
        write_capacity=units.least_writes if units else None,
        point_in_time_recovery_specification=_recovery(environment),
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
        encryption_key=key,
        time_to_live_attribute=_EXPIRES,
        stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if told else None,
        deletion_protection=environment.deletion_protection,
        removal_policy=kept(environment),
    )
    if units:
        target = environment.stores.target_utilisation_percent
        reads = table.auto_scale_read_capacity(min_capacity=units.least_reads, max_capacity=units.most_reads)
        reads.scale_on_utilization(target_utilization_percent=target)
        writes = table.auto_scale_write_capacity(min_capacity=units.least_writes, max_capacity=units.most_writes)
        writes.scale_on_utilization(target_utilization_percent=target)
    return table


def _replicated(
    stack: Stack, environment: Environment, what: str, key: kms.IKey | None, units: UnitsSettings | None
) -> dynamodb.TableV2:
    regions = environment.stores.replicas
    keys = {
        region: stack.format_arn(
            service="kms", region=region, resource="alias", resource_name=name_of("data", environment)
        )
        for region in regions
    }
    target = environment.stores.target_utilisation_percent
    return dynamodb.TableV2(
        stack,
        f"{what.title()}GlobalTable",
        table_name=name_of(what, environment),
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
        removal_policy=kept(environment),
        replicas=[dynamodb.ReplicaTableProps(region=region) for region in regions],
    )


def _recovery(environment: Environment) -> dynamodb.PointInTimeRecoverySpecification:
    return dynamodb.PointInTimeRecoverySpecification(
        point_in_time_recovery_enabled=True, recovery_period_in_days=environment.stores.point_in_time_days
    )
