"""Rows of a table of controls that share their framework, method, owner and remedy."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.domain.compliance.control import Control, Framework, Method, Owner, Severity

CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW

Row = Callable[[str, str, str, Severity], Control]


def oauth_rows(module: str) -> Row:
    """Return what makes a control of the OAuth framework from id, requirement, source and severity.

    Args:
        module: where the service implements it.
    """
    remedy = f"if the newest deployment caused it, orchestrator rollback; fix {module}, then deploy"

    def row(name: str, requirement: str, source: str, severity: Severity) -> Control:
        return Control(name, Framework.OAUTH, requirement, source, Method.HTTP, severity, Owner.SECURITY, remedy)

    return row


def template_rows(framework: Framework, remedy: str, owner: Owner = Owner.SECURITY) -> Row:
    """Return what makes a control that is checked in the templates."""

    def row(name: str, requirement: str, source: str, severity: Severity) -> Control:
        return Control(name, framework, requirement, source, Method.TEMPLATE, severity, owner, remedy)

    return row
