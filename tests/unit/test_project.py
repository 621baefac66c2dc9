"""The project is the folder of the nearest settings file, and what is built and the local cloud's state belong to it."""

from __future__ import annotations

import os
import shutil

import pytest

from orchestrator import environments
from orchestrator.environments import EnvironmentRefused, project


@pytest.fixture(autouse=True)
def unnamed(monkeypatch):
    monkeypatch.delenv(project.VARIABLE, raising=False)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A project with a folder in it, which is the current folder."""
    shutil.copy(project.TEMPLATE, tmp_path / project.NAME)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return tmp_path


def test_the_template_is_the_settings_of_the_clone():
    assert project.TEMPLATE.read_bytes() == environments.settings_file().read_bytes()


def test_the_settings_are_those_of_the_nearest_folder_above(made):
    assert environments.settings_file() == made / project.NAME
    nearer = made / "a" / project.NAME
    nearer.write_text("[defaults]\n")
    assert environments.settings_file() == nearer


def test_state_and_builds_belong_to_the_project_and_not_to_the_current_folder(made):
    assert project.local_folder() == made / ".local"
    assert project.build_folder() == made / "build"


def test_a_folder_of_that_name_is_no_settings_file(made):
    (made / "a" / project.NAME).mkdir()
    assert environments.settings_file() == made / project.NAME


def test_without_settings_the_error_names_the_folder_and_both_remedies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EnvironmentRefused) as refused:
        environments.names()
    assert str(tmp_path) in str(refused.value.value)
    assert "orchestrator init" in refused.value.remedy
    assert "--settings FILE" in refused.value.remedy


def test_a_named_file_is_used_whatever_it_is_called_and_its_folder_is_the_project(made, tmp_path, monkeypatch):
    other = tmp_path / "other" / "production.toml"
    other.parent.mkdir()
    shutil.copy(project.TEMPLATE, other)
    monkeypatch.setenv(project.VARIABLE, str(other))
    assert environments.settings_file() == other
    assert project.local_folder() == other.parent / ".local"
    assert environments.load("local").local


def test_a_named_file_that_is_not_there_is_refused_and_the_nearest_is_not_used(made, monkeypatch):
    monkeypatch.setenv(project.VARIABLE, "nowhere.toml")
    with pytest.raises(EnvironmentRefused, match=r"nowhere\.toml.*name an existing file"):
        environments.names()


@pytest.mark.parametrize("value", ["", "  "])
def test_a_variable_without_a_value_names_nothing(made, monkeypatch, value):
    monkeypatch.setenv(project.VARIABLE, value)
    assert environments.settings_file() == made / project.NAME


@pytest.mark.parametrize("former", [None, "former.toml"])
def test_a_selection_ends_with_the_command(made, monkeypatch, former):
    if former:
        monkeypatch.setenv(project.VARIABLE, former)
    with project.selected(made / "chosen.toml"):
        assert os.environ[project.VARIABLE] == str(made / "chosen.toml")
    assert os.environ.get(project.VARIABLE) == former
    with project.selected(None):
        assert os.environ.get(project.VARIABLE) == former
