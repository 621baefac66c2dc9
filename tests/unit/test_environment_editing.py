"""A value of environments.toml is changed, and nothing else of it."""

import difflib
import tomllib
from datetime import UTC, datetime

import pytest

from orchestrator import environments
from orchestrator.domain.failover.manual_plan import CrossRegionBackup, FailoverInputs, plan_failover
from orchestrator.domain.recovery.record import Role
from orchestrator.environments import toml_editor
from orchestrator.environments.toml_editor import read_exactly, with_original_tables, with_value, write_in_place

DOCUMENT = """# what it says
[defaults]
region = "us-west-1"   # where

[prod]
[prod.service]
issuer = "https://x.example"
[[prod.service.clients]]
client_id = "one"

[local]
region = "us-east-1"
"""


def test_a_value_that_is_there_is_replaced_and_its_comment_stays():
    changed = with_value(DOCUMENT, "defaults", "region", "us-east-2")
    assert changed == DOCUMENT.replace('"us-west-1"', '"us-east-2"')


def test_a_key_that_is_not_there_is_put_at_the_top_of_its_table():
    changed = with_value(DOCUMENT, "prod", "region", "us-east-2")
    assert changed == DOCUMENT.replace("[prod]\n", '[prod]\nregion = "us-east-2"\n')
    found = tomllib.loads(with_value(changed, "prod.service", "state_table", "restored"))
    assert found["prod"]["service"]["state_table"] == "restored"
    assert found["prod"]["service"]["clients"] == [{"client_id": "one"}]
    assert found["local"] == {"region": "us-east-1"}


def test_a_table_that_is_not_there_is_put_at_the_end():
    changed = with_value(DOCUMENT, "prod.recovery", "region", "us-east-2")
    assert changed == DOCUMENT + '\n[prod.recovery]\nregion = "us-east-2"\n'


VALUES = [
    # the line, and what stands there afterwards
    ('state = "a"   # why\n', 'state = "x"   # why\n'),
    ("state = 'a'\n", 'state = "x"\n'),
    ("state = '''a''' # why\n", 'state = "x" # why\n'),
    ('"state" =  3\n', '"state" =  "x"\n'),
    ("state=true\n", 'state="x"\n'),
]
PLACES = [
    "[prod.service.tables]\n{}z = 1\n",
    "[ prod . service . 'tables' ]   # spaced\nz = 1\n{}[prod.delivery]\n",
    "[prod.service]\ntables.{}z = 1\n",
    "prod.service.tables.{}\n[dev]\n",
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("old", "new"), VALUES, ids=lambda line: line.strip())
@pytest.mark.parametrize("place", PLACES)
def test_a_value_in_any_form_is_replaced_and_every_other_character_stays(place, old, new, newline):
    around = 'text = """\n[prod.service.tables]\nstate = "no table"\n"""\n[x]\ny = 1\n\n# about prod\n{}\n\n[other]\nz = "\u2028"\n'
    if not place.startswith("["):
        around = "{}" + around.partition("[x]")[2].replace("{}", "")
    document, expected = (around.replace("{}", place.replace("{}", line)) for line in (old, new))

    changed = with_value(document.replace("\n", newline), "prod.service.tables", "state", "x")

    assert changed == expected.replace("\n", newline)


INLINE = "[qa]\nservice = { issuer = 'stage', tables = { state = 'a' } }   # of one line\n"


def test_a_table_that_is_stated_inline_is_edited_inline():
    changed = with_value(INLINE, "qa.service.tables", "state", "x")
    assert changed == INLINE.replace("'a'", '"x"')
    added = with_value(changed, "qa.service.tables", "least_epoch", 3)
    assert tomllib.loads(added)["qa"]["service"]["tables"] == {"state": "x", "least_epoch": 3}
    assert added.endswith("   # of one line\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    ("table", "key"), [("prod", "region"), ("prod.service", "state"), ("new.table", "x"), ("local", "y")]
)
@pytest.mark.parametrize("end", ["\n", "", "\n\n"], ids=["one", "none", "blank"])
def test_only_the_new_lines_are_added_and_they_end_as_their_neighbours(table, key, newline, end):
    document = (DOCUMENT.rstrip() + end).replace("\n", newline)

    changed = with_value(document, table, key, "x")

    lines = document.splitlines(keepends=True)
    for line in changed.splitlines(keepends=True):
        if lines and line == lines[0]:
            lines.pop(0)
        else:
            assert line in {f'{key} = "x"{newline}', f"[{table}]{newline}", newline} or line == lines.pop(0) + newline
    assert not lines
    assert newline == "\n" or "\n" not in changed.replace("\r\n", "")


@pytest.mark.parametrize("name", environments.names())
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_file_of_ours_changes_by_the_wanted_lines_alone(name, newline):
    document = environments.settings_file().read_text(encoding="utf-8").replace("\n", newline)
    changed = with_value(with_value(document, name, "lost_region", "us-east-1"), f"{name}.service.tables", "state", "x")
    added = [line for line in difflib.ndiff(document.split("\n"), changed.split("\n")) if line[0] in "+-"]
    stated = [line.rstrip("\r") for line in added if line.strip() != "+"]
    assert stated == ['+ lost_region = "us-east-1"', f"+ [{name}.service.tables]", '+ state = "x"']
    assert len(added) == len(stated) + 1


@pytest.mark.parametrize(
    "document",
    [DOCUMENT.replace('issuer = "https://x.example"', "tables = 3"), DOCUMENT + "[[prod.service.tables]]\nz = 1\n"],
    ids=["a number", "an array"],
)
def test_what_is_not_a_table_is_refused(document):
    with pytest.raises(environments.EnvironmentRefused, match="manually"):
        with_value(document, "prod.service.tables", "state", "x")


def test_a_document_that_is_not_toml_is_refused():
    with pytest.raises(environments.EnvironmentRefused, match="correct the TOML syntax"):
        with_value("[prod\n", "prod", "region", "us-east-1")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    (file := tmp_path / "environments.toml").write_bytes(b"owner = '\xff'\n")
    with pytest.raises(environments.EnvironmentRefused, match="encode it in UTF-8"):
        read_exactly(file)


def test_the_file_stays_the_same_file(tmp_path):
    folder, here = tmp_path / "elsewhere", tmp_path / "environments.toml"
    folder.mkdir()
    (real := folder / "real.toml").write_bytes(b"[prod]\r\n")
    real.chmod(0o660)
    (other := folder / "other.toml").hardlink_to(real)
    here.symlink_to(real)
    before = real.stat()

    write_in_place(here, "[x]\r\n")

    after = real.stat()
    assert here.is_symlink()
    assert other.read_bytes() == b"[x]\r\n"
    assert (after.st_ino, after.st_mode, after.st_uid, after.st_gid) == (
        before.st_ino, before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip
    assert sorted(one.name for one in folder.iterdir()) == ["other.toml", "real.toml"]


def test_what_stood_there_stands_there_if_the_disk_is_full(tmp_path, monkeypatch):
    (file := tmp_path / "environments.toml").write_text("[prod]\nregion = 1\n")
    overwrite, calls = toml_editor._overwrite, []

    def full(stream, content):
        calls.append(content)
        if len(calls) == 1:
            overwrite(stream, content[:3])
            raise OSError(28, "No space left on device")
        overwrite(stream, content)

    monkeypatch.setattr(toml_editor, "_overwrite", full)
    with pytest.raises(OSError, match="No space"):
        write_in_place(file, "[other]\n")
    assert file.read_text() == "[prod]\nregion = 1\n"


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_of_ours_can_be_moved(name, tmp_path):
    document = environments.settings_file().read_text(encoding="utf-8")
    for table, key, value in (
        (name, "region", "us-east-2"),
        (name, "lost_region", "us-west-1"),
        (f"{name}.backups", "copy_region", "eu-west-1"),
        (f"{name}.service.tables", "state", f"ib-oauth-state-{name}-x"),
        (f"{name}.service.tables", "least_epoch", 2),
        (f"{name}.service.tables", "least_epoch", 3),
    ):
        document = with_value(document, table, key, value)
    file = tmp_path / "environments.toml"
    file.write_text(document, encoding="utf-8")

    moved = environments.load(name, file)
    assert (moved.region, moved.lost_region) == ("us-east-2", "us-west-1")
    assert (moved.service.state_table, moved.service.least_epoch) == (f"ib-oauth-state-{name}-x", 3)
    others = [other for other in environments.names() if other != name]
    assert [environments.load(other, file) for other in others] == [environments.load(other) for other in others]


def test_production_accepts_the_settings_of_its_failover_plan(tmp_path):
    now, home = datetime(2026, 11, 24, 3, tzinfo=UTC), environments.load("prod")
    plan = plan_failover(
        FailoverInputs(
            environment="prod",
            home=home.region,
            region="us-east-2",
            account=None,
            copy_region=home.backups.copy_region,
            domain=None,
            probes=(),
            backups=tuple(CrossRegionBackup(role, "arn:aws:dynamodb:us-east-2:…", now) for role in Role),
            now=now,
            assumed=True,
        )
    )
    document = environments.settings_file().read_text(encoding="utf-8")
    for setting in plan.settings:
        document = with_value(document, setting.table, setting.key, setting.value)
    file = tmp_path / "environments.toml"
    file.write_text(document, encoding="utf-8")

    moved = environments.load("prod", file)
    assert home.backups.copy_region == "us-east-2"
    assert (moved.region, moved.lost_region, moved.backups.copy_region) == ("us-east-2", "us-west-1", None)


def test_the_lost_region_is_another_one(tmp_path):
    file = tmp_path / "environments.toml"
    document = environments.settings_file().read_text(encoding="utf-8")
    file.write_text(with_value(document, "prod", "lost_region", "us-west-1"), encoding="utf-8")
    with pytest.raises(environments.EnvironmentRefused, match="give the lost region"):
        environments.load("prod", file)


RESTORED = """
[local.service.tables]
state = "ib-oauth-restored-state-1"   # of the restore
tokens = "ib-oauth-restored-tokens-1"
least_epoch = 3
"""


def test_settings_of_a_new_cloud_name_the_tables_that_the_stack_creates(tmp_path):
    document = environments.settings_file().read_text(encoding="utf-8")
    file = tmp_path / "environments.toml"
    file.write_text(with_original_tables(document + RESTORED, "local"), encoding="utf-8")

    assert with_original_tables(document, "local") == document
    assert "# of the restore" in file.read_text(encoding="utf-8")
    assert environments.load("local", file).service == environments.load("local").service


@pytest.mark.parametrize("table", ["defaults", "local"])
def test_a_single_setting_of_restored_tables_is_replaced_wherever_it_is(tmp_path, table):
    document = environments.settings_file().read_text(encoding="utf-8")
    document += f"\n[{table}.service.tables]\nleast_epoch = 7\n"
    file = tmp_path / "environments.toml"
    file.write_text(with_original_tables(document, "local"), encoding="utf-8")

    assert environments.load("local", file).service == environments.load("local").service


@pytest.mark.parametrize("document", ["local = 1\n", "[local]\nservice = 1\n", "[local.service]\ntables = 1\n", ""])
def test_settings_without_a_table_of_tables_stay_as_they_are(document):
    assert with_original_tables(document, "local") == document
