"""The first line of a process names the SDK that Lambda's runtime gave it: no release of ours changes that version."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import botocore
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "orchestrator": "from orchestrator.application.cloud import Cloud; Cloud.of_this_function(); Cloud.of_this_function",
    "service": "from service import aws_clients; aws_clients.dynamodb(); aws_clients.kms()",
}


def started(program, **variables):
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**inherited, "AWS_DEFAULT_REGION": "us-west-1", **variables}
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("package", PROGRAMS)
def test_a_function_logs_its_versions_once(package):
    (line,) = started(PROGRAMS[package], AWS_LAMBDA_FUNCTION_NAME="ib-oauth-function-test")
    assert (line["level"], line["message"]) == ("INFO", "function started")
    assert (line["python"], line["botocore"]) == (platform.python_version(), botocore.__version__)


def test_a_command_logs_nothing():
    assert started(PROGRAMS["orchestrator"]) == []
