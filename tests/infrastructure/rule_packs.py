"""The rule packs of cdk-nag: add them to an app, and read what they report."""

import json
from pathlib import Path

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks

PACKS = {"AwsSolutions": AwsSolutionsChecks, "NIST.800.53.R5": NIST80053R5Checks}


def add_packs(app) -> None:
    """Have the packs check an app's constructs. A violation fails the synthesis, and is in the report."""
    Validations.of(app).add_plugins(*(pack(app) for pack in PACKS.values()))


def violations(folder: Path) -> list[tuple[str, str]]:
    """Return rule and construct of every violation in a cloud assembly's report, which has to be from all packs."""
    reports = json.loads((folder / "validation-report.json").read_bytes())["pluginReports"]
    assert {report["pluginName"] for report in reports} >= set(PACKS)
    return [
        (found["ruleName"], construct["constructPath"])
        for report in reports
        if report["pluginName"] in PACKS
        for found in report["violations"]
        for construct in found["violatingConstructs"]
    ]
