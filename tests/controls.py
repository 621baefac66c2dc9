"""Generates docs/reference/controls.md: `python -m tests.controls`."""

from __future__ import annotations

from pathlib import Path

from orchestrator import environments
from orchestrator.domain.compliance.catalogue.controls import CONTROLS, controls_of
from orchestrator.domain.compliance.control import Framework
from tests.openid_conformance import REVISION, TESTS, ConformanceTest, Profile

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
    return "\n".join([*lines, *_openid_tests()]) + "\n"


def _openid_tests() -> list[str]:
    """The section of the OpenID Foundation's tests."""
    covered = sum(1 for one in TESTS if not one.reason)
    lines = [
        "",
        "## The OpenID Foundation's tests",
        "",
        f"The {len(TESTS)} test modules of the certification profiles *Basic OP* and *Config OP*, as of commit",
        f"`{REVISION[:12]}` of the",
        "[conformance suite](https://gitlab.com/openid/conformance-suite), and the controls that require the same.",
        f"{covered} of them are covered whole; each other one has the reason. The suite itself was not run against",
        "the service.",
    ]
    for profile in Profile:
        lines += ["", f"### {profile}", "", "| test module | requires | controls | reason |", "|---|---|---|---|"]
        lines += [_openid_test(one) for one in TESTS if one.profile is profile]
    return lines


def _openid_test(one: ConformanceTest) -> str:
    controls = ", ".join(f"`{name}`" for name in one.controls) or "none"
    return f"| `{one.name}` | {one.requires} | {controls} | {one.reason} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
