"""The scenarios: their names, and what a person finds about them in the runbooks."""

import re
from pathlib import Path

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.rehearsal.catalogue import SCENARIOS, find_scenarios
from orchestrator.domain.rehearsal.scenario import End

RUNBOOKS = Path(__file__).resolve().parents[4] / "docs" / "runbooks"
NAMES = [scenario.name for scenario in SCENARIOS]


def test_names_are_words_joined_by_dashes_and_differ():
    assert [name for name in NAMES if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []
    assert len(set(NAMES)) == len(NAMES)


def test_all_of_them_or_some_are_found_by_name_in_the_order_of_the_catalogue():
    assert find_scenarios(["all"]) == SCENARIOS
    assert find_scenarios([NAMES[1], "all"]) == SCENARIOS
    assert [scenario.name for scenario in find_scenarios([NAMES[2], NAMES[0]])] == [NAMES[0], NAMES[2]]


@pytest.mark.parametrize("names", [["volcano"], ["volcano", "all"], []])
def test_an_unknown_name_or_none_is_refused_with_the_names_there_are(names):
    with pytest.raises(Refused, match="name all or one of ledger-lost"):
        find_scenarios(names)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_a_scenario_that_needs_commands_says_in_a_sentence_what_a_person_must_do(scenario):
    assert bool(scenario.action) == bool(scenario.commands)
    assert scenario.commands or scenario.expected is not End.COMMANDS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_the_runbook_has_the_section_and_its_commands(scenario):
    name, _, anchor = scenario.runbook.partition("#")
    page = (RUNBOOKS / name).read_text(encoding="utf-8")
    if anchor:
        headings = [
            re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in page.splitlines()
            if line.startswith("#")
        ]
        assert anchor in headings
    # A section may link the runbook that has the commands instead of repeating them.
    linked = [RUNBOOKS / link for link in re.findall(r"\]\(([a-z-]+\.md)", page)]
    texts = [page, *(file.read_text(encoding="utf-8") for file in linked)] if anchor else [page]
    flat = " ".join(" ".join(texts).replace("prod", "ENV").split())
    missing = [command for command in scenario.commands if " ".join(command.split()) not in flat]
    assert missing == []
