"""The rule packs of cdk-nag: AWS Solutions and NIST 800-53."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import App, Validations

PACKS = ("AwsSolutions", "NIST.800.53.R5")
"""The names of the packs in the report of a cloud assembly."""


def add_packs(app: App) -> None:
    """Have the packs check an app's constructs. A violation fails the synthesis, and is in the report."""
    from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks  # noqa: PLC0415 - a synthesis without them is faster

    packs: Mapping[str, Any] = {"AwsSolutions": AwsSolutionsChecks, "NIST.800.53.R5": NIST80053R5Checks}
    Validations.of(app).add_plugins(*(packs[name](app) for name in PACKS))
