"""Who is permitted follows the settings file while the console runs."""

from __future__ import annotations

import shutil

import pytest

from orchestrator import environments
from orchestrator.console.sign_in.permitted import PermittedPersons
from orchestrator.environments.project import NAME, TEMPLATE

TABLE = """
[local.console]
client_id = "console"
viewers = [{viewers}]
operators = ["demo:ada"]
session_hours = {hours}
"""
CLIENT = """
[[local.service.clients]]
client_id = "console"
name = "Console"
redirect_uris = ["http://127.0.0.1/signed-in"]
scopes = ["profile", "console:viewer", "console:operator"]
"""


@pytest.fixture
def file(tmp_path):
    found = tmp_path / NAME
    shutil.copy(TEMPLATE, found)
    return found


def write(file, viewers="", hours=8):
    text = TEMPLATE.read_text(encoding="utf-8")
    file.write_text(f"{text}{CLIENT}{TABLE.format(viewers=viewers, hours=hours)}", encoding="utf-8")


def started(file):
    settings = environments.load("local", file).console
    assert settings is not None
    return PermittedPersons(file, "local", settings)


def test_a_person_who_is_added_or_removed_counts_at_once(file):
    write(file)
    permitted = started(file)
    assert permitted().permitted_role("demo:grace") is None
    write(file, '"demo:grace"')
    assert permitted().permitted_role("demo:grace") == "viewer"
    write(file)
    assert permitted().permitted_role("demo:grace") is None
    assert permitted().permitted_role("demo:ada") == "operator"


def test_the_length_of_a_session_stays_that_of_the_start(file):
    write(file, hours=8)
    permitted = started(file)
    write(file, '"demo:grace"', hours=2)
    assert (permitted().session_hours, permitted().viewers) == (8, ("demo:grace",))


def test_without_the_table_no_person_is_permitted(file):
    write(file, '"demo:grace"')
    permitted = started(file)
    shutil.copy(TEMPLATE, file)
    assert (permitted().viewers, permitted().operators) == ((), ())


@pytest.mark.parametrize("broken", ["no TOML", None], ids=["malformed", "missing"])
def test_while_the_file_cannot_be_read_the_last_lists_count(file, broken):
    write(file, '"demo:grace"')
    permitted = started(file)
    assert permitted().viewers == ("demo:grace",)
    if broken is None:
        file.unlink()
    else:
        file.write_text(broken, encoding="utf-8")
    assert permitted().viewers == ("demo:grace",)
    write(file)
    assert permitted().viewers == ()


def test_an_unchanged_file_is_read_once(file, monkeypatch):
    write(file)
    permitted = started(file)
    permitted()
    monkeypatch.setattr(environments, "load", None)
    assert permitted().operators == ("demo:ada",)
