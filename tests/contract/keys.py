"""Customer managed keys for contract tests."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.local.cloud import ACCOUNT

ROOT = {
    "Sid": "Account",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


def customer_key(cloud: Any, *statements: dict[str, Any], **settings: Any) -> str:
    """Create a key whose policy leaves access to the account's policies, apart from further statements; its ARN."""
    policy = {"Version": "2012-10-17", "Statement": [ROOT, *({"Resource": "*", **one} for one in statements)]}
    created = cloud.client("kms").create_key(Policy=json.dumps(policy), **settings)
    return str(created["KeyMetadata"]["Arn"])


def disable(cloud: Any, key: str) -> None:
    cloud.client("kms").disable_key(KeyId=key)


def delete_later(cloud: Any, key: str) -> None:
    cloud.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


def through(cloud: Any, service: str, key: str, *actions: str) -> dict[str, Any]:
    """A statement that allows a key to be used through one service."""
    return {
        "Action": [f"kms:{action}" for action in actions],
        "Resource": key,
        "Condition": {"StringEquals": {"kms:ViaService": f"{service}.{cloud.region}.amazonaws.com"}},
    }
