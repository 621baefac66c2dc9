"""`orchestrator up` where the local cloud runs already."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.cli.actions import local
from orchestrator.cli.errors import FAILED, REFUSED
from orchestrator.cli.main import app
from orchestrator.local.cdk_deploy import EVERYTHING, DeployFailed

RUN = CliRunner()
PLATFORM = "http://127.0.0.1:4711"


@pytest.fixture
def deployed(monkeypatch):
    """What was deployed to a local cloud that runs."""
    deployed = []
    running = SimpleNamespace(endpoint_url="http://127.0.0.1:1", pid=1, environ={})
    platforms = json.dumps({"demo": {"url": PLATFORM, "title": "Demo"}})
    described = SimpleNamespace(configuration={"Environment": {"Variables": {"PLATFORMS": platforms}}})
    cloud = SimpleNamespace(versions=SimpleNamespace(describe_version=lambda _: described))
    monkeypatch.setattr(local.LocalCloud, "find", lambda _: running)
    monkeypatch.setattr(local.deployed_environment, "cloud_for", lambda _: cloud)
    monkeypatch.setattr(
        local.cdk_deploy, "deploy", lambda _cloud, _environment, release, **params: deployed.append((release, params))
    )
    return deployed


def test_the_stacks_are_deployed_again_with_the_login_platform_that_there_is(deployed):
    assert RUN.invoke(app, ["up"]).exit_code == 0
    assert deployed == [(None, {"platform_url": PLATFORM, "stacks": EVERYTHING})]


def test_another_release_is_laid_over_the_service(deployed, tmp_path):
    answer = RUN.invoke(app, ["up", "--release", str(tmp_path)])
    assert "`orchestrator deploy` deploys the changes" in answer.output
    assert deployed[0][0] == tmp_path


@pytest.mark.parametrize("options", [("--profile", "aws-timing"), ("--seed", "7"), ("--restore-seconds", "3")])
def test_what_would_be_another_local_cloud_is_refused(deployed, options):
    answer = RUN.invoke(app, ["up", *options])
    assert answer.exit_code == REFUSED
    assert options[0] in answer.output
    assert deployed == []


@pytest.mark.parametrize("options", [("--release", "nowhere"), ("--profile", "slow")])
def test_what_there_is_not_is_refused_before_anything_is_deployed(deployed, options):
    answer = RUN.invoke(app, ["up", *options])
    assert answer.exit_code == REFUSED
    assert options[1] in answer.output
    assert deployed == []


def test_what_the_deployment_said_is_printed_and_is_a_failure(deployed, monkeypatch):
    def failing(*_args, **_params):
        raise DeployFailed("cdk deploy ended with 1: no such key")

    monkeypatch.setattr(local.cdk_deploy, "deploy", failing)
    answer = RUN.invoke(app, ["up"])
    assert (answer.exit_code, "no such key" in answer.output) == (FAILED, True)
