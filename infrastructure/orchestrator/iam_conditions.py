"""The conditions on the resources that the orchestrator's functions may use."""

from __future__ import annotations

from collections.abc import Mapping

from infrastructure.naming import physical_name
from infrastructure.orchestrator.iam_resources import Resource
from orchestrator.aws.dynamodb.access_block import PROBED_KEY
from orchestrator.aws.ledger.clients import CLIENTS_KEY
from orchestrator.aws.ledger.failovers import ASSIGNMENT_KEY
from orchestrator.aws.oauth_tables.issuing_lease import LEASE_KEY
from orchestrator.aws.oauth_tables.managed_clients import PREFIX as CLIENT_PREFIX
from orchestrator.domain.recovery.heartbeats import PREFIX as HEARTBEAT_PREFIX
from orchestrator.environments import Environment


def resource_conditions(environment: Environment, tag: str) -> Mapping[Resource, Mapping[str, Mapping[str, object]]]:
    """Return the conditions on resources; a grant never combines resources with different conditions."""
    new_key = {"StringEquals": {f"aws:RequestTag/{tag}": environment.name}}
    sender = environment.mail.sender if environment.mail else ""
    return {
        Resource.MAIL_IDENTITY: {"StringEquals": {"ses:FromAddress": sender}},
        Resource.HEARTBEAT_ROWS: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{HEARTBEAT_PREFIX}*"]}},
        Resource.CLIENT_ITEMS: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{CLIENT_PREFIX}*"]}},
        Resource.KEY_RING: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ring"]}},
        Resource.LOGGED_REVOCATION_EPOCH: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["epoch"]}},
        Resource.ACCESS_BLOCK_PROBE: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [PROBED_KEY["pk"]["S"]]}},
        Resource.SIGNING_KEYS: {"StringEquals": {f"aws:ResourceTag/{tag}": environment.name}},
        Resource.NEW_SIGNING_KEYS: new_key,
        Resource.KEY_TO_CREATE: new_key,
        Resource.DRILL_ROLE: {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        Resource.RECOVERY_POINTS: {"StringEquals": {"aws:ResourceTag/environment": environment.name}},
        Resource.BACKUP_COPIES: {"StringEquals": {"aws:ResourceTag/environment": environment.name}},
        Resource.COPY_ROLE: {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        Resource.RESTORE_ROLE: {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        Resource.SNAPSHOT_KEYS: {"StringEquals": {"aws:ResourceTag/environment": environment.name}},
        Resource.ISSUING_LEASE: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [LEASE_KEY]}},
        Resource.ISSUING_ASSIGNMENT: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [ASSIGNMENT_KEY]}},
        Resource.ASSIGNMENT_KEYS: _by_alias("ledger", environment),
        Resource.HOME_LEASE: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [LEASE_KEY]}},
        Resource.HOME_DATA_KEYS: _by_alias("data", environment),
        Resource.CLIENT_RECORDS: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [CLIENTS_KEY]}},
        Resource.HOME_CLIENT_RECORDS: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [CLIENTS_KEY]}},
        Resource.HOME_LEDGER_KEYS: _by_alias("ledger", environment),
        Resource.COPIES_RESTORE_ROLE: {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        Resource.SCALABLE_TARGETS: {"StringEquals": {"application-autoscaling:service-namespace": "dynamodb"}},
    }


def _by_alias(name: str, environment: Environment) -> Mapping[str, Mapping[str, object]]:
    """Return the condition on a key of another region: its alias, and the use by DynamoDB only."""
    return {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{physical_name(name, environment)}"},
        "StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"},
    }
