"""The loss of a region: rehearsed as a user rehearses it, and the runbook's commands held to the plan."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.domain.recovery import Role
from orchestrator.domain.region_loss import Copy, Deed, Facts, Looked, plan
from tests.e2e.runbook import Runbook

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FACTS = Facts(
    environment="prod",
    home="us-west-1",
    region="us-east-2",
    account=None,
    copies_to="us-east-2",
    domain="login.example.com",
    looked=(Looked("dynamodb", ""),),
    copies=tuple(Copy(role, "arn:aws:dynamodb:us-east-2:…", NOW - timedelta(hours=1)) for role in Role),
    now=NOW,
)


def commands(blocks: list[str]) -> list[list[str]]:
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


def test_the_runbook_s_commands_are_those_of_the_plan():
    """Every command of the runbook is one of the plan's, in the plan's order; the plan's for the other table are the same with its name."""
    shown = ["orchestrator", "rehearse", "region-loss", "--env", "prod", "--plan"]
    written = [command for command in commands(Runbook("region-loss", {}).blocks) if command != shown]
    planned = [step for step in plan(FACTS).steps if step.deed is not Deed.SETTLE]
    wanted = [shlex.split(command) for step in planned for command in step.commands]
    of_the_other = [command for command in wanted if f"ib-oauth-state-prod-{NOW:%Y%m%d%H%M}" in command]

    assert written == [command for command in wanted if command not in of_the_other]
    assert {tuple(command[:3]) for command in of_the_other} <= {tuple(command[:3]) for command in written}


def test_the_runbook_s_settings_are_those_of_the_plan():
    page = (ROOT / "docs/runbooks/region-loss.md").read_text(encoding="utf-8")
    step = re.search(r"^5\. .*?^6\.", page, re.DOTALL | re.MULTILINE)[0]
    keys = {setting.key for setting in plan(FACTS).settings}
    assert keys == {"region", "lost_region", "copy_region", "state", "tokens"}
    assert all(told in step for told in ("`region`", "`lost_region`", "two tables", "copied to"))
    assert "copy_region" not in {setting.key for setting in plan(replace(FACTS, copies_to=None)).settings}


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_with_every_call_to_the_home_region_denied_the_plan_runs_to_its_end():
    command = [sys.executable, "-m", "orchestrator", "rehearse", "region-loss", "--json"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=850)
    assert finished.returncode == 0, finished.stderr

    report = json.loads(finished.stdout)
    assert [done["deed"] for done in report["done"]] == [deed.value for deed in Deed]
    outcomes = {done["deed"]: done["outcome"] for done in report["done"]}
    assert "none answered" in outcomes["CONFIRM"]
    assert outcomes["VERIFY"].startswith("new logins work, the registered client is known")
    assert report["evidence"].startswith("ib-oauth-evidence-local-000000000000-us-east-2/configuration/")
    needs = {step["deed"]: step["needs"] for step in report["plan"]["steps"]}
    assert needs["RESTORE"] == ["copied backups"]
