import json

import pytest

from state_machines import definitions
from state_machines.definitions import DefinitionRefused, bind, load, module_of, names, read
from state_machines.fragments import FRAGMENTS

TWO = '{"StartAt": "A", "States": {"A": {"Resource": "${Plan}"}, "B": {"Resource": "${VerifyAfterPromotion}"}}}'


def file_of(name):
    return (definitions.FOLDER / f"{name}{definitions.SUFFIX}").read_text(encoding="utf-8")


def modules():
    tasks = definitions.FOLDER.parent / "orchestrator" / "tasks"
    return {file.stem for file in tasks.glob("*/*.py")} - {"__init__"}


def test_the_definitions_are_found_by_name():
    assert {"deployment", "rollback"} <= set(names())


def test_an_unknown_definition_is_refused_with_those_there_are():
    with pytest.raises(DefinitionRefused, match="there is no definition 'launch'; there are deployment"):
        load("launch")


@pytest.mark.parametrize("name", names())
def test_a_definition_is_json_in_its_file_with_its_fragments_and_after_it_is_bound(name):
    definition = load(name)
    arns = {placeholder: f"arn:of:{placeholder}" for placeholder in definition.placeholders}

    bound = json.loads(bind(definition, arns))

    assert json.loads(file_of(name))["States"].keys() == bound["States"].keys() == definition.states.keys()
    assert "${" not in json.dumps(bound)


@pytest.mark.parametrize("name", names())
def test_a_definition_is_its_file_with_every_fragment_in_its_place(name):
    def expand(value):
        if isinstance(value, dict):
            return {key: expand(child) for key, child in value.items()}
        if isinstance(value, list):
            return [expand(child) for child in value]
        return FRAGMENTS.get(value[2:-1], value) if isinstance(value, str) else value

    assert json.loads(load(name).text) == expand(json.loads(file_of(name)))


def test_a_fragment_is_replaced_and_is_no_placeholder_of_a_task():
    definition = read("one", '{"States": {"A": {"Resource": "${Plan}", "Retry": "${PatientRetry}"}}}')

    assert definition.placeholders == {"Plan"}
    assert definition.states["A"]["Retry"] == FRAGMENTS["PatientRetry"]


def test_every_fragment_is_used_and_none_has_the_name_of_a_task():
    assert all(any(f'"${{{fragment}}}"' in file_of(name) for name in names()) for fragment in FRAGMENTS)
    assert not {module_of(fragment) for fragment in FRAGMENTS} & modules()


def test_placeholders_are_listed_once_however_often_they_stand():
    assert read("two", TWO.replace("VerifyAfterPromotion", "Plan")).placeholders == {"Plan"}


@pytest.mark.parametrize(
    "text",
    [
        '{"Resource": "arn:${Plan}"}',
        '{"Resource": "${plan}"}',
        '{"Resource": "${}"}',
        '{"Resource": "${Plan.Arn}"}',
        '{"Retry": "a ${PatientRetry}"}',
    ],
)
def test_a_placeholder_that_is_not_a_whole_quoted_name_is_refused(text):
    with pytest.raises(DefinitionRefused, match="not a whole quoted CamelCase string"):
        read("wrong", text)


def test_what_is_no_json_is_refused():
    with pytest.raises(DefinitionRefused, match="wrong is not valid JSON"):
        read("wrong", '{"StartAt": ${Plan}}')


@pytest.mark.parametrize("arns", [{"Plan": "a"}, {"Plan": "a", "VerifyAfterPromotion": "b", "Other": "c"}])
def test_binding_refuses_what_does_not_fit(arns):
    with pytest.raises(DefinitionRefused, match="differ in"):
        bind(read("two", TWO), arns)


@pytest.mark.parametrize(
    ("placeholder", "module"), [("Pause", "pause"), ("VerifyAfterPromotion", "verify_after_promotion")]
)
def test_a_placeholder_names_a_module(placeholder, module):
    assert module_of(placeholder) == module


def test_every_placeholder_names_a_module_that_there_is_and_every_module_has_a_placeholder():
    assert {module_of(placeholder) for name in names() for placeholder in load(name).placeholders} == modules()
