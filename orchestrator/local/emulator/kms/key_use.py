"""How an AWS service uses a customer managed key, for a caller or as itself. The patches of these services share it.

AWS:

- A service that encrypts with a key calls KMS with its caller's permissions. ``kms:ViaService`` names the service, and
  ``kms:CallerAccount`` the account of the caller.
  https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
- A key that is disabled or pending deletion cannot be used for cryptographic operations or grants, by anyone.
  https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html

A key's state counts on every local cloud. Permissions count where policies are enforced.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

PINNED = {
    "ministack.services.kms._resolve_key": "90e6b84ded7c823f",
    "ministack.services.kms._check_key_state": "d0518d69f8e50623",
    "ministack.core.iam_evaluator.enforce": "cf64b1ee5b099c8f",
    "ministack.core.router.extract_access_key_id": "4f0df6b2b1cd3320",
}
"""What the patches that use this module pin in addition to their own internals."""

ACCESS_DENIED, NOT_FOUND = "AccessDeniedException", "NotFoundException"
DISABLED, INVALID_STATE = "DisabledException", "KMSInvalidStateException"
"""Errors of KMS."""

AWS_MANAGED = "alias/aws/"
"""AWS managed keys: every principal of the account may use them through their service."""


@dataclass(frozen=True)
class KeyUse:
    """One use of a key by a service.

    Attributes:
        service: the service as ``kms:ViaService`` names it, for example `dynamodb`.
        key: ID, ARN or alias of the key.
        actions: KMS's operations, without ``kms:``.
        encryption_context: what the service gives as encryption context.
    """

    service: str
    key: str
    actions: tuple[str, ...]
    encryption_context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """KMS's answer to a use that it refuses: its error and message."""

    error: str
    message: str


def refusal_of(use: KeyUse, headers: Mapping[str, str], query_params: Mapping[str, Any]) -> Refusal | None:
    """Return KMS's refusal of a use for the caller of a request; None if it may use the key, or the key is AWS's."""
    if AWS_MANAGED in use.key:
        return None
    record = find_key(use.key)
    if record is None:
        return Refusal(NOT_FOUND, f"Key '{use.key}' does not exist")
    return _denial(use, record["Arn"], headers, query_params) or unusable(record)


def find_key(key: str) -> dict[str, Any] | None:
    """Return MiniStack's record of a key of the request's region."""
    record: dict[str, Any] | None = importlib.import_module("ministack.services.kms")._resolve_key(key)
    return record


def unusable(record: Mapping[str, Any]) -> Refusal | None:
    """Return KMS's refusal of every cryptographic operation with a key in its present state."""
    response = importlib.import_module("ministack.services.kms")._check_key_state(record)
    if response is None:
        return None
    error = json.loads(response[2])
    return Refusal(error["__type"], error.get("message", ""))


def state_refusal(key: str) -> Refusal | None:
    """Return why no principal can use a key now; None if it can be used, or is AWS's."""
    if AWS_MANAGED in key:
        return None
    record = find_key(key)
    return unusable(record) if record else Refusal(NOT_FOUND, f"Key '{key}' does not exist")


def service_may_use(record: Mapping[str, Any], principal: str, use: KeyUse) -> bool:
    """Return whether a key's policy allows a use by a service's own principal, for example `logs.REGION.amazonaws.com`."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    region, account = _place()
    context = {key.lower(): value for key, value in condition_keys(use.encryption_context, account).items()}
    for action in use.actions:
        request = evaluator.EvalContext(
            principal_arn=principal,
            principal_type="Service",
            principal_account=account,
            action=f"kms:{action}",
            resource_arn=record["Arn"],
            region=region,
            service_context=context,
        )
        if evaluator.evaluate_resource_policy(record.get("Policy"), request, service=principal).decision != "Allow":
            return False
    return True


def condition_keys(encryption_context: Mapping[str, str], account: str) -> dict[str, Any]:
    """Return the condition keys of a request to KMS that do not depend on its operation."""
    keys: dict[str, Any] = {f"kms:EncryptionContext:{key}": value for key, value in encryption_context.items()}
    if encryption_context:
        keys["kms:EncryptionContextKeys"] = sorted(encryption_context)
    return {**keys, "kms:CallerAccount": account}


def _denial(use: KeyUse, arn: str, headers: Mapping[str, str], query_params: Mapping[str, Any]) -> Refusal | None:
    if not importlib.import_module("ministack.app").AUTH:
        return None
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    access_key = importlib.import_module("ministack.core.router").extract_access_key_id(headers, query_params)
    region, account = _place()
    context = condition_keys(use.encryption_context, account)
    context["kms:ViaService"] = f"{use.service}.{region}.amazonaws.com"
    for action in use.actions:
        for_aws = {"kms:GrantIsForAWSResource": "true"} if action == "CreateGrant" else {}
        denied = evaluator.enforce(access_key, f"kms:{action}", "kms", region, arn, {**context, **for_aws})
        if denied is not None:
            caller = getattr(denied, "principal_arn", access_key)
            return Refusal(
                ACCESS_DENIED, f"User: {caller} is not authorized to perform: kms:{action} on resource: {arn}"
            )
    return None


def _place() -> tuple[str, str]:
    """Return the region and the account of the request."""
    responses = importlib.import_module("ministack.core.responses")
    return responses.get_region(), responses.get_account_id()


def json_error(code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    """Return an error of a service with a JSON protocol, as MiniStack's handlers do."""
    response: tuple[int, dict[str, str], bytes] = importlib.import_module(
        "ministack.core.responses"
    ).error_response_json(code, message, HTTPStatus.BAD_REQUEST)
    return response
