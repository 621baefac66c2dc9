"""A rehearsal has a cloud of its own: its settings name the tables of that cloud, whatever was restored before."""

from __future__ import annotations

import pytest

from orchestrator import environments
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.local import failover_rehearsal
from orchestrator.local.deployed_environment import local_environment, original_settings
from orchestrator.local.rehearsal.stage import stage_settings

DOCUMENT = environments.settings_file().read_text(encoding="utf-8")
RESTORED = f"""{DOCUMENT}
[local.service.tables]
state = "ib-oauth-restored-state-1"
tokens = "ib-oauth-restored-tokens-1"
least_epoch = 3
"""


def loaded(folder, document: str) -> environments.Environment:
    file = folder / "stage.toml"
    file.write_text(document, encoding="utf-8")
    return environments.load("local", file)


def test_a_stage_has_the_tables_that_the_stack_creates_and_protects_them(tmp_path):
    environment = loaded(tmp_path, stage_settings(RESTORED))

    assert environment.service == environments.load("local").service
    assert environment.deletion_protection


def test_a_rehearsed_failover_has_the_tables_that_the_stack_creates(tmp_path, monkeypatch):
    (tmp_path / "project.toml").write_text(RESTORED, encoding="utf-8")
    monkeypatch.setenv("ORCHESTRATOR_SETTINGS", str(tmp_path / "project.toml"))

    file = failover_rehearsal._settings_with_standby(tmp_path, "us-east-2")

    service = environments.load("local", file).service
    assert (service.state_table, service.tokens_table) == ("ib-oauth-state-local", "ib-oauth-tokens-local")
    assert service.least_epoch == 0


def test_a_rehearsal_of_the_manual_plan_has_them_too_and_the_project_keeps_its_settings(tmp_path, monkeypatch):
    project = tmp_path / "project.toml"
    project.write_text(RESTORED, encoding="utf-8")
    monkeypatch.setenv("ORCHESTRATOR_SETTINGS", str(project))

    with original_settings(tmp_path / "cloud"):
        assert environments.load("local").service.least_epoch == 0

    assert environments.load("local").service.least_epoch == 3
    assert project.read_text(encoding="utf-8") == RESTORED
    project.write_text(DOCUMENT, encoding="utf-8")
    with original_settings(tmp_path / "cloud"):
        assert environments.settings_file() == project


def test_another_new_local_environment_refuses_settings_of_restored_tables_before_it_starts_anything(tmp_path):
    (tmp_path / "project.toml").write_text(RESTORED, encoding="utf-8")

    with (
        pytest.raises(EnvironmentRefused, match=r"local\.service\.tables\.state: 'ib-oauth-restored-state-1'"),
        local_environment(tmp_path / "cloud", settings=tmp_path / "project.toml"),
    ):
        pass

    assert not (tmp_path / "cloud").exists()
