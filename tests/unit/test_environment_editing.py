"""A value of environments.toml is changed, and nothing else of it."""

import tomllib

import pytest

import environments
from environments.editing import with_value

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


def test_what_is_written_in_another_way_is_refused():
    with pytest.raises(environments.EnvironmentRefused, match="by hand"):
        with_value(DOCUMENT.replace('region = "us-east-1"', "region = '''us-east-1'''"), "local", "region", "x")


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_of_ours_can_be_moved(name, tmp_path):
    document = environments.FILE.read_text(encoding="utf-8")
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


def test_the_lost_region_is_another_one(tmp_path):
    file = tmp_path / "environments.toml"
    document = environments.FILE.read_text(encoding="utf-8")
    file.write_text(with_value(document, "prod", "lost_region", "us-west-1"), encoding="utf-8")
    with pytest.raises(environments.EnvironmentRefused, match="the region that was lost"):
        environments.load("prod", file)
