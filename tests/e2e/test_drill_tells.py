"""A drill distinguishes a cloud that restores from one that only says so.

MiniStack by itself copies the source as it is now, whatever the time that is asked for, and has the copy at once. (Without any patch it cannot
even have the stacks.)
"""

import json
import shutil
import subprocess
import sys

import pytest

from orchestrator import environments
from orchestrator.local import cdk_deploy, identity_provider
from orchestrator.local.cloud import LocalCloud
from orchestrator.local.deployed_environment import ENVIRONMENT, cloud_for, stack_output
from orchestrator.local.emulator import PATCHES
from orchestrator.local.oauth_client import LOCAL_CLIENTS
from orchestrator.local.rehearsal_clients import connect

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]
OF_RESTORES = {"dynamodb.restore_status", "dynamodb.point_in_time_recovery", "dynamodb.backups"}
GREEN, RED = 0, 1


@pytest.mark.parametrize(
    ("patches", "code"),
    [(PATCHES, GREEN), (tuple(patch for patch in PATCHES if patch not in OF_RESTORES), RED)],
    ids=["restores as on AWS", "restores of MiniStack"],
)
def test_a_drill_is_green_where_restores_are_as_on_aws_and_red_where_they_are_not(tmp_path, patches, code):
    with identity_provider.serve() as platform_url, LocalCloud.start(tmp_path / ".local", patches=patches) as local:
        both = (cdk_deploy.SERVICE, cdk_deploy.ORCHESTRATOR)
        cdk_deploy.deploy(local, environments.load(ENVIRONMENT), platform_url=platform_url, stacks=both)
        api_url = stack_output(cloud_for(local.environ), cdk_deploy.SERVICE, "ApiUrl").rstrip("/")
        with connect(api_url, platform_url) as plays:
            assert all(plays.log_in(client) for client in LOCAL_CLIENTS)
        shutil.copy(environments.settings_file(), tmp_path)
        command = [sys.executable, "-m", "orchestrator", "drill", "--watch", "--json"]
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)

    assert finished.returncode == code, finished.stdout + finished.stderr
    findings = json.loads(finished.stdout.splitlines()[-1])["recovery"]["check_results"]
    failed = [one["check"] for one in findings if one["verdict"]["outcome"] != "PASS"]
    if code == GREEN:
        assert failed == []
    else:
        assert any(check.startswith(("restore.", "content.")) for check in failed), findings
