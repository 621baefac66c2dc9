"""Every environment's own templates meet the controls of `orchestrator compliance`, or say by which setting they do not apply."""

import pytest

from orchestrator import environments
from orchestrator.cli.actions.compliance.gathering import LOG_GROUPS
from orchestrator.cli.actions.compliance.template_sources import STACKS, expectations_of, find_templates
from orchestrator.cli.context import Context
from orchestrator.domain.compliance.data_protection_checks import TEMPLATE_CHECKS
from orchestrator.domain.compliance.infrastructure_checks import CHECKS
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.compliance.templates import run_template_checks, subject_of


def templates_of(one):
    return find_templates(Context(environments.load(one.name), None), one.folder)


@pytest.mark.parametrize("name", ["prod", "dev", "local"])
def test_no_control_fails_and_production_is_excused_from_little(synthesised, name):
    templates = templates_of(synthesised(name))
    subject = subject_of(templates, expectations_of(environments.load(name)))
    results = run_template_checks({**CHECKS, **TEMPLATE_CHECKS}, subject)

    assert {f"ib-oauth-{stack}-{name}" for stack in STACKS} <= set(templates)
    assert {one.control: one.reason for one in results if one.status is Status.FAIL} == {}
    excused = {one.control for one in results if one.status is Status.NOT_APPLICABLE}
    if name == "prod":
        assert excused == {"infra-role-boundary", "infra-network-ingress", "infra-network-flow-logs"}


def test_the_retention_of_every_log_group_is_read_from_the_account(synthesised):
    subject = subject_of(templates_of(synthesised("prod")), expectations_of(environments.load("prod")))
    names = [str(group.get("LogGroupName")) for group in subject.of_kind("AWS::Logs::LogGroup")]

    assert len(names) > 60
    assert [name for name in names if not name.startswith(LOG_GROUPS) or not name.endswith("-prod")] == []
