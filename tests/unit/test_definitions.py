import json

import pytest

from state_machines import definitions
from state_machines.definitions import DefinitionRefused, bind, load, module_of, names, read

TWO = '{"StartAt": "A", "States": {"A": {"Resource": "${Plan}"}, "B": {"Resource": "${VerifyAfterTraffic}"}}}'


def test_the_definitions_are_found_by_name():
    assert {"deployment", "rollback"} <= set(names())


def test_an_unknown_definition_is_refused_with_those_there_are():
    with pytest.raises(DefinitionRefused, match="there is no definition 'launch'; there are deployment"):
        load("launch")


@pytest.mark.parametrize("name", names())
def test_a_definition_is_json_before_and_after_it_is_bound(name):
    definition = load(name)
    arns = {placeholder: f"arn:of:{placeholder}" for placeholder in definition.placeholders}

    bound = json.loads(bind(definition, arns))

    assert bound["States"].keys() == definition.states.keys()
    assert "${" not in json.dumps(bound)


def test_placeholders_are_listed_once_however_often_they_stand():
    assert read("two", TWO.replace("VerifyAfterTraffic", "Plan")).placeholders == {"Plan"}


@pytest.mark.parametrize(
    "text",
    ['{"Resource": "arn:${Plan}"}', '{"Resource": "${plan}"}', '{"Resource": "${}"}', '{"Resource": "${Plan.Arn}"}'],
)
def test_a_placeholder_that_is_not_a_whole_quoted_name_is_refused(text):
    with pytest.raises(DefinitionRefused, match="not a whole quoted CamelCase text"):
        read("wrong", text)


def test_what_is_no_json_is_refused():
    with pytest.raises(DefinitionRefused, match="wrong is no JSON"):
        read("wrong", '{"StartAt": ${Plan}}')


@pytest.mark.parametrize("arns", [{"Plan": "a"}, {"Plan": "a", "VerifyAfterTraffic": "b", "Other": "c"}])
def test_binding_refuses_what_does_not_fit(arns):
    with pytest.raises(DefinitionRefused, match="differ in"):
        bind(read("two", TWO), arns)


@pytest.mark.parametrize(
    ("placeholder", "module"), [("Plan", "plan"), ("VerifyAfterTraffic", "verify_after_traffic"), ("Hold", "hold")]
)
def test_a_placeholder_names_a_module(placeholder, module):
    assert module_of(placeholder) == module


def test_every_placeholder_names_a_module_that_there_is():
    tasks = definitions.FOLDER.parent / "orchestrator" / "tasks"

    assert all((tasks / f"{module_of(name)}.py").is_file() for one in names() for name in load(one).placeholders)
