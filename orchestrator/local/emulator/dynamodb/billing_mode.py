"""DynamoDB: a table that was never on demand has no billing mode summary, and one that is on demand has no units.

AWS: "BillingModeSummary: … contains the details for the read/write capacity mode. This page talks about using
PAY_PER_REQUEST or PROVISIONED"; a table that was created as provisioned is described without it, as recorded on AWS
(`tests/contract/parity/cases/dynamodb.py` names the recording).
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BillingModeSummary.html

"ReadCapacityUnits: … If read/write capacity mode is PAY_PER_REQUEST the value is set to 0."
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ProvisionedThroughput.html

Stock MiniStack describes every table with it, and a table on demand that CloudFormation created with 5 units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.dynamodb._table_description": "e6f5cce379b8a883",
}


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import dynamodb  # noqa: PLC0415 - only in the server process

    wrap(dynamodb, "_table_description", _leaving_out)


def _leaving_out(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def describe(*arguments: Any, **settings: Any) -> dict[str, Any]:
        description = original(*arguments, **settings)
        summary = description.get("BillingModeSummary") or {}
        if summary.get("BillingMode") == "PROVISIONED" and "LastUpdateToPayPerRequestDateTime" not in summary:
            return {name: value for name, value in description.items() if name != "BillingModeSummary"}
        if summary.get("BillingMode") == "PAY_PER_REQUEST":
            units = {**description.get("ProvisionedThroughput", {}), "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
            return {**description, "ProvisionedThroughput": units}
        return description

    return describe
