"""A command that fails because a resource does not exist names the runbook of the lost ledger."""

import pytest
import typer

from orchestrator.cli.actions.checks.examine import examine
from orchestrator.cli.errors import UNREACHABLE, report_errors
from tests.fakes.errors import client_error

RUNBOOK = "docs/runbooks/ledger-lost.md"


def printed(capsys, code):
    with pytest.raises(typer.Exit) as ended, report_errors(False):
        raise client_error(code)
    assert ended.value.exit_code == UNREACHABLE
    return capsys.readouterr().err


def test_a_missing_resource_is_reported_with_the_runbook(capsys):
    assert RUNBOOK in printed(capsys, "ResourceNotFoundException")


def test_any_other_rejection_is_not(capsys):
    assert RUNBOOK not in printed(capsys, "AccessDeniedException")


def test_the_doctor_does_not_advise_a_deployment_alone():
    def judge():
        raise client_error("ResourceNotFoundException")

    named = examine("drill", judge, "prod")
    assert RUNBOOK in str(named)
