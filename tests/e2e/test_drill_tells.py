"""A drill tells a cloud that restores from one that only says so.

MiniStack by itself copies the source as it is now, whatever the time that is asked for, and has the copy at once. (Without any mend it cannot
even have the stacks.)
"""

import json
import subprocess
import sys

import pytest

import environments
from orchestrator.local import platform, stacks
from orchestrator.local.cloud import LocalCloud
from orchestrator.local.fidelity import MENDS
from orchestrator.local.oauth_client import LOCAL_CLIENTS
from orchestrator.local.rehearsal import player
from orchestrator.local.stage import ENVIRONMENT, cloud_at, stack_output

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]
OF_RESTORES = {"restoring_tables", "point_in_time_recovery", "table_backups"}
GREEN, RED = 0, 1


@pytest.mark.parametrize(
    ("mends", "code"),
    [(MENDS, GREEN), (tuple(mend for mend in MENDS if mend not in OF_RESTORES), RED)],
    ids=["restores as on AWS", "restores of MiniStack"],
)
def test_a_drill_is_green_where_restores_are_as_on_aws_and_red_where_they_are_not(tmp_path, mends, code):
    with platform.serve() as platform_url, LocalCloud.start(tmp_path / ".local", mends=mends) as local:
        both = (stacks.SERVICE, stacks.ORCHESTRATOR)
        stacks.deploy(local, environments.load(ENVIRONMENT), platform_url=platform_url, stacks=both)
        api_url = stack_output(cloud_at(local.environ), stacks.SERVICE, "ApiUrl").rstrip("/")
        with player(api_url, platform_url) as plays:
            assert all(plays.log_in(client) for client in LOCAL_CLIENTS)
        command = [sys.executable, "-m", "orchestrator", "drill", "--watch", "--json"]
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)

    assert finished.returncode == code, finished.stdout + finished.stderr
    findings = json.loads(finished.stdout)["recovery"]["findings"]
    failed = [one["check"] for one in findings if one["verdict"]["outcome"] != "PASS"]
    if code == GREEN:
        assert failed == []
    else:
        assert any(check.startswith(("restore.", "content.")) for check in failed), findings
