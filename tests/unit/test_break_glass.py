"""The commands of the break-glass runbook that find out where the aliases go, against an AWS command line that answers from a ledger."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    Rollback,
    RollbackTrigger,
    Shift,
    Side,
)
from tests.e2e.runbook import Runbook
from tests.samples import NOW, deployment, functions

REVERT = 3
"""The block of the runbook that writes the aliases."""

AWS = """#!/bin/sh
echo "$*" >> "$FOLDER/calls"
case "$*" in
  "dynamodb query"*) cat "$FOLDER/history" ;;
  "dynamodb get-item"*) for one in $(cat "$FOLDER/names"); do
      case "$*" in *"deployment#$one"*) cat "$FOLDER/$one" ;; esac; done ;;
  "lambda get-function-configuration"*"--qualifier $LOST "*) exit 254 ;;
esac
"""

SHIPPED = deployment(
    functions=functions("14", "15"),
    shifts=(Shift(0, 10, NOW),),
    phase=DeploymentPhase.ENDED,
    outcome=DeploymentOutcome.SUCCEEDED,
    ended_at=NOW,
)
REFUSED = replace(
    SHIPPED, id="d-refused", shifts=(), functions=functions("27", "27"), outcome=DeploymentOutcome.REFUSED
)
BEFORE_TRAFFIC = replace(
    SHIPPED,
    id="d-rejected",
    shifts=(),
    functions=functions("15", "16"),
    outcome=DeploymentOutcome.ROLLED_BACK,
    rollback=Rollback(RollbackTrigger("verdict", "before traffic", NOW)),
)
KEPT = replace(
    SHIPPED,
    outcome=DeploymentOutcome.ROLLED_BACK,
    rollback=Rollback(RollbackTrigger("alarm", "it fired", NOW), traffic_to=Side.CANARY),
)
REPAIR = replace(SHIPPED, id="d-repair", shifts=(), repair=True, functions=functions("12", "15"))


def revert(folder, records, missing="none"):
    """Run the block; returns what it printed and the versions that it wrote, by function."""
    (folder / "aws").write_text(AWS)
    (folder / "aws").chmod(0o755)
    (folder / "history").write_text("\t".join(f'"{record.id}"' for record in records) + "\n")
    (folder / "names").write_text(" ".join(record.id for record in records))
    for record in records:
        (folder / record.id).write_bytes(msgspec.json.encode(record))
    path = f"{folder}:{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", Runbook("break-glass", {"ENV=prod": "ENV=test"}).blocks[REVERT]],
        env={"PATH": path, "FOLDER": str(folder), "LOST": missing, "ENV": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    calls = (folder / "calls").read_text().splitlines()
    written = [call.split() for call in calls if call.startswith("lambda update-alias")]
    return done.stdout, {
        call[call.index("--function-name") + 1]: call[call.index("--function-version") + 1] for call in written
    }


def everywhere(version):
    return {f"ib-oauth-{name}-test": version for name in ("authorize", "token", "public")}


@pytest.mark.parametrize(
    ("records", "version"),
    [
        ([SHIPPED], "14"),
        ([REFUSED, SHIPPED], "14"),
        ([REFUSED, REFUSED, BEFORE_TRAFFIC, SHIPPED], "14"),
        ([REFUSED, KEPT], "15"),
        ([REFUSED, REPAIR, SHIPPED], "12"),
    ],
    ids=["shipped", "refused since", "many since", "canary kept", "repaired"],
)
def test_the_aliases_go_to_the_last_live_state_and_not_to_the_newest_record(tmp_path, records, version):
    printed, written = revert(tmp_path, records)
    assert written == everywhere(version)
    assert f"token: version {version}" in printed


@pytest.mark.parametrize("records", [[SHIPPED], [REFUSED, KEPT]], ids=["stable", "canary kept"])
def test_no_alias_is_written_if_a_version_is_missing(tmp_path, records):
    printed, written = revert(tmp_path, records, missing="15" if records[-1] is KEPT else "14")
    assert written == {}
    assert "nothing is written, missing:" in printed


def test_no_alias_is_written_if_no_deployment_moved_traffic(tmp_path):
    printed, written = revert(tmp_path, [REFUSED])
    assert written == {}
    assert "a deployment that moved traffic" in printed
