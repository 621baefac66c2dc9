"""docs/architecture.md has the diagrams that the definitions give, and a diagram leaves out no state that matters."""

import re

import pytest

from state_machines import definitions, diagrams
from state_machines.definitions import DefinitionRefused, load, read
from state_machines.diagrams import diagram, main, with_diagrams

CHAIN = """{"StartAt": "A", "States": {
  "A": {"Type": "Task", "Next": "B", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Bad"}]},
  "B": {"Type": "Choice", "Choices": [{"Variable": "$", "StringEquals": "GO", "Next": "C"}], "Default": "Bad"},
  "C": {"Type": "Wait", "Next": "D"},
  "D": {"Type": "Task", "Next": "Good", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Good"}]},
  "Good": {"Type": "Succeed"}, "Bad": {"Type": "Fail"}}}"""


def task(name, following, catch):
    catches = ", ".join(f'{{"ErrorEquals": ["{error}"], "Next": "{target}"}}' for error, target in catch)
    return f'"{name}": {{"Type": "Task", "Next": "{following}", "Catch": [{catches}]}}'


def test_the_page_has_one_diagram_of_each_state_machine():
    page = diagrams.PAGE.read_text(encoding="utf-8")

    assert sorted(re.findall(r"<!-- diagram: (.+) -->", page)) == sorted(definitions.names())


def test_the_diagrams_of_the_page_are_those_that_are_generated():
    page = diagrams.PAGE.read_text(encoding="utf-8")

    assert page == with_diagrams(page), "run `python -m state_machines.diagrams`"


@pytest.mark.parametrize("name", definitions.names())
def test_every_state_but_an_inlined_choice_is_in_the_diagram(name):
    states = load(name).states
    drawn = set(re.findall(r"^    (\w+) -->|--> (\w+)", diagram(load(name)), re.MULTILINE))
    names = {one for pair in drawn for one in pair if one} - {diagrams.ERROR_BOX}

    assert names <= states.keys()
    assert {states[missing]["Type"] for missing in states.keys() - names} <= {"Choice"}


def test_a_choice_after_one_state_becomes_labels_and_a_catch_of_few_states_an_arrow():
    assert diagram(read("chain", CHAIN)).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> A",
        "    A --> C : GO",
        "    A --> Bad : otherwise, error",
        "    C --> D",
        "    D --> Good",
        "    Good --> [*]",
        "    Bad --> [*]",
    ]


def test_a_choice_after_several_states_stays_a_state():
    text = """{"StartAt": "A", "States": {
      "A": {"Type": "Task", "Next": "C"}, "B": {"Type": "Wait", "Next": "C"},
      "C": {"Type": "Choice", "Choices": [{"Variable": "$", "StringEquals": "WAIT", "Next": "B"}], "Default": "Good"},
      "Good": {"Type": "Succeed"}}}"""

    drawn = diagram(read("joined", text))

    assert "A --> C\n" in drawn
    assert "C --> B : WAIT\n" in drawn
    assert "C --> Good : otherwise\n" in drawn


def test_a_catch_that_many_states_share_is_drawn_from_one_dashed_box():
    names = "ABCDEFG"
    states = [
        task(name, following, [("LockLost", "Lost"), ("States.ALL", "Early" if name in "ABC" else "Late")])
        for name, following in zip(names, [*names[1:], "Early"], strict=True)
    ]
    ends = ['"Lost": {"Type": "Fail"}', '"Early": {"Type": "Fail"}', '"Late": {"Type": "Fail"}']
    text = f'{{"StartAt": "A", "States": {{{", ".join([*states, *ends])}}}}}'

    drawn = diagram(read("many", text))

    assert drawn.splitlines()[-6:] == [
        "    AnError : Error in another state",
        "    AnError --> Lost : LockLost",
        "    AnError --> Early : any error in A, B, C",
        "    AnError --> Late : any other error",
        "    classDef dashed stroke-dasharray: 5 5",
        "    class AnError dashed",
    ]


def test_a_marker_that_names_no_state_machine_is_refused():
    with pytest.raises(DefinitionRefused, match="launch"):
        with_diagrams("<!-- diagram: launch -->\n<!-- end -->")


def test_the_command_rewrites_what_is_between_the_markers_and_nothing_else(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- diagram: rollback -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")

    main(page)
    main(page)

    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- diagram: rollback -->\n```mermaid\nstateDiagram-v2\n")
    assert text.endswith("\n```\n<!-- end -->\nafter\n")
    assert "old" not in text
    assert capsys.readouterr().out == "page.md: rewritten\npage.md: unchanged\n"
