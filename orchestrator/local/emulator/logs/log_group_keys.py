"""CloudWatch Logs: a log group is encrypted only with a key whose policy allows the service to use it.

AWS:

- CloudWatch Logs uses the key as its own principal, ``logs.REGION.amazonaws.com``. The key's policy must allow it, for
  the group's ARN as encryption context ``aws:logs:arn``. Permissions of callers do not count.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
- Otherwise, or if the key does not exist or is disabled, the request is an InvalidParameterException.
  https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html

What happens to a group whose key is disabled later is not reproduced.

Stock MiniStack stores the key and does not use it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.kms.key_use import KeyUse, find_key, json_error, service_may_use, unusable
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **KEY_USE,
    "ministack.services.cloudwatch_logs._create_log_group": "ce6fd1931ae9eb64",
    "ministack.services.cloudwatch_logs._make_group_arn": "3d349158bb566a4f",
    "ministack.core.iam_evaluator.evaluate_resource_policy": "e49ce7161ad63e35",
    "ministack.core.iam_evaluator.EvalContext": "f5769904b3fa1d4e",
}

ACTIONS: Final = ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "DescribeKey")
"""What CloudWatch Logs does with the key of a group."""

Response = tuple[int, dict[str, str], bytes]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    logs = importlib.import_module("ministack.services.cloudwatch_logs")

    def checking(original: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
        def create_log_group(data: dict[str, Any]) -> Response:
            name, key = str(data.get("logGroupName")), data.get("kmsKeyId")
            if key and (reason := rejection_of(key, logs._make_group_arn(name))):
                return json_error("InvalidParameterException", reason)
            return original(data)

        return create_log_group

    wrap(logs, "_create_log_group", checking)


def rejection_of(key: str, group_arn: str) -> str | None:
    """Return why CloudWatch Logs rejects a key for a log group; None if it accepts the key.

    Args:
        key: ID or ARN of the key.
        group_arn: ARN of the group, with or without ``:*`` at its end.
    """
    arn = group_arn.removesuffix(":*")
    rejected = f"The specified KMS Key does not exist or is not allowed to be used with Arn '{arn}'"
    record = find_key(key)
    if record is None or unusable(record):
        return rejected
    region = importlib.import_module("ministack.core.responses").get_region()
    use = KeyUse("logs", key, ACTIONS, {"aws:logs:arn": arn})
    return None if service_may_use(record, f"logs.{region}.amazonaws.com", use) else rejected
