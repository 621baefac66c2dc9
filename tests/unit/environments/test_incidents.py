"""The settings of incidents in an environment: optional, bounded, and with destinations that exist."""

from __future__ import annotations

import pytest

from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.environments import load
from orchestrator.environments.incidents import read_incidents, refuse_unknown_destinations
from orchestrator.environments.json_schema import EXAMPLE, FILE
from tests.unit.domain.incidents.test_policy import ON_CALL
from tests.unit.domain.incidents.worlds import POLICY


def test_an_environment_without_the_tables_has_the_defaults():
    assert load("prod", FILE).incidents == IncidentPolicy()


def test_the_example_shows_every_setting(tmp_path):
    file = tmp_path / "environments.toml"
    file.write_text(f"{FILE.read_text()}\n{_tables_of_incidents()}")
    policy = load("dev", file).incidents
    assert policy.severities["access-denied"] is IncidentSeverity.SEV3
    assert policy.severities["kms-key-changed"] is None
    assert policy.rota.levels[0].people == ("Ann", "Bob", "Cleo")


def _tables_of_incidents():
    text = EXAMPLE.read_text()
    tables = text[text.index("[prod.incidents]") : text.index("[prod.status_page]")].replace("[prod.", "[dev.")
    return "\n".join(line for line in tables.splitlines() if not line.startswith("destinations"))


def test_settings_that_do_not_fit_into_a_variable_are_refused():
    levels = [{"people": ["a" * 100] * 20}]
    with pytest.raises(EnvironmentRefused, match=r"prod.on_call: '\d+ bytes' is refused: give fewer or shorter names"):
        read_incidents(SettingsReader("prod", {"on_call": {**ON_CALL, "levels": levels}}))


def test_a_level_pages_only_destinations_that_exist():
    refuse_unknown_destinations(POLICY, ["pager-2"], "prod")
    refuse_unknown_destinations(IncidentPolicy(), [], "prod")
    with pytest.raises(
        EnvironmentRefused, match=r"prod.on_call.levels\[1\].destinations: 'pager-2' is refused: .*: chat"
    ):
        refuse_unknown_destinations(POLICY, ["chat"], "prod")
    with pytest.raises(EnvironmentRefused, match="there are none"):
        refuse_unknown_destinations(POLICY, [], "prod")


def test_an_environment_refuses_a_level_with_a_destination_that_it_does_not_have(tmp_path):
    file = tmp_path / "environments.toml"
    tables = _tables_of_incidents() + '\ndestinations = ["nowhere"]\n'
    file.write_text(f"{FILE.read_text()}\n{tables}")
    with pytest.raises(EnvironmentRefused, match=r"dev.on_call.levels\[1\].destinations: 'nowhere' is refused"):
        load("dev", file)
