"""KMS, where policies are enforced: grants allow what they name, and requests carry KMS's condition keys.

AWS:

- A grant allows its grantee the operations that it lists on its key, in addition to policies. An explicit Deny of a
  policy overrides it. A constraint limits it to encryption contexts that equal or contain the given one.
  https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
- A request has ``kms:CallerAccount`` and ``kms:EncryptionContextKeys``. CreateGrant also has ``kms:GranteePrincipal``,
  ``kms:GrantOperations`` and ``kms:GrantIsForAWSResource``, which is true if an AWS service creates it for a caller.
  https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
- A request that names a key by its alias is authorized on the key.
  https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html

Here a grant is effective at once. AWS takes up to five minutes, unless the request has the grant's token.

Stock MiniStack enforces key policies, but stores grants without effect, has none of these condition keys, and
authorizes the alias instead of the key.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.kms.key_use import condition_keys, find_key
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **KEY_USE,
    "ministack.services.kms._create_grant": "a86035ca33dc3e24",
    "ministack.core.iam_actions.request_tag_context": "d46adb816e024778",
    "ministack.core.iam_evaluator.EvalResult": "ff1281edb0a933ff",
    "ministack.core.iam_evaluator._principal_matches": "e1370d344db7cdef",
}

Json = dict[str, Any]

_ENCRYPTION_CONTEXT = "kms:encryptioncontext:"


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    wrap(importlib.import_module("ministack.core.iam_actions"), "request_tag_context", _adding_condition_keys)
    wrap(importlib.import_module("ministack.core.iam_evaluator"), "enforce", _allowing_by_grant)


def _adding_condition_keys(original: Callable[..., Json]) -> Callable[..., Json]:
    def context(service: str, iam_action: str, body: bytes, params: Mapping[str, Any]) -> Json:
        keys = original(service, iam_action, body, params)
        if service != "kms":
            return keys
        request = _object(body)
        account = importlib.import_module("ministack.core.responses").get_account_id()
        keys = {**condition_keys(_object(request.get("EncryptionContext")), account), **keys}
        if iam_action == "kms:CreateGrant":
            keys["kms:GranteePrincipal"] = request.get("GranteePrincipal")
            keys["kms:GrantOperations"] = request.get("Operations")
            keys["kms:GrantIsForAWSResource"] = "false"
        return keys

    return context


def _allowing_by_grant(original: Callable[..., Any]) -> Callable[..., Any]:
    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Mapping[str, Any] | None = None,
    ) -> Any:
        if service != "kms":
            return original(access_key_id, iam_action, service, region, resource_arn, service_context)
        record = find_key(resource_arn) if resource_arn != "*" else None
        arn = record["Arn"] if record else resource_arn
        denied = original(access_key_id, iam_action, service, region, arn, service_context)
        # Only the lack of an Allow can be made up for: not a Deny, and not a failed authentication.
        if getattr(denied, "decision", "") != "ImplicitDeny":
            return denied
        caller, operation = denied.principal_arn, iam_action.removeprefix("kms:")
        return None if granted(arn, caller, operation, service_context or {}) else denied

    return enforce


def granted(key_arn: str, caller: str, operation: str, context: Mapping[str, Any]) -> bool:
    """Return whether a grant allows a caller (ARN) an operation on a key.

    Args:
        key_arn: the key.
        caller: ARN of the user or of the role session.
        operation: KMS's operation, without ``kms:``.
        context: the condition keys of the request.
    """
    grants = importlib.import_module("ministack.services.kms")._grants
    matches = importlib.import_module("ministack.core.iam_evaluator")._principal_matches
    encryption_context = {
        key.lower().removeprefix(_ENCRYPTION_CONTEXT): str(value)
        for key, value in context.items()
        if key.lower().startswith(_ENCRYPTION_CONTEXT)
    }
    return any(
        grant["KeyId"] == key_arn
        and operation in grant["Operations"]
        and matches({"AWS": grant["GranteePrincipal"]}, caller)
        and _satisfied(grant.get("Constraints") or {}, encryption_context)
        for grant in list(grants.values())
    )


def _satisfied(constraints: Mapping[str, Mapping[str, str]], context: Mapping[str, str]) -> bool:
    """Return whether an encryption context, with its keys in lower case, satisfies the constraints of a grant."""
    equal, subset = (
        {key.lower(): value for key, value in constraints.get(name, {}).items()}
        for name in ("EncryptionContextEquals", "EncryptionContextSubset")
    )
    if "EncryptionContextEquals" in constraints and equal != context:
        return False
    return subset.items() <= context.items()


def _object(value: Any) -> Json:
    if isinstance(value, bytes):
        try:
            value = json.loads(value or b"{}")
        except ValueError:
            return {}  # MiniStack's handler rejects it
    return dict(value) if isinstance(value, Mapping) else {}
