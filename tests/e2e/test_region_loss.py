"""The loss of a region: rehearsed as a user rehearses it, and the runbook's commands held to the plan."""

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestrator.domain.deployment.policy import CHECKLIST
from orchestrator.domain.failover.issuing_region import IssuingAssignment, IssuingLease, grant_lease
from orchestrator.domain.failover.manual_plan import (
    CrossRegionBackup,
    FailoverInputs,
    RegionProbe,
    StepKind,
    plan_failover,
)
from orchestrator.domain.failover.steps import STEPS_BACK
from orchestrator.domain.recovery.record import Role
from tests.e2e.runbook import Runbook

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FACTS = FailoverInputs(
    environment="prod",
    home="us-west-1",
    region="us-east-2",
    account=None,
    copy_region="us-east-2",
    domain="login.example.com",
    probes=(RegionProbe("dynamodb", ""),),
    backups=tuple(CrossRegionBackup(role, "arn:aws:dynamodb:us-east-2:…", NOW - timedelta(hours=1)) for role in Role),
    now=NOW,
    checklist=CHECKLIST,
)


def commands(blocks: list[str]) -> list[list[str]]:
    lines = (line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line)
    return [shlex.split(line) for line in lines]


def test_the_runbook_s_commands_are_those_of_the_plan():
    """Every command of the runbook is one of the plan's, in the plan's order; the plan's for the other table are the same with its name."""
    shown = ["orchestrator", "failover", "plan", "--env", "prod"]
    # The plan is about the region. The incident goes on in the new ledger, because the one that had it is lost. What
    # lets the new region issue tokens, and the records of clients, are only for environments with a standby region.
    incident, clients, ledger = ["orchestrator", "incident"], ["orchestrator", "clients"], "ib-oauth-ledger-prod"
    written = [
        command
        for command in commands(Runbook("region-failover-manual", {}).blocks)
        if command != shown
        and command[:2] not in (incident, clients)
        and ledger not in command
        and not command[0].startswith("VALUES=")
    ]
    planned = [step for step in plan_failover(FACTS).steps if step.kind is not StepKind.UPDATE_SETTINGS]
    wanted = [shlex.split(command) for step in planned for command in step.commands]
    of_the_other = [
        command for command in wanted if f"ib-oauth-restored-failover-{NOW:%Y%m%d%H%M}-state-prod" in command
    ]

    assert written == [command for command in wanted if command not in of_the_other]
    assert {tuple(command[:3]) for command in of_the_other} <= {tuple(command[:3]) for command in written}


def test_the_assignment_that_the_runbook_writes_is_one_that_the_new_region_reads():
    (block,) = [block for block in Runbook("region-failover-manual", {}).blocks if "issuing-assignment" in block]
    (line,) = [line for line in block.splitlines() if line.startswith("VALUES=")]
    values = json.loads(shlex.split(line)[0].removeprefix("VALUES=").replace("EPOCH", "2"))
    body = values[":body"]["S"]

    waiting = msgspec.json.decode(body, type=IssuingAssignment)
    active = msgspec.json.decode(body.replace('"active": false', '"active": true'), type=IssuingAssignment)
    lease = timedelta(minutes=15)
    assert grant_lease(waiting, "us-east-2", NOW, lease) is None
    assert grant_lease(active, "us-east-2", NOW, lease) == IssuingLease(2, NOW + lease)
    assert grant_lease(active, "us-west-1", NOW, lease) is None


def test_the_runbook_s_settings_are_those_of_the_plan():
    page = (ROOT / "docs/runbooks/region-failover-manual.md").read_text(encoding="utf-8")
    step = re.search(r"^5\. .*?^6\.", page, re.DOTALL | re.MULTILINE)[0]
    keys = {setting.key for setting in plan_failover(FACTS).settings}
    assert keys == {"region", "lost_region", "state", "tokens"}
    assert all(named in step for named in ("`region`", "`lost_region`", "two tables", "`backups.copy_region`"))


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_with_every_call_to_the_home_region_denied_the_plan_runs_to_its_end():
    command = [sys.executable, "-m", "orchestrator", "failover", "rehearse", "--manual", "--json"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=850)
    assert finished.returncode == 0, finished.stderr

    report = json.loads(finished.stdout)
    assert [step["kind"] for step in report["steps"]] == [kind.value for kind in StepKind]
    outcomes = {step["kind"]: step["outcome"] for step in report["steps"]}
    assert "none responded" in outcomes["CONFIRM"]
    assert outcomes["VERIFY"].startswith("new logins work, the registered client is known")
    assert report["evidence"].startswith("ib-oauth-evidence-local-000000000000-us-east-2/configuration/")
    needs = {step["kind"]: step["needs"] for step in report["plan"]["steps"]}
    assert needs["RESTORE"] == ["copied backups"]


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_after_a_failover_the_service_goes_back_with_all_that_was_written():
    command = [sys.executable, "-m", "orchestrator", "failover", "rehearse", "--back", "--json"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=850)
    assert finished.returncode == 0, finished.stderr

    back = json.loads(finished.stdout)["back"]
    assert [result["step"] for result in back["failover"]["results"]] == [step.value for step in STEPS_BACK]
    assert (back["failover"]["home"], back["failover"]["region"]) == ("us-east-2", "us-west-1")
    assert back["rows_only_at_home"] >= 1
