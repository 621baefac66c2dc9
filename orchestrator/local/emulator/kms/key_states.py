"""KMS: what a key's state forbids besides cryptographic operations with the key itself.

AWS:

- The public key of a key that is disabled or pending deletion cannot be read.
  https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html
- A key that is pending deletion can be neither enabled nor disabled; its deletion has to be cancelled first. The
  deletion of any other key cannot be cancelled. https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html

Stock MiniStack answers all of these.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.emulator.kms.key_use import INVALID_STATE, find_key, json_error, unusable
from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **KEY_USE,
    "ministack.services.kms._get_public_key": "21617f95a5bbcc47",
    "ministack.services.kms._enable_key": "66018297bbfbc857",
    "ministack.services.kms._disable_key": "16097654ccaaaefb",
    "ministack.services.kms._cancel_key_deletion": "cb8634482612a0bc",
}

PENDING_DELETION: Final = "PendingDeletion"

Answer = tuple[int, dict[str, str], bytes]
Operation = Callable[[Mapping[str, Any]], Answer]


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    kms = importlib.import_module("ministack.services.kms")
    wrap(kms, "_get_public_key", _refusing(_unusable))
    wrap(kms, "_enable_key", _refusing(_pending))
    wrap(kms, "_disable_key", _refusing(_pending))
    wrap(kms, "_cancel_key_deletion", _refusing(_not_pending))


def _refusing(refusal: Callable[[Mapping[str, Any]], Answer | None]) -> Callable[[Operation], Operation]:
    def patch(original: Operation) -> Operation:
        def operation(data: Mapping[str, Any]) -> Answer:
            record = find_key(data.get("KeyId", ""))
            refused = refusal(record) if record else None
            return original(data) if refused is None else refused

        return operation

    return patch


def _unusable(record: Mapping[str, Any]) -> Answer | None:
    refused = unusable(record)
    return json_error(refused.error, refused.message) if refused else None


def _pending(record: Mapping[str, Any]) -> Answer | None:
    if record["KeyState"] != PENDING_DELETION:
        return None
    return json_error(INVALID_STATE, f"{record['Arn']} is pending deletion.")


def _not_pending(record: Mapping[str, Any]) -> Answer | None:
    if record["KeyState"] == PENDING_DELETION:
        return None
    return json_error(INVALID_STATE, f"{record['Arn']} is not pending deletion.")
