"""The page of the settings, docs/reference/environments.md, has every table, every key of `delivery`, and its defaults."""

from __future__ import annotations

import json
import re

import pytest

from orchestrator import environments
from orchestrator.environments import json_schema
from orchestrator.environments.settings_document import SettingsFile

PAGE = json_schema.SCHEMA.with_name("environments.md").read_text(encoding="utf-8")
TABLE = json.loads(json_schema.SCHEMA.read_text(encoding="utf-8"))["definitions"]["table"]["properties"]
DEFAULTS = SettingsFile.read(environments.settings_file()).document["defaults"]["delivery"]


def rows(title):
    """The rows of a section's tables: the names in the first column, and the other columns."""
    section = re.split(r"^#{2,3} ", PAGE.partition(f" {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return {name: columns[1:] for columns in found for name in re.findall(r"`([\w.]+)`", columns[0])}


def test_every_table_of_the_settings_has_a_row():
    tables = {name for name, rule in TABLE.items() if rule.get("type") in ("object", "array") and "[" not in name}
    assert tables - rows("Tables").keys() - rows("Settings without a table").keys() == set()


def test_every_setting_without_a_table_has_a_row():
    settings = {name for name, rule in TABLE.items() if rule.get("type") not in ("object", "array")}
    assert settings - rows("Settings without a table").keys() == set()


@pytest.mark.parametrize(
    ("rule", "default"),
    [(TABLE["delivery"], DEFAULTS), (TABLE["delivery"]["properties"]["thresholds"], DEFAULTS["thresholds"])],
    ids=["delivery", "thresholds"],
)
def test_every_key_of_delivery_has_a_row_with_its_default(rule, default):
    found = rows("Delivery")
    assert rule["properties"].keys() - found.keys() == set()
    values = {key: str(value) for key, value in default.items() if isinstance(value, str | int | float)}
    assert {key: found[key][0].strip("`").replace(",", "") for key in values} == values


@pytest.mark.parametrize("table", ["security", "pipeline", "evidence", "acknowledgement"])
def test_every_key_of_a_small_table_is_on_the_page(table):
    assert [key for key in TABLE[table]["properties"] if f"`{key}`" not in PAGE] == []
