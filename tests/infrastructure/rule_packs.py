"""What the rule packs of cdk-nag report."""

from pathlib import Path

from infrastructure.rule_packs import PACKS, add_packs
from orchestrator.domain.compliance.practices_checks import violations_of

__all__ = ["PACKS", "add_packs", "violations"]


def violations(folder: Path) -> list[tuple[str, str]]:
    """Return rule and construct of every violation in a cloud assembly's report, which has to be from all packs."""
    return violations_of((folder / "validation-report.json").read_bytes())
