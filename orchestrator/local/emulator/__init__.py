"""Patches for MiniStack, applied in its process where it differs from AWS and the product depends on AWS's behaviour.

Each module is one patch. Its docstring states the behaviour of AWS, where AWS documents it, and what stock MiniStack
does. ``PINNED`` names the internals that the patch relies on. ``install(options)`` installs it. `tests/contract`
verifies each patch against AWS's behaviour and shows that stock MiniStack fails the same test.

This package imports nothing from MiniStack at module level. MiniStack reads its environment when it is imported, so
only the server process imports it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from orchestrator.local.emulator.options import PROFILES, Options, Profile
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.pins import PinMismatch, verify, verify_version

__all__ = ["PATCHES", "PROFILES", "Options", "Patch", "PinMismatch", "Profile", "install_patches", "wrap"]

# In the order of installation. If two patches wrap the same function, the later patch is the outer one: it sees an
# invocation first and the result last. The order is therefore: patches that choose the version, patches that run it,
# patches that measure it, patches that react to the measurement, and finally patches that delay delivery.
PATCHES: tuple[str, ...] = (
    "error_messages",
    "lambda_.alias_routing",
    "lambda_.alias_validation",
    "lambda_.reserved_concurrency",
    "lambda_.version_code",
    "lambda_.provisioned_concurrency",
    "lambda_.unhandled_errors",
    "lambda_.memory_limit",  # outer to the errors, which it names
    "lambda_.workers",
    "lambda_.worker_start",
    "stepfunctions.timeouts",
    "stepfunctions.tasks",
    "stepfunctions.retry_and_catch",
    "stepfunctions.paths_and_choice",
    "stepfunctions.quotas",
    "stepfunctions.status_events",
    "stepfunctions.history",
    "stepfunctions.map_and_parallel",
    "stepfunctions.requests",
    "eventbridge.requests",
    "eventbridge.schedules",
    "apigateway.requests",
    "cloudwatch.cloudformation_alarms",
    "cloudformation.failed_creations",
    "cloudformation.encryption_keys",
    "cloudformation.vault_imports",
    "dynamodb.item_sizes",
    "dynamodb.response_bodies",
    "dynamodb.restore_status",
    "dynamodb.point_in_time_recovery",
    "dynamodb.backups",
    "backup.requests",
    "dynamodb.exports",
    "dynamodb.scan",
    "dynamodb.billing_mode",
    "dynamodb.provisioned_capacity",  # inner to the patch that denies: a denied request consumes nothing
    "dynamodb.stream_shards",
    "dynamodb.table_keys",
    "dynamodb.resource_policies",
    "application_autoscaling.requests",
    "iam.call_recorder",  # inner to the patches that complete a call's resource, context and dependent actions
    "iam.request_context",
    "iam.dependent_actions",
    "iam.role_listing",
    "kms.grants",
    "kms.key_states",
    "s3.missing_objects",
    "s3.object_keys",
    "s3.replication",
    "ses.raw_messages",
    "sns.topic_keys",
    "logs.log_group_keys",
    "cloudwatch.metric_api",
    "lambda_.metrics",
    "lambda_.requests",  # outer to the metrics, which need the executed version of every answer
    "lambda_.variables_key",
    "apigateway.headers",
    "apigateway.metrics",
    "delays.logs",  # inner to the patch that extracts metrics from log events
    "cloudwatch.embedded_metrics",
    "cloudwatch.alarm_evaluator",
    "cloudwatch.alarm_events",
    "delays.metrics",
    "delays.events",
    "delays.aliases",
)


class Patch(Protocol):
    """A patch module of this package."""

    PINNED: Mapping[str, str]

    def install(self, options: Options) -> None:
        """Install the patch in this process."""


def install_patches(options: Options, names: Sequence[str] = PATCHES) -> tuple[str, ...]:
    """Verify MiniStack's version and every pin, then install the patches in order.

    Returns:
        The names of the installed patches.

    Raises:
        PinMismatch: the version or a pin differs. Nothing is installed.
    """
    verify_version()
    patches = [(name, cast("Patch", importlib.import_module(f"{__name__}.{name}"))) for name in names]
    verify((name, patch.PINNED) for name, patch in patches)
    for _, patch in patches:
        patch.install(options)
    return tuple(names)
