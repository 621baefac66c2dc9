"""Generates docs/reference/controls.md: `python -m tests.controls`."""

from __future__ import annotations

from pathlib import Path

from orchestrator import environments
from orchestrator.domain.compliance.catalogue.controls import CONTROLS, controls_of
from orchestrator.domain.compliance.control import Framework

PAGE = Path(environments.settings_file()).parent / "docs" / "reference" / "controls.md"
TITLES = {
    Framework.OAUTH: "OAuth and OpenID Connect",
    Framework.INFRASTRUCTURE: "Infrastructure",
    Framework.DATA_PROTECTION: "Data protection",
    Framework.PRACTICES: "Practices",
}


def page() -> str:
    """The page of all controls."""
    lines = [
        "# Controls",
        "",
        f"For auditors and security reviewers: the {len(CONTROLS)} controls that `orchestrator compliance` checks",
        "([guide](../guides/compliance.md)). After this page you know what each one requires, and where that",
        "comes from. FSBP are the AWS Foundational Security Best Practices, NIST is SP 800-53 Rev. 5, articles",
        "are those of the GDPR.",
        "",
        "Generated from `orchestrator/domain/compliance/catalogue` by `python -m tests.controls`.",
        "`tests/unit/domain/compliance/test_controls_page.py` compares the page with it.",
    ]
    for framework in Framework:
        controls = controls_of([framework])
        lines += ["", f"## {TITLES[framework]}", "", f"{len(controls)} controls: `--framework {framework}`.", ""]
        lines += ["| control | requirement | source | checked by | severity | owner |", "|---|---|---|---|---|---|"]
        lines += [
            f"| `{one.id}` | {one.requirement} | {one.source} | {one.method} | {one.severity} | {one.owner} |"
            for one in controls
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
